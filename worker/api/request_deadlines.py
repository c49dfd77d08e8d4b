"""Ends connections whose requests arrive too slowly: uvicorn itself waits for a header or a body without end."""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


class PromptRequestProtocol(H11Protocol):
    """HTTP/1.1 whose requests have to arrive in time.

    A client that is too slow gets 408, or a closed connection where its response has begun. While the application does
    not read, the client is not to blame and its time does not count.

    Attributes:
        header_s: How long a header may take, from the opening of a connection or, on one that was used before, from
            its first byte.
        body_s: How long a body may take whatever its size.
        bytes_per_s: A body has a second more for so many bytes that came.
    """

    header_s = 20.0
    body_s = 30.0
    bytes_per_s = 16 * 1024

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - those of uvicorn
        super().__init__(*arguments, **options)
        self._awaited: type[h11.IDLE | h11.SEND_BODY] | None = None
        self._since_s = 0.0
        self._received = 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin to wait for the first header."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take a part of a request, and wait for the next one."""
        self._received += len(data)
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_timer()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Start the time of a header or a body that begins, and stop it when a request is complete."""
        state = self.conn.their_state
        awaited = state if state in (h11.IDLE, h11.SEND_BODY) else None
        if awaited is self._awaited or self.transport.is_closing():
            return
        self._stop_timer()
        self._awaited, self._since_s, self._received = awaited, self.loop.time(), 0
        if awaited is not None:
            self._timer = self.loop.call_at(self._deadline_s(), self._check)

    def _deadline_s(self) -> float:
        if self._awaited is h11.IDLE:
            return self._since_s + self.header_s
        return self._since_s + self.body_s + self._received / self.bytes_per_s

    def _check(self) -> None:
        if self.flow.read_paused:
            self._since_s = self.loop.time()
        deadline_s = self._deadline_s()
        if deadline_s > self.loop.time():
            self._timer = self.loop.call_at(deadline_s, self._check)
        elif not self.transport.is_closing():
            self._give_up()

    def _give_up(self) -> None:
        if self._awaited is h11.SEND_BODY:
            self.cycle.disconnected = True  # the application reads no further, and what it sends is dropped
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            response = h11.Response(
                status_code=408,
                reason=b"Request Timeout",
                headers=[(b"connection", b"close"), (b"content-length", b"0")],
            )
            self.transport.write(self.conn.send(response) or b"")
        self.transport.close()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

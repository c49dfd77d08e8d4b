"""The network between a connector and its fake server: in process, recorded, and with faults on demand."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import httpx2

Server = Callable[[httpx2.Request], httpx2.Response]
"""Plays the provider: one request in, one answer out."""

MOST_REQUESTS = 400


class RunawayError(BaseException):
    """The connector asks without end. Not an Exception, so that no connector catches it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What comes instead of the server's answer: an answer, or an error of the network."""

    name: str
    answer: Server


@dataclass(slots=True, kw_only=True)
class KitTransport(httpx2.BaseTransport):
    """Hands requests to the server in process.

    Attributes:
        fail_from: Every request from this one on (counted from 0) meets the fault.
        fail_to: The first request that meets it no more; None: it stays.
        stick_from: From this request on the answer of the one before comes again and again.
    """

    server: Server
    requests: list[httpx2.Request] = field(default_factory=list)
    fault: Fault | None = None
    fail_from: int = 0
    fail_to: int | None = None
    stick_from: int | None = None
    before: Callable[[int], None] | None = None
    _last: httpx2.Response | None = None

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer one request."""
        number = len(self.requests)
        self.requests.append(request)
        if number >= MOST_REQUESTS:
            raise RunawayError(f"more than {MOST_REQUESTS} requests in one delivery")
        if self.before is not None:
            self.before(number)
        request.read()
        if self.fault is not None and self.fail_from <= number < (self.fail_to or MOST_REQUESTS):
            return self.fault.answer(request)
        if self.stick_from is not None and number >= self.stick_from and self._last is not None:
            return _copied(self._last)
        answer = self.server(request)
        answer.read()
        self._last = answer
        return _copied(answer)


def _copied(answer: httpx2.Response) -> httpx2.Response:
    return httpx2.Response(answer.status_code, headers=answer.headers, content=answer.content)


class _Drip(httpx2.SyncByteStream):
    """Begins an answer and runs into the deadline."""

    def __iter__(self) -> Iterator[bytes]:
        yield b'{"'
        raise httpx2.ReadTimeout("the whole exchange took too long")


def answers(name: str, status: int, content: bytes = b"{}", **headers: str) -> Fault:
    """Return the fault of a fixed answer; header names are written with `_` for `-`."""
    fields = {key.replace("_", "-"): value for key, value in headers.items()}
    return Fault(name=name, answer=lambda _: httpx2.Response(status, headers=fields, content=content))


def breaks(name: str, error: httpx2.TransportError) -> Fault:
    """Return the fault of a network that fails."""

    def fail(_request: httpx2.Request) -> httpx2.Response:
        raise error

    return Fault(name=name, answer=fail)


def drips(name: str) -> Fault:
    """Return the fault of an answer that begins and never ends."""
    return Fault(name=name, answer=lambda _: httpx2.Response(200, stream=_Drip()))

"""Sockets whose waits end at the deadline of the exchange, and when the run has to end.

A name is resolved once, and what was looked at is connected to. What cannot be interrupted (resolving, connecting,
the handshake of TLS) happens in a thread that is left behind when nobody waits for it any more.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from ssl import SSLContext
from typing import Protocol

import httpcore2

from worker.net.addresses import vetted

LOOK_S = 0.4
"""How often a wait looks whether it has to end."""


class Reach(Protocol):
    """Says which hosts need not have public addresses."""

    def lets_through(self, host: str, port: int) -> bool:
        """Say whether the operator named this host with this port."""


@dataclass(slots=True, kw_only=True)
class Exchange:
    """The bounds of one exchange.

    Attributes:
        deadline_at: When it must be over, on the monotonic clock (s).
        check: Called during waits; raises when nobody waits any more.
        look_at: When `check` is called next, on the monotonic clock (s).
    """

    deadline_at: float
    check: Callable[[], None]
    look_at: float

    def look(self) -> None:
        """Call `check`, unless that was done a moment ago; bytes may arrive one by one. Raises: what `check` raises."""
        now_s = time.monotonic()
        if now_s >= self.look_at:
            self.look_at = now_s + LOOK_S
            self.check()

    def remaining_s(self, timeout_s: float | None, error: type[Exception]) -> float:
        """Return how long a wait may last. Raises: `error` when the exchange is over."""
        left_s = self.deadline_at - time.monotonic()
        if left_s <= 0:
            raise error("the whole exchange took too long")
        return left_s if timeout_s is None else min(timeout_s, left_s)


_exchange: ContextVar[Exchange] = ContextVar("exchange")


@contextmanager
def exchange(total_s: float, check: Callable[[], None]) -> Iterator[None]:
    """Bound everything that is sent and read inside the block."""
    now_s = time.monotonic()
    token = _exchange.set(Exchange(deadline_at=now_s + total_s, check=check, look_at=now_s + LOOK_S))
    try:
        yield
    finally:
        _exchange.reset(token)


class BoundedNetwork(httpcore2.NetworkBackend):
    """Opens connections to reachable hosts.

    Args:
        reach: Which need not be public; None: any host may be reached.
    """

    def __init__(self, reach: Reach | None) -> None:
        self._reach = reach
        self._sockets = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        """Connect. Raises: RefusedTargetError, httpcore2.ConnectTimeout, httpcore2.ConnectError."""
        timeout_s = _exchange.get().remaining_s(timeout, httpcore2.ConnectTimeout)
        give_up_at = time.monotonic() + timeout_s

        def connect_to(address: str) -> httpcore2.NetworkStream:
            left_s = max(0.001, give_up_at - time.monotonic())
            return self._sockets.connect_tcp(address, port, left_s, local_address, socket_options)

        def connect() -> httpcore2.NetworkStream:
            named = self._reach is None or self._reach.lets_through(host, port)
            *others, last = [host] if named else _public(host, port)
            for address in others:
                with suppress(httpcore2.ConnectError):
                    return connect_to(address)
            return connect_to(last)

        return _BoundedStream(_waited(connect, timeout_s))


def _public(host: str, port: int) -> list[str]:
    """Resolve a host once and return the checked addresses; a second look-up might give others (DNS rebinding)."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore2.ConnectError("the host name does not resolve") from error
    return vetted(list(dict.fromkeys(str(entry[4][0]) for entry in found)))


class _BoundedStream(httpcore2.NetworkStream):
    """A connection whose waits end with the exchange."""

    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read at most `max_bytes`. Raises: httpcore2.ReadTimeout, httpcore2.ReadError, and what `check` raises."""
        current = _exchange.get()
        until_at = time.monotonic() + current.remaining_s(timeout, httpcore2.ReadTimeout)
        while True:
            current.look()
            left_s = until_at - time.monotonic()
            if left_s <= LOOK_S:
                return self._stream.read(max_bytes, max(left_s, 0.001))
            with suppress(httpcore2.ReadTimeout):
                return self._stream.read(max_bytes, LOOK_S)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all of `buffer`. Raises: httpcore2.WriteTimeout, httpcore2.WriteError."""
        self._stream.write(buffer, _exchange.get().remaining_s(timeout, httpcore2.WriteTimeout))

    def close(self) -> None:
        """Close the socket."""
        self._stream.close()

    def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        """Upgrade to TLS. Raises: httpcore2.ConnectTimeout, httpcore2.ConnectError."""
        timeout_s = _exchange.get().remaining_s(timeout, httpcore2.ConnectTimeout)
        return _BoundedStream(
            _waited(lambda: self._stream.start_tls(ssl_context, server_hostname, timeout_s), timeout_s)
        )

    def get_extra_info(self, info: str) -> object:
        """Return what the wrapped stream says."""
        return self._stream.get_extra_info(info)


def _waited(call: Callable[[], httpcore2.NetworkStream], timeout_s: float) -> httpcore2.NetworkStream:
    """Return the connection that a call makes in a thread of its own; one that comes too late is closed there."""
    current = _exchange.get()
    answers: SimpleQueue[httpcore2.NetworkStream | BaseException] = SimpleQueue()
    left_behind = threading.Event()

    def work() -> None:
        try:
            stream = call()
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            answers.put(error)
            return
        answers.put(stream)
        if left_behind.is_set():
            stream.close()

    threading.Thread(target=work, name="connecting", daemon=True).start()
    until_at = time.monotonic() + timeout_s
    try:
        while (left_s := until_at - time.monotonic()) > 0:
            with suppress(Empty):
                return _result(answers.get(timeout=min(LOOK_S, left_s)))
            current.check()
    except BaseException:
        left_behind.set()
        raise
    left_behind.set()
    raise httpcore2.ConnectTimeout("no connection in time")


def _result(answer: httpcore2.NetworkStream | BaseException) -> httpcore2.NetworkStream:
    if isinstance(answer, BaseException):
        raise answer
    return answer

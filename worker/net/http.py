"""The HTTP client connectors are given: bounded in time and size, no redirects, nothing from the environment.

One deadline covers a whole exchange, so that a server that sends a byte now and then is cut off like a silent one.
"""

import logging
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from ssl import SSLContext

import httpcore2
import httpx2

from worker import __version__
from worker.net.addresses import vetted
from worker.telemetry.latencies import PROVIDER_REQUEST, observe

USER_AGENT = f"finmind-worker/{__version__}"

for _name in ("httpx2", "httpcore2"):  # they log whole URLs, and some tokens travel in a URL
    logging.getLogger(_name).setLevel(logging.WARNING)

_deadline_at: ContextVar[float] = ContextVar("deadline_at")
"""When the current exchange must be over, on the monotonic clock (s)."""


class BodyTooLargeError(httpx2.TransportError):
    """The answer is larger than anything the provider could mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """How long and how large an exchange may get. total_s: connecting, sending and reading together."""

    connect_s: float = 5
    read_s: float = 30
    total_s: float = 120
    max_body_bytes: int = 64 * 1024 * 1024


DEFAULT_LIMITS = HttpLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReachableHosts:
    """Where a client may go: to public addresses. private_hosts: names or addresses that may be any; lower case."""

    private_hosts: frozenset[str] = frozenset()

    def lets_through(self, host: str) -> bool:
        """Say whether the operator has named this host."""
        return host.strip("[]").rstrip(".").lower() in self.private_hosts


def open_client(
    limits: HttpLimits = DEFAULT_LIMITS,
    wrap: Callable[[httpx2.BaseTransport], httpx2.BaseTransport] | None = None,
    reach: ReachableHosts | None = None,
) -> httpx2.Client:
    """Return a client for one connector; close it after use, it keeps cookies.

    reach: where it may go, looked at when it connects; None: anywhere.
    wrap: puts another transport around the bounded one, such as the throttle; its waiting does not count as exchange.
    """
    bounded = _BoundedTransport(limits, reach)
    return httpx2.Client(
        transport=wrap(bounded) if wrap else bounded,
        timeout=httpx2.Timeout(limits.read_s, connect=limits.connect_s),
        follow_redirects=False,
        trust_env=False,
        headers={"User-Agent": USER_AGENT, "Accept": "application/json"},
    )


class _BoundedTransport(httpx2.HTTPTransport):
    """Reads the whole answer before returning it, within the limits."""

    def __init__(self, limits: HttpLimits, reach: ReachableHosts | None) -> None:
        super().__init__(verify=_trusted())
        self._limits = limits
        self._pool = httpcore2.ConnectionPool(
            ssl_context=_trusted(), max_connections=4, keepalive_expiry=15, network_backend=_DeadlineBackend(reach)
        )

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send and read.

        Raises: httpx2.TimeoutException, httpx2.TransportError, httpx2.DecodingError, RefusedTargetError.
        """
        token = _deadline_at.set(time.monotonic() + self._limits.total_s)
        try:
            answer = super().handle_request(request)
            try:
                return self._read(answer)
            finally:
                answer.close()
        finally:
            _deadline_at.reset(token)

    def _read(self, answer: httpx2.Response) -> httpx2.Response:
        body = bytearray()
        for chunk in answer.iter_bytes(65_536):
            body += chunk
            if len(body) > self._limits.max_body_bytes:
                raise BodyTooLargeError(f"more than {self._limits.max_body_bytes} bytes")
        headers = [(name, value) for name, value in answer.headers.raw if name.lower() not in _HOP_BY_HOP]
        return httpx2.Response(answer.status_code, headers=headers, content=bytes(body))


class MeasuredTransport(httpx2.BaseTransport):
    """Times every request of one connector; the waits of whatever is put around it are not part of it."""

    def __init__(self, inner: httpx2.BaseTransport, connector_name: str) -> None:
        self._inner = inner
        self._connector_name = connector_name

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send. Raises: what the transport below raises."""
        started_s, status = time.perf_counter(), "none"
        try:
            response = self._inner.handle_request(request)
            status = str(response.status_code)
            return response
        finally:
            endpoint = str(request.extensions.get("endpoint") or "other")
            observe(PROVIDER_REQUEST, time.perf_counter() - started_s, self._connector_name, endpoint, status)

    def close(self) -> None:
        """Close the transport below."""
        self._inner.close()


_HOP_BY_HOP = {b"content-encoding", b"content-length", b"transfer-encoding"}


@cache
def _trusted() -> SSLContext:
    """Load the trusted authorities once per process: it costs more than a small refresh."""
    return httpx2.create_ssl_context()


def _remaining_s(timeout_s: float | None, error: type[Exception]) -> float:
    left_s = _deadline_at.get() - time.monotonic()
    if left_s <= 0:
        raise error("the whole exchange took too long")
    return left_s if timeout_s is None else min(timeout_s, left_s)


class _DeadlineBackend(httpcore2.NetworkBackend):
    """Opens connections whose every wait is cut to what the current exchange has left."""

    def __init__(self, reach: ReachableHosts | None) -> None:
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
        *others, last = [host] if self._reach is None or self._reach.lets_through(host) else _public(host, port)
        for address in others:
            with suppress(httpcore2.ConnectError):
                return self._connect(address, port, timeout, local_address, socket_options)
        return self._connect(last, port, timeout, local_address, socket_options)

    def _connect(
        self,
        address: str,
        port: int,
        timeout: float | None,
        local_address: str | None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None,
    ) -> httpcore2.NetworkStream:
        timeout_s = _remaining_s(timeout, httpcore2.ConnectTimeout)
        stream = self._sockets.connect_tcp(address, port, timeout_s, local_address, socket_options)
        return _DeadlineStream(stream)


def _public(host: str, port: int) -> list[str]:
    """Resolve once and connect to what was looked at: a second look-up might be answered differently."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore2.ConnectError("the host name does not resolve") from error
    return vetted(list(dict.fromkeys(str(entry[4][0]) for entry in found)))


class _DeadlineStream(httpcore2.NetworkStream):
    """A connection that gives up at the deadline of the exchange it is used for."""

    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Raises: httpcore2.ReadTimeout, httpcore2.ReadError."""
        return self._stream.read(max_bytes, _remaining_s(timeout, httpcore2.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Raises: httpcore2.WriteTimeout, httpcore2.WriteError."""
        self._stream.write(buffer, _remaining_s(timeout, httpcore2.WriteTimeout))

    def close(self) -> None:
        """Close the socket."""
        self._stream.close()

    def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        """Upgrade to TLS. Raises: httpcore2.ConnectTimeout, httpcore2.ConnectError."""
        timeout_s = _remaining_s(timeout, httpcore2.ConnectTimeout)
        return _DeadlineStream(self._stream.start_tls(ssl_context, server_hostname, timeout_s))

    def get_extra_info(self, info: str) -> object:
        """Pass the question on."""
        return self._stream.get_extra_info(info)

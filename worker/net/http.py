"""The HTTP client of connectors: bounded in time and size, without redirects, independent of environment variables.

One deadline covers a whole exchange, so that a server that sends single bytes is cut off too.
"""

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from ssl import SSLContext

import httpcore2
import httpx2

from worker import __version__
from worker.errors import InvalidRequestError
from worker.net.addresses import is_loopback_literal
from worker.net.bounded_network import BoundedNetwork, exchange
from worker.net.certificates import ClientCertificate, context_with
from worker.net.response_bodies import MAX_BYTES, BodyLimits, read_body

_PRIVATE_HOST = re.compile(r"(?P<host>[^\s:/@*\[\]]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}|\*))?")
USER_AGENT = f"finmind-worker/{__version__}"

for _name in ("httpx2", "httpcore2"):  # they log whole URLs, and some URLs contain tokens
    logging.getLogger(_name).setLevel(logging.WARNING)


def _do_nothing() -> None:
    """Do nothing: the default of `refuse_if_heavy` and `check`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """Limits of one exchange.

    Attributes:
        connect_s: Time limit of connecting.
        read_s: Longest wait for the next bytes.
        total_s: Time limit of the whole exchange.
        max_body_bytes: Size limit of the body, unpacked; `worker.net.response_bodies` has the others.
        refuse_if_heavy: Called for a large body; raises where another worker is to read it.
        check: Called during waits; raises when the run has to end. A request with the extension `uninterrupted` goes
            on: its answer may hold credentials that are given once.
    """

    connect_s: float = 5
    read_s: float = 30
    total_s: float = 120
    max_body_bytes: int = MAX_BYTES
    refuse_if_heavy: Callable[[], None] = _do_nothing
    check: Callable[[], None] = _do_nothing


DEFAULT_LIMITS = HttpLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReachableHosts:
    """The hosts that a client may connect to: all with public addresses, and the private ones named here.

    Attributes:
        private: Lower-case names or addresses that may be private, each with its port; None is any port.
    """

    private: frozenset[tuple[str, int | None]] = frozenset()

    def lets_through(self, host: str, port: int) -> bool:
        """Say whether the operator named this host with this port."""
        name = host.strip("[]").rstrip(".").lower()
        return (name, port) in self.private or (name, None) in self.private


def parse_private_hosts(text: str, *, any_loopback_port: bool = False) -> ReachableHosts:
    """Read `host:port` entries separated by commas; a host without a port stands for ports 80 and 443, `:*` for all.

    Args:
        any_loopback_port: For development: a host of this machine without a port stands for all its ports.

    Raises:
        InvalidRequestError: For an entry that is none of these.
    """
    entries = [entry for part in text.split(",") if (entry := part.strip().lower())]
    return ReachableHosts(private=frozenset(pair for entry in entries for pair in _parse(entry, any_loopback_port)))


def _parse(entry: str, any_loopback_port: bool) -> list[tuple[str, int | None]]:  # noqa: FBT001 - private
    if entry.count(":") > 1 and not entry.startswith("["):
        entry = f"[{entry}]"  # an IPv6 address without a port
    found = _PRIVATE_HOST.fullmatch(entry)
    if found is None:
        raise InvalidRequestError(f"{entry[:100]!r} is not HOST, HOST:PORT or HOST:*")
    host, port = found["host"].strip("[]").rstrip("."), found["port"]
    if port not in {None, "*"} and not 1 <= int(port) <= 65_535:  # noqa: PLR2004 - of TCP
        raise InvalidRequestError(f"{entry[:100]!r} names no port")
    if port == "*" or (port is None and any_loopback_port and (host == "localhost" or is_loopback_literal(host))):
        return [(host, None)]
    return [(host, number) for number in ((80, 443) if port is None else (int(port),))]


def open_client(
    limits: HttpLimits = DEFAULT_LIMITS,
    wrap: Callable[[httpx2.BaseTransport], httpx2.BaseTransport] | None = None,
    reach: ReachableHosts | None = None,
    certificate: ClientCertificate | None = None,
) -> httpx2.Client:
    """Return a client for one connector. Close it after use, because it keeps cookies.

    Args:
        reach: The hosts that it may connect to, checked at every connect; None allows any.
        wrap: Wraps the bounded transport, for example in the throttle, whose waits do not count towards the limits.
        certificate: What the client shows to servers that ask for one (mTLS).

    Raises:
        InvalidRequestError: when the certificate cannot be read.
    """
    bounded = _BoundedTransport(limits, reach, context_with(certificate) if certificate else _trusted())
    return httpx2.Client(
        transport=wrap(bounded) if wrap else bounded,
        timeout=httpx2.Timeout(limits.read_s, connect=limits.connect_s),
        follow_redirects=False,
        trust_env=False,
        headers={"User-Agent": USER_AGENT, "Accept": "application/json", "Accept-Encoding": "gzip, deflate"},
    )


class _BoundedTransport(httpx2.HTTPTransport):
    """Reads the whole response within the limits before it returns it."""

    def __init__(self, limits: HttpLimits, reach: ReachableHosts | None, ssl_context: SSLContext) -> None:
        super().__init__(verify=ssl_context)
        self._limits = limits
        self._pool = httpcore2.ConnectionPool(
            ssl_context=ssl_context, max_connections=4, keepalive_expiry=15, network_backend=BoundedNetwork(reach)
        )

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send the request and read the response.

        Raises: httpx2.TimeoutException, httpx2.TransportError, httpx2.DecodingError, RefusedTargetError.
        """
        check = _do_nothing if request.extensions.get("uninterrupted") else self._limits.check
        with exchange(self._limits.total_s, check):
            answer = super().handle_request(request)
            try:
                return self._read(answer)
            finally:
                answer.close()

    def _read(self, answer: httpx2.Response) -> httpx2.Response:
        body = read_body(
            answer, BodyLimits(max_bytes=self._limits.max_body_bytes, refuse_if_heavy=self._limits.refuse_if_heavy)
        )
        headers = [(name, value) for name, value in answer.headers.raw if name.lower() not in _HOP_BY_HOP]
        return httpx2.Response(answer.status_code, headers=headers, content=body)


_HOP_BY_HOP = {b"content-encoding", b"content-length", b"transfer-encoding"}


@cache
def _trusted() -> SSLContext:
    """Return the trusted certificate authorities, loaded once per process, because loading them takes long."""
    return httpx2.create_ssl_context()

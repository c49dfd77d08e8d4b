"""Exchanges with a provider: recorded during a run, and returned in a replay."""

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2

from worker.connectors.errors import RateLimitError, RateLimitScope
from worker.net.request_timing import FAILURES, failure_name

MOST_BYTES = 16 * 1024 * 1024
"""More than this is no recording of one run that anybody could send."""

_KEPT_HEADERS = ("retry-after", "date", "link", "content-type")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedExchange:
    """One request and what came back.

    Attributes:
        endpoint: The connector's label of the request.
        account_id: The account it was about.
        status: Of the response; None where there was none.
        headers: Those of the response that connectors read.
        content: The response's body.
        error: What happened instead of a response: `timeout`, `no_connection`, `undecodable`, `too_large`,
            `unreadable`, `rate_limited`.
        retry_after_s: Of our own limits, for `rate_limited`.
    """

    method: str
    endpoint: str
    account_id: str | None = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = field(default=b"", repr=False)
    error: str | None = None
    retry_after_s: float | None = None


class RecordingTransport(httpx2.BaseTransport):
    """Keeps every exchange of one run, as its connector sees them.

    Args:
        inner: What sends.
        exchanges: Are added to.
        headers: Further headers of answers that the connector reads, in lower case.
    """

    def __init__(
        self,
        inner: httpx2.BaseTransport,
        exchanges: list[RecordedExchange],
        headers: frozenset[str] = frozenset(),
    ) -> None:
        self._inner = inner
        self._exchanges = exchanges
        self._headers = headers

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send and keep. Raises: what the transport below raises."""
        about = _about(request)
        try:
            response = self._inner.handle_request(request)
            content = response.read()
        except RateLimitError as error:
            self._exchanges.append(RecordedExchange(**about, error="rate_limited", retry_after_s=error.retry_after_s))
            raise
        except httpx2.RequestError as error:
            self._exchanges.append(RecordedExchange(**about, error=failure_name(error)))
            raise
        headers = {name.lower(): value for name, value in response.headers.items() if self._is_read(name.lower())}
        self._exchanges.append(RecordedExchange(**about, status=response.status_code, headers=headers, content=content))
        return response

    def close(self) -> None:
        """Close the transport below."""
        self._inner.close()

    def _is_read(self, name: str) -> bool:
        return (
            name in _KEPT_HEADERS
            or name in self._headers
            or any(word in name for word in ("ratelimit", "cursor", "next"))
        )


class ReplayTransport(httpx2.BaseTransport):
    """Answers as it was recorded: each endpoint and account in the order of the recording.

    Attributes:
        missing: Requests for which the recording has no (further) answer.
    """

    def __init__(self, exchanges: Sequence[RecordedExchange]) -> None:
        self._waiting: dict[tuple[str, str | None], deque[RecordedExchange]] = defaultdict(deque)
        for exchange in exchanges:
            self._waiting[exchange.endpoint, exchange.account_id].append(exchange)
        self.missing: list[str] = []

    @property
    def unused(self) -> int:
        """How many recorded answers nobody asked for."""
        return sum(map(len, self._waiting.values()))

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer. Raises: as it was recorded; httpx2.ConnectError where nothing was."""
        about = _about(request)
        waiting = self._waiting[about["endpoint"], about["account_id"]]
        if not waiting:
            self.missing.append(f"{about['method']} {about['endpoint']}")
            raise httpx2.ConnectError("not in the recording")
        exchange = waiting.popleft()
        if exchange.error == "rate_limited":
            raise RateLimitError("as recorded", retry_after_s=exchange.retry_after_s, scope=RateLimitScope.QUOTA)
        if exchange.error is not None or exchange.status is None:
            raise FAILURES.get(exchange.error or "", httpx2.ConnectError)("as recorded")
        return httpx2.Response(exchange.status, headers=dict(exchange.headers), content=exchange.content)


def _about(request: httpx2.Request) -> dict[str, Any]:
    extensions: Mapping[str, Any] = request.extensions
    account_id = extensions.get("account_id")
    return {
        "method": request.method,
        "endpoint": str(extensions.get("endpoint") or "other"),
        "account_id": None if account_id is None else str(account_id),
    }

"""Measures the requests of one connector, without the waits of transports around it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import httpx2

from worker.net.response_bodies import BodyTooLargeError
from worker.telemetry.latencies import PROVIDER_REQUEST, SOUND_LABEL, observe

FAILURES: Mapping[str, type[httpx2.RequestError]] = {
    "timeout": httpx2.TimeoutException,
    "no_connection": httpx2.ConnectError,
    "undecodable": httpx2.DecodingError,
    "too_large": BodyTooLargeError,
    "unreadable": httpx2.ReadError,
}
"""What happens instead of an answer, by its name."""

_GOOD = range(200, 400)


def failure_name(error: httpx2.RequestError) -> str:
    """Return the name of an error in FAILURES."""
    return next((name for name, kind in FAILURES.items() if isinstance(error, kind)), "unreadable")


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredRequest:
    """One request that has ended.

    Attributes:
        endpoint: The connector's own label for it.
        account_id: The account that it was about, as the bank names it.
        result: The status of the answer, a name of FAILURES, or `stopped` where the run had to end.
        took_s: Until the whole answer was read (s).
        body_bytes: Size of the answer, unpacked.
    """

    method: str
    endpoint: str
    account_id: str | None
    result: str
    took_s: float
    body_bytes: int
    is_answered: bool


class MeasuredTransport(httpx2.BaseTransport):
    """Measures every request of one connector.

    Args:
        inner: What sends.
        note: Is told of every request that ended.
    """

    def __init__(
        self, inner: httpx2.BaseTransport, connector_name: str, note: Callable[[MeasuredRequest], None]
    ) -> None:
        self._inner = inner
        self._connector_name = connector_name
        self._note = note

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send the request. Raises: what the wrapped transport raises."""
        started_s, result, status, body_bytes, is_answered = time.perf_counter(), "stopped", "none", 0, False
        try:
            response = self._inner.handle_request(request)
            result = status = str(response.status_code)
            body_bytes, is_answered = len(response.read()), response.status_code in _GOOD
        except httpx2.RequestError as error:
            result = failure_name(error)
            raise
        else:
            return response
        finally:
            label, account_id = str(request.extensions.get("endpoint") or "other"), request.extensions.get("account_id")
            measured = MeasuredRequest(
                method=request.method,
                endpoint=label if SOUND_LABEL.fullmatch(label) else "other",
                account_id=None if account_id is None else str(account_id),
                result=result,
                took_s=time.perf_counter() - started_s,
                body_bytes=body_bytes,
                is_answered=is_answered,
            )
            observe(PROVIDER_REQUEST, measured.took_s, self._connector_name, measured.endpoint, status)
            self._note(measured)

    def close(self) -> None:
        """Close the wrapped transport."""
        self._inner.close()

"""Decides how long a run waits after an error before it goes on, such as a 429 or a spent allowance. Pure."""

from datetime import datetime, time, timedelta

from worker.connectors.errors import RateLimitError, RateLimitScope
from worker.errors import KeyProviderUnavailableError, WorkerError

BURST_DEFER_S = 15 * 60
"""After a limit per second or minute, where the provider states no time."""

KEYS_DEFER_S = 5 * 60
"""While the keys that open credentials cannot be reached."""

MAX_DEFER_S = 7 * 24 * 3600


def defer_s(error: WorkerError, now: datetime) -> float | None:
    """Return how long to wait before the run goes on (s); None when waiting does not help.

    A spent allowance without a stated time is taken to return at the next UTC midnight.
    """
    if isinstance(error, KeyProviderUnavailableError):
        return KEYS_DEFER_S
    if not isinstance(error, RateLimitError):
        return None
    if error.retry_after_s is not None:
        return min(max(error.retry_after_s, 1.0), MAX_DEFER_S)
    if error.scope == RateLimitScope.BURST:
        return BURST_DEFER_S
    midnight = datetime.combine(now.date() + timedelta(days=1), time(), tzinfo=now.tzinfo)
    return (midnight - now).total_seconds()

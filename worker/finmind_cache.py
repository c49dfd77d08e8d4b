"""Invalidates FinMind's Redis cache for the months whose expenses an import changed.

A summary depends on its own month; dashboards and insights also depend on the months before theirs.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import redis

from worker.telemetry.logs import get_logger

log = get_logger(__name__)

_OF_ITS_MONTH = "user:{user}:monthly_summary:{month}"
_LOOKING_BACK = ("user:{user}:dashboard_summary:{month}", "insights:{user}:{month}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FinMindCache:
    """The cache of the web app; without a client nothing is cleared."""

    client: redis.Redis | None

    def clear(self, user_id: int, months: Iterable[str]) -> None:
        """Delete what depends on these months (`YYYY-MM`); when the cache is away, its entries expire later."""
        touched = set(months)
        if self.client is None or not touched:
            return
        later = list(_months(min(touched), max(touched | {datetime.now(UTC).strftime("%Y-%m")})))
        keys = [_OF_ITS_MONTH.format(user=user_id, month=month) for month in touched]
        try:
            self.client.unlink(*keys, *(key.format(user=user_id, month=m) for m in later for key in _LOOKING_BACK))
        except redis.RedisError as error:
            log.warning("finmind_cache.not_cleared", user_id=user_id, reason=type(error).__name__)


def _months(first: str, last: str) -> Iterator[str]:
    year, month = int(first[:4]), int(first[5:7])
    while f"{year:04}-{month:02}" <= last:
        yield f"{year:04}-{month:02}"
        year, month = year + month // 12, month % 12 + 1


def open_cache(url: str | None) -> FinMindCache:
    """Open the cache at `url`; nothing is connected before it is used."""
    if url is None:
        return FinMindCache(client=None)
    return FinMindCache(client=redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2))

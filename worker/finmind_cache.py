"""Invalidates what FinMind's Redis cache holds of the expenses that an import changed.

A summary depends on its own month, insights also on the months before theirs. The dashboard of any month lists a
person's newest expenses, of whatever month.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import redis

from worker.telemetry.logs import get_logger

log = get_logger(__name__)

_OF_ITS_MONTH = "user:{user}:monthly_summary:{month}"
_LOOKING_BACK = "insights:{user}:{month}"
_DASHBOARD = "user:{user}:dashboard_summary:{month}"
_DASHBOARD_YEARS = 10
"""How far back a person is thought to leaf through dashboards: their keys are named, for a search reads all keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinMindCache:
    """The cache of the web app; without a client nothing is cleared."""

    client: redis.Redis | None

    def clear(self, user_id: int, months: Iterable[str]) -> None:
        """Delete what depends on these months (`YYYY-MM`); when the cache is away, its entries expire later."""
        touched = set(months)
        if self.client is None or not touched:
            return
        now = datetime.now(UTC)
        first, last = min(touched), max(touched | {f"{now:%Y-%m}"})
        shown = _months(min(first, f"{now.year - _DASHBOARD_YEARS:04}-{now:%m}"), last)
        keys = [(_OF_ITS_MONTH, touched), (_LOOKING_BACK, _months(first, last)), (_DASHBOARD, shown)]
        try:
            self.client.unlink(*(key.format(user=user_id, month=month) for key, months in keys for month in months))
        except redis.RedisError as error:
            log.warning("finmind_cache.not_cleared", user_id=user_id, reason=type(error).__name__)


def _months(first: str, last: str) -> Iterator[str]:
    def number(month: str) -> int:
        return int(month[:4]) * 12 + int(month[5:7]) - 1

    return (f"{count // 12:04}-{count % 12 + 1:02}" for count in range(number(first), number(last) + 1))


def open_cache(url: str | None) -> FinMindCache:
    """Open the cache at `url`; nothing is connected before it is used."""
    if url is None:
        return FinMindCache(client=None)
    return FinMindCache(client=redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2))

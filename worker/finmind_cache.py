"""FinMind's own Redis cache: what it computed for a month is dropped when an import touches that month."""

from collections.abc import Iterable
from dataclasses import dataclass

import redis

from worker.logs import get_logger

log = get_logger("cache")

_KEYS = ("user:{user}:monthly_summary:{month}", "user:{user}:dashboard_summary:{month}", "insights:{user}:{month}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FinMindCache:
    """The cache of the web app; client None: there is none to clear."""

    client: redis.Redis | None

    def clear(self, user_id: int, months: Iterable[str]) -> None:
        """Drop the summaries of these months (`YYYY-MM`); a cache that is away is left to expire by itself."""
        keys = [key.format(user=user_id, month=month) for month in months for key in _KEYS]
        if self.client is None or not keys:
            return
        try:
            self.client.unlink(*keys)
        except redis.RedisError as error:
            log.warning("finmind_cache.not_cleared", user_id=user_id, reason=type(error).__name__)


def open_cache(url: str | None) -> FinMindCache:
    """Open the cache at `url`; nothing is connected before it is used."""
    if url is None:
        return FinMindCache(client=None)
    return FinMindCache(client=redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2))

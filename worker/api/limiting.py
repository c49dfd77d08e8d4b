"""How much one user may ask: a moving window per user, shared by all API processes through Redis.

While Redis is away each process counts for itself, and Redis is asked again after a while: a request never waits long
for being counted, and never fails because of it.
"""

import time
from collections.abc import Callable

import redis
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import MovingWindowRateLimiter

from worker.api.problems import ProblemError
from worker.telemetry.logs import get_logger

log = get_logger(__name__)

_PATIENCE_S = 0.25
_REST_S = 10.0
"""How long Redis is left alone after it did not answer."""


class UserLimit:
    """Counts requests. now: a monotonic clock (s)."""

    def __init__(self, per_minute: int, redis_url: str, now: Callable[[], float] = time.monotonic) -> None:
        self._limit = RateLimitItemPerMinute(per_minute)
        self._now = now
        self._rests_until_s = 0.0
        # Impatient connections of its own, unlike those of the runtime.
        self._redis = redis.Redis.from_url(redis_url, socket_timeout=_PATIENCE_S, socket_connect_timeout=_PATIENCE_S)
        storage = RedisStorage("redis://", self._redis.connection_pool, key_prefix="finmind-worker:api")
        self._shared = MovingWindowRateLimiter(storage)
        self._own = MovingWindowRateLimiter(MemoryStorage())

    def take(self, user_id: int) -> None:
        """Count one request. Raises: ProblemError 429 with Retry-After."""
        wait_s = self._wait_s(str(user_id))
        if wait_s is not None:
            raise ProblemError(429, "too_many_requests", "slow down", headers={"Retry-After": str(wait_s)})

    def close(self) -> None:
        """Close the connections to Redis."""
        self._redis.close()

    def _wait_s(self, user: str) -> int | None:
        if self._now() >= self._rests_until_s:
            try:
                return _hit(self._shared, self._limit, user)
            except redis.RedisError as error:
                self._rests_until_s = self._now() + _REST_S
                log.warning("request_limit.not_shared", reason=type(error).__name__)
        return _hit(self._own, self._limit, user)


def _hit(limiter: MovingWindowRateLimiter, limit: RateLimitItemPerMinute, user: str) -> int | None:
    """Count one; return None, or how long to wait (s)."""
    if limiter.hit(limit, user):
        return None
    return max(1, int(limiter.get_window_stats(limit, user).reset_time - time.time()) + 1)

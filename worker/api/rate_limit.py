"""Rate limit per user: a moving window, shared by all API processes through Redis.

The limit is the setting `API_REQUESTS_PER_MINUTE`. A request counts as many times as it costs others: one that asks a
bank or reads a file is several.

While Redis is away each process counts for itself, and Redis is asked again after a while: a request never waits long
for being counted, and never fails because of it.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import redis
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import MovingWindowRateLimiter

from worker.api.problems import ProblemError
from worker.net.redis_address import open_redis
from worker.telemetry.logs import get_logger

log = get_logger(__name__)

_PATIENCE_S = 0.25
_LONGEST_WAIT_S = 62
"""A window is a minute; what would make a user wait longer is nothing that we counted."""

_REST_S = 10.0
"""How long Redis is left alone after it did not answer."""


COSTS: Mapping[str, int] = {
    "add_connection": 5,
    "refresh_auth": 5,
    "remove_connection": 5,
    "begin_link": 5,
    "complete_link": 5,
    "list_banks": 3,
    "start_import": 2,
    "start_refresh": 2,
    "retry_run": 2,
    "revert_run": 2,
    "replay_rejections": 2,
    "stream_progress": 3,
    "replay_deliveries": 3,
    "send_test": 3,
    "subscribe": 5,
    "rotate_secret": 5,
    "export_personal_data": 20,
}
"""What a request to an operation counts; 1 for all others. Uploads count by their size."""

_PER_UPLOAD, _PER_UPLOADED_MIB = 4, 4


def cost_of_upload(size: int) -> int:
    """Return what a request with a file of so many bytes counts."""
    return _PER_UPLOAD + _PER_UPLOADED_MIB * -(-size // 1024**2)


class UserPlaces:
    """What lasts, and how much of it one user may have under way in this process; used by the event loop alone."""

    def __init__(self, *, per_user: int, per_process: int, what: str) -> None:
        self._per_user = per_user
        self._per_process = per_process
        self._what = what
        self._of_user: Counter[int] = Counter()

    @contextmanager
    def taken(self, user_id: int) -> Iterator[None]:
        """Hold a place for the block. Raises: ProblemError 429."""
        if not self.is_free(user_id):
            problem = f"too many {self._what} at the same time"
            raise ProblemError(429, "too_many_requests", problem, headers={"Retry-After": "5"})
        self._of_user[user_id] += 1
        try:
            yield
        finally:
            self._of_user[user_id] -= 1
            self._of_user += Counter()  # forgets users without any

    def is_free(self, user_id: int) -> bool:
        """Say whether the user may have one more."""
        return self._of_user[user_id] < self._per_user and self._of_user.total() < self._per_process


class UserLimit:
    """Counts requests by what they cost. now: a monotonic clock (s)."""

    def __init__(self, per_minute: int, redis_url: str, now: Callable[[], float] = time.monotonic) -> None:
        self._limit = RateLimitItemPerMinute(per_minute)
        self._now = now
        self._rests_until_s = 0.0
        # Connections of its own with short timeouts, unlike those of the runtime.
        self._redis = open_redis(redis_url, timeout_s=_PATIENCE_S)
        storage = RedisStorage("redis://", self._redis.connection_pool, key_prefix="finmind-worker:api")
        self._shared = MovingWindowRateLimiter(storage)
        self._own = MovingWindowRateLimiter(MemoryStorage())

    def take(self, user_id: int, cost: int = 1) -> None:
        """Count one request. Raises: ProblemError 429 with Retry-After."""
        wait_s = self._wait_s(str(user_id), min(cost, self._limit.amount))
        if wait_s is not None:
            raise ProblemError(429, "too_many_requests", "slow down", headers={"Retry-After": str(wait_s)})

    def remaining(self, user_id: int) -> int:
        """Return how much the user may still ask for at this moment, while Redis answers."""
        return self._shared.get_window_stats(self._limit, str(user_id)).remaining

    def close(self) -> None:
        """Close the connections to Redis."""
        self._redis.close()

    def _wait_s(self, user: str, cost: int) -> int | None:
        if self._now() >= self._rests_until_s:
            try:
                wait_s = _hit(self._shared, self._limit, user, cost)
                if wait_s is None or wait_s <= _LONGEST_WAIT_S:
                    return wait_s
                log.warning("request_limit.not_ours", user_id=user)  # a moment to come, which we never write
                self._shared.clear(self._limit, user)
                return _hit(self._shared, self._limit, user, cost)
            except redis.RedisError as error:
                self._rests_until_s = self._now() + _REST_S
                log.warning("request_limit.not_shared", reason=type(error).__name__)
        return _hit(self._own, self._limit, user, cost)


def _hit(limiter: MovingWindowRateLimiter, limit: RateLimitItemPerMinute, user: str, cost: int) -> int | None:
    """Count `cost`; return None, or how long to wait (s)."""
    if limiter.hit(limit, user, cost=cost):
        return None
    return max(1, int(limiter.get_window_stats(limit, user).reset_time - time.time()) + 1)

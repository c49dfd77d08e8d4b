"""Provider limits shared by all workers: every request takes a token first, and is counted against its allowance.

The bucket lives in Redis and is filled by the clock of Redis, one for each client of a provider. A bucket that was lost
starts nearly empty and refills gently. Long allowances live in Postgres; see docs/decisions/0011-rate-limits.md.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import httpx2
import redis

from worker.connectors.base import Burst
from worker.connectors.errors import RateLimitError

LONGEST_WAIT_S = 30.0
"""A run waits at most this long for a token or behind somebody else's 429; longer waits defer it."""

_LIMITER_DOWN_S = 10.0
_TOO_MANY = 429

# KEYS: bucket, closed. ARGV: capacity, tokens per second. Returns the milliseconds to wait; 0 = a token was taken.
_TAKE = """
local closed = redis.call('PTTL', KEYS[2])
if closed > 0 then return closed end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local capacity, rate = tonumber(ARGV[1]), tonumber(ARGV[2]) / 1000
local bucket = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens, at = tonumber(bucket[1] or 1), tonumber(bucket[2] or now)
tokens = math.min(capacity, tokens + math.max(0, now - at) * rate)
local wait = 0
if tokens >= 1 then tokens = tokens - 1 else wait = math.ceil((1 - tokens) / rate) end
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'at', now)
redis.call('PEXPIRE', KEYS[1], math.ceil(capacity / rate) + 60000)
return wait
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request to a provider, as limits see it. endpoint: the connector's own label for it."""

    endpoint: str
    account_id: str | None


class TokenBucket:
    """A burst limit of one client of a provider, shared through Redis."""

    def __init__(self, client: redis.Redis, name: str, burst: Burst) -> None:
        self._redis = client
        self._keys = (f"finmind-worker:bucket:{name}", f"finmind-worker:closed:{name}")
        self._burst = burst
        self._take = client.register_script(_TAKE)

    def take(self) -> float:
        """Take a token and return 0, or return the seconds until there may be one. Raises: redis.RedisError."""
        rate_per_s = self._burst.calls / self._burst.per_s
        wait_ms = cast("int", self._take(keys=self._keys, args=[self._burst.calls, rate_per_s]))
        return wait_ms / 1000

    def close_for(self, seconds: float) -> None:
        """The provider asked to wait: nobody takes a token before that. Raises: redis.RedisError."""
        self._redis.set(self._keys[1], 1, px=max(1, int(seconds * 1000)))


class LocalBucket:
    """A small allowance of one process, for people who wait while Redis is away: a quarter of the provider's rate."""

    def __init__(self, burst: Burst) -> None:
        self._gap_s = 4 * burst.per_s / burst.calls
        self._next_s = time.monotonic()

    def take(self) -> float:
        """Take a turn and return 0, or return the seconds until the next one."""
        now_s = time.monotonic()
        if now_s < self._next_s:
            return self._next_s - now_s
        self._next_s = now_s + self._gap_s
        return 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What stands before and after every request of a run.

    bucket None: the provider has no burst limit. local: stands in while Redis is away; None: such a run is deferred.
    spend: counts the call against its allowance or raises RateLimitError. wait: sleeps, or raises when the run ends.
    """

    wait: Callable[[float], None]
    spend: Callable[[Call], None]
    bucket: TokenBucket | None = None
    local: LocalBucket | None = None


class ThrottledTransport(httpx2.BaseTransport):
    """Lets requests of one run through the gate."""

    def __init__(self, inner: httpx2.BaseTransport, gate: Gate) -> None:
        self._inner = inner
        self._gate = gate

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Wait for a token, count the call, send. Raises: RateLimitError and whatever waiting raises."""
        extensions: dict[str, Any] = request.extensions
        self._await_token()
        self._gate.spend(
            Call(endpoint=str(extensions.get("endpoint") or "other"), account_id=extensions.get("account_id"))
        )
        response = self._inner.handle_request(request)
        if response.status_code == _TOO_MANY:
            self._tell_others(response)
        return response

    def close(self) -> None:
        """Close the transport below."""
        self._inner.close()

    def _await_token(self) -> None:
        waited_s = 0.0
        while (wait_s := self._take()) > 0:
            if waited_s + wait_s > LONGEST_WAIT_S:
                raise RateLimitError("other runs use up the provider's limit", retry_after_s=wait_s)
            self._gate.wait(wait_s)
            waited_s += wait_s

    def _take(self) -> float:
        if self._gate.bucket is None:
            return 0.0
        try:
            return self._gate.bucket.take()
        except redis.RedisError:
            if self._gate.local is None:
                # Nobody waits for this run: better late than over the provider's limit.
                raise RateLimitError("the shared limit cannot be read", retry_after_s=_LIMITER_DOWN_S) from None
            return self._gate.local.take()

    def _tell_others(self, response: httpx2.Response) -> None:
        asked = response.headers.get("retry-after", "")
        if self._gate.bucket is None or not asked.isdigit() or int(asked) > LONGEST_WAIT_S:
            return  # a longer wait is about this connection's allowance, not about the client all of them share
        try:
            self._gate.bucket.close_for(float(asked))
        except redis.RedisError:
            return

"""Throttles requests to providers for all workers together: each request takes a token and spends its allowance.

Token buckets live in Redis, one for each client of a provider, and refill by the clock of Redis. A bucket that was lost
starts nearly empty. Long allowances are in `provider_quota`; see docs/decisions/0011-rate-limits.md.
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
"""A run waits at most this long for a token or after another run's 429; a longer wait defers it."""

LONGEST_CLOSED_S = 60.0
"""A bucket is never closed for longer."""

_LIMITER_DOWN_S = 10.0
_TOO_MANY = 429

# KEYS: bucket, closed. ARGV: capacity, tokens per second, longest closing (ms).
# Returns the milliseconds to wait; 0 when it took a token. Whoever writes to Redis may write here what we never do:
# a bucket that is closed for longer, or owes tokens, is brought back to what we could have written.
_TAKE = """
local closed = redis.call('PTTL', KEYS[2])
if closed > tonumber(ARGV[3]) then
  closed = tonumber(ARGV[3])
  redis.call('PEXPIRE', KEYS[2], closed)
end
if closed > 0 then return closed end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local capacity, rate = tonumber(ARGV[1]), tonumber(ARGV[2]) / 1000
local bucket = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens, at = tonumber(bucket[1]) or 1, tonumber(bucket[2]) or now
tokens = math.min(capacity, math.max(0, tokens) + math.max(0, now - at) * rate)
local wait = 0
if tokens >= 1 then tokens = tokens - 1 else wait = math.ceil((1 - tokens) / rate) end
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'at', now)
redis.call('PEXPIRE', KEYS[1], math.ceil(capacity / rate) + 60000)
return wait
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request to a provider, as far as limits need it.

    Attributes:
        endpoint: The connector's own label for it.
    """

    endpoint: str
    account_id: str | None


class TokenBucket:
    """The burst limit of one client of a provider, shared through Redis."""

    def __init__(self, client: redis.Redis, name: str, burst: Burst) -> None:
        self._redis = client
        self._keys = (f"finmind-worker:bucket:{name}", f"finmind-worker:closed:{name}")
        self._burst = burst
        self._take = client.register_script(_TAKE)

    def take(self) -> float:
        """Take a token and return 0, or return the seconds until there may be one. Raises: redis.RedisError."""
        rate_per_s = self._burst.calls / self._burst.per_s
        longest_ms = int(LONGEST_CLOSED_S * 1000)
        wait_ms = cast("int", self._take(keys=self._keys, args=[self._burst.calls, rate_per_s, longest_ms]))
        return wait_ms / 1000

    def close_for(self, seconds: float) -> None:
        """Give out no token for so long, because the provider asked to wait. Raises: redis.RedisError."""
        self._redis.set(self._keys[1], 1, px=max(1, int(seconds * 1000)))


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketState:
    """What a burst limit has to give at a moment.

    Attributes:
        tokens: Requests that may be sent at once.
        closed_s: For how long none may be sent, because the provider asked to wait (s).
    """

    burst: Burst
    tokens: float
    closed_s: float


def read_bucket(client: redis.Redis, name: str, burst: Burst) -> BucketState:
    """Return what is left of the burst limit of one client of a provider. Raises: redis.RedisError."""
    with client.pipeline(transaction=False) as asked:
        asked.hmget(f"finmind-worker:bucket:{name}", ["tokens", "at"])
        asked.pttl(f"finmind-worker:closed:{name}")
        asked.time()
        (tokens, at_ms), closed_ms, (now_s, now_us) = asked.execute()
    passed_s = 0.0 if at_ms is None else max(0.0, now_s + now_us / 1e6 - float(at_ms) / 1000)
    left = burst.calls if tokens is None else float(tokens) + passed_s * burst.calls / burst.per_s
    return BucketState(burst=burst, tokens=min(burst.calls, max(0.0, left)), closed_s=max(0, closed_ms) / 1000)


class LocalBucket:
    """A quarter of the provider's rate for one process, used by interactive runs while Redis is away."""

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
    """The limits that a run's requests pass through.

    Attributes:
        wait: Sleeps, or raises when the run has to end.
        spend: Counts the call against its allowance, or raises RateLimitError.
        bucket: The burst limit; None when the provider has none.
        local: Replaces the bucket while Redis is away; None defers the run.
    """

    wait: Callable[[float], None]
    spend: Callable[[Call], None]
    bucket: TokenBucket | None = None
    local: LocalBucket | None = None


class ThrottledTransport(httpx2.BaseTransport):
    """Sends requests of one run as soon as its limits allow."""

    def __init__(self, inner: httpx2.BaseTransport, gate: Gate) -> None:
        self._inner = inner
        self._gate = gate

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Wait for a token, count the call, send. Raises: RateLimitError, and what `wait` raises."""
        extensions: dict[str, Any] = request.extensions
        self._wait_for_token()
        self._gate.spend(
            Call(endpoint=str(extensions.get("endpoint") or "other"), account_id=extensions.get("account_id"))
        )
        response = self._inner.handle_request(request)
        if response.status_code == _TOO_MANY:
            self._close_bucket(response)
        return response

    def close(self) -> None:
        """Close the transport below."""
        self._inner.close()

    def _wait_for_token(self) -> None:
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
                # Nobody waits for this run, so it is deferred instead of exceeding the provider's limit.
                raise RateLimitError("the shared limit cannot be read", retry_after_s=_LIMITER_DOWN_S) from None
            return self._gate.local.take()

    def _close_bucket(self, response: httpx2.Response) -> None:
        retry_after = response.headers.get("retry-after", "")
        if self._gate.bucket is None or not retry_after.isdigit() or int(retry_after) > LONGEST_WAIT_S:
            return  # a longer wait concerns this connection's allowance, not the client that all connections share
        try:
            self._gate.bucket.close_for(float(retry_after))
        except redis.RedisError:
            return

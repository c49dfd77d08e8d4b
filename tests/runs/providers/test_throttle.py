"""All workers together keep to a provider's limit, also without Redis."""

import time

import httpx2
import pytest
import redis

from worker.connectors.base import Burst
from worker.connectors.errors import RateLimitError
from worker.runs.providers.throttle import LONGEST_CLOSED_S, Call, Gate, LocalBucket, ThrottledTransport, TokenBucket

BURST = Burst(calls=5, per_s=1.0)


@pytest.fixture
def bucket(redis_url):
    with redis.Redis.from_url(redis_url) as client:
        yield TokenBucket(client, "mock", BURST)


def answering(status=200, **headers):
    return httpx2.MockTransport(lambda _request: httpx2.Response(status, headers=headers))


def ask(transport):
    with httpx2.Client(transport=transport) as client:
        extensions = {"endpoint": "transactions", "account_id": "a"}
        return client.get("http://bank.test/", extensions=extensions).status_code


def test_a_lost_bucket_starts_nearly_empty(bucket):
    assert bucket.take() == 0
    assert 0 < bucket.take() <= 0.2


def test_two_workers_share_one_bucket(redis_url, bucket):
    with redis.Redis.from_url(redis_url) as client:
        other = TokenBucket(client, "mock", BURST)
        assert bucket.take() == 0
        assert other.take() > 0


def test_a_429_makes_everybody_wait(bucket):
    gate = Gate(wait=lambda _s: None, spend=lambda _call: None, bucket=bucket)
    assert ask(ThrottledTransport(answering(429, **{"retry-after": "20"}), gate)) == 429
    assert 19 < bucket.take() <= 20


def test_a_429_for_hours_is_this_connections_own(bucket):
    gate = Gate(wait=lambda _s: None, spend=lambda _call: None, bucket=bucket)
    ask(ThrottledTransport(answering(429, **{"retry-after": "7200"}), gate))
    assert bucket.take() < 1


def test_every_call_is_counted_before_it_is_made():
    counted = []
    gate = Gate(wait=lambda _s: None, spend=counted.append)
    ask(ThrottledTransport(answering(), gate))
    assert counted == [Call(endpoint="transactions", account_id="a")]


def test_a_wait_that_would_be_too_long_defers_the_run(bucket):
    bucket.close_for(60)
    gate = Gate(wait=lambda _s: pytest.fail("waited"), spend=lambda _call: None, bucket=bucket)
    with pytest.raises(RateLimitError) as refused:
        ask(ThrottledTransport(answering(), gate))
    assert refused.value.retry_after_s > 30


@pytest.fixture
def unreachable():
    with redis.Redis(port=1, socket_connect_timeout=0.2, retry=None) as client:
        yield TokenBucket(client, "mock", BURST)


def test_without_redis_a_scheduled_run_waits(unreachable):
    gate = Gate(wait=lambda _s: None, spend=lambda _call: None, bucket=unreachable)
    with pytest.raises(RateLimitError):
        ask(ThrottledTransport(answering(), gate))


def test_without_redis_a_person_gets_a_small_local_allowance(unreachable):
    waits = []
    local = LocalBucket(Burst(calls=400, per_s=1.0))
    gate = Gate(wait=waits.append, spend=lambda _call: None, bucket=unreachable, local=local)
    assert [ask(ThrottledTransport(answering(), gate)) for _ in range(3)] == [200] * 3


@pytest.mark.parametrize("how", ["closed for years", "owes tokens", "a clock ahead", "no number"])
def test_what_we_never_write_into_redis_delays_nobody_for_long(redis_url, how):
    burst = Burst(calls=2500, per_s=60)
    with redis.Redis.from_url(redis_url) as writer:
        if how == "closed for years":
            writer.set("finmind-worker:closed:plaid", 1, px=10 * 365 * 86_400 * 1000)
        else:
            tokens, at = {
                "owes tokens": ("-1e9", int(time.time() * 1000)),
                "a clock ahead": ("1", 10**15),
                "no number": ("x", "x"),
            }[how]
            writer.hset("finmind-worker:bucket:plaid", mapping={"tokens": tokens, "at": at})
        assert TokenBucket(writer, "plaid", burst).take() <= LONGEST_CLOSED_S
        assert writer.pttl("finmind-worker:closed:plaid") <= LONGEST_CLOSED_S * 1000

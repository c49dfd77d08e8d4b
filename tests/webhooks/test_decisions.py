"""Tables: what an answer means for a delivery, and what attempts mean for a subscription."""

from datetime import UTC, datetime, timedelta

import pytest

from worker.webhooks.breaker import BreakerPolicy, Health, after_attempt, must_be_disabled
from worker.webhooks.keyring import Keyring, OldSecret
from worker.webhooks.response import OURS, ReceiverResponse, ResponseCode
from worker.webhooks.retry import DeliveryState, RetryPolicy, judge

POLICY = RetryPolicy()
PENDING, DELIVERED, DEAD = DeliveryState.PENDING, DeliveryState.DELIVERED, DeliveryState.DEAD


def status(code: int, retry_after_s: float | None = None) -> ReceiverResponse:
    return ReceiverResponse(code=ResponseCode.ANSWERED, status=code, retry_after_s=retry_after_s)


@pytest.mark.parametrize(
    ("answer", "attempt", "jitter", "state", "delay_s", "code"),
    [
        (status(200), 1, 0, DELIVERED, 0, "http_200"),
        (status(299), 4, 0, DELIVERED, 0, "http_299"),
        (status(500), 1, 0, PENDING, 60, "http_500"),
        (status(500), 1, 1, PENDING, 72, "http_500"),
        (status(500), 2, 0, PENDING, 300, "http_500"),
        (status(500), 3, 0, PENDING, 900, "http_500"),
        (status(500), 4, 0, DEAD, 0, "http_500"),
        (status(302), 1, 0, PENDING, 60, "http_302"),
        (status(404), 1, 0, PENDING, 60, "http_404"),
        (status(408), 1, 0, PENDING, 60, "http_408"),
        (status(410), 1, 0, DEAD, 0, "http_410"),
        (status(429), 1, 0, PENDING, 60, "http_429"),
        (status(429, retry_after_s=5), 1, 0, PENDING, 60, "http_429"),
        (status(429, retry_after_s=90), 1, 0, PENDING, 90, "http_429"),
        (status(503, retry_after_s=86400), 1, 1, PENDING, 120, "http_503"),
        (ReceiverResponse(code=ResponseCode.TIMEOUT), 2, 0, PENDING, 300, "timeout"),
        (ReceiverResponse(code=ResponseCode.CONNECT_FAILED), 4, 0, DEAD, 0, "connect_failed"),
        (ReceiverResponse(code=ResponseCode.NOT_ALLOWED), 1, 0, DEAD, 0, "destination_not_allowed"),
        (ReceiverResponse(code=ResponseCode.PROXY_FAILED), 4, 0, PENDING, 60, "proxy_failed"),
        (ReceiverResponse(code=ResponseCode.NOT_LOOKED_UP), 4, 0, PENDING, 60, "not_looked_up"),
    ],
)
def test_an_answer_decides(answer, attempt, jitter, state, delay_s, code):
    verdict = judge(answer, attempt, POLICY, jitter=jitter)
    assert (verdict.state, verdict.delay_s, verdict.code) == (state, delay_s, code)
    assert verdict.counted is (answer.code not in OURS)
    assert verdict.gone is (answer.status == 410)


def test_after_a_timeout_the_receiver_gets_a_minute_whatever_the_schedule_says():
    quick = RetryPolicy(delays_s=(1,))
    assert judge(ReceiverResponse(code=ResponseCode.TIMEOUT), 1, quick, jitter=0).delay_s == 60
    assert judge(status(500), 1, quick, jitter=0).delay_s == 1


NOW = datetime(2026, 11, 22, tzinfo=UTC)
BREAKER = BreakerPolicy(threshold=3)


def failed(times: int) -> Health:
    health = Health()
    for _ in range(times):
        health = after_attempt(health, succeeded=False, now=NOW, policy=BREAKER)
    return health


@pytest.mark.parametrize(
    ("failures", "open_s", "trips"), [(2, None, 0), (3, 60, 1), (9, 60, 1)], ids=["below", "at", "while it is open"]
)
def test_the_breaker_opens_at_its_threshold_once(failures, open_s, trips):
    health = failed(failures)
    assert health.until == (None if open_s is None else NOW + timedelta(seconds=open_s))
    assert health.trips == trips


def test_each_failed_probe_doubles_the_pause_up_to_an_hour():
    pauses = []
    health, now = failed(3), NOW
    for _ in range(8):
        pauses.append((health.until - now).total_seconds())
        now = health.until
        health = after_attempt(health, succeeded=False, now=now, policy=BREAKER)
    assert pauses == [60, 120, 240, 480, 960, 1920, 3600, 3600]


def test_one_success_forgives_everything():
    health = after_attempt(failed(20), succeeded=True, now=NOW, policy=BREAKER)
    assert health == Health(last_failure_at=NOW)


@pytest.mark.parametrize(
    ("failures", "after_h", "hopeless"),
    [(10, 120, True), (9, 120, False), (10, 119, False), (500, 0, False)],
)
def test_days_of_nothing_but_failures_are_hopeless(failures, after_h, hopeless):
    now = NOW + timedelta(hours=after_h)
    health = Health(consecutive_failures=failures, first_failure_at=NOW)
    assert must_be_disabled(health, now=now, policy=BreakerPolicy()) is hopeless


HOUR = timedelta(hours=1)


def test_a_rotated_keyring_signs_with_both_until_the_grace_ends():
    ring = Keyring(current="a").rotated("b", now=NOW, grace_ends_at=NOW + HOUR)
    assert ring.signing(NOW) == ["b", "a"]
    assert ring.signing(NOW + HOUR) == ["b"]


def test_at_most_two_old_secrets_live_and_a_rotation_without_grace_ends_them_all():
    ring = Keyring(current="a")
    for secret in "bcd":
        ring = ring.rotated(secret, now=NOW, grace_ends_at=NOW + HOUR)
    assert ring.signing(NOW) == ["d", "c", "b"]
    assert ring.rotated("e", now=NOW, grace_ends_at=NOW).signing(NOW) == ["e"]


def test_a_shorter_grace_shortens_those_before_it():
    ring = Keyring(current="b", old=(OldSecret(secret="a", expires_at=NOW + 9 * HOUR),))
    rotated = ring.rotated("c", now=NOW, grace_ends_at=NOW + HOUR)
    assert [old.expires_at for old in rotated.old] == [NOW + HOUR, NOW + HOUR]

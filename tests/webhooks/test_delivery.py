"""Events reach receivers: signed, retried, capped, and never lost."""

import asyncio
import json
import threading
import time

import pytest

from tests.webhooks.conftest import NO_BREAKER, reply
from worker.webhooks.breaker import BreakerPolicy
from worker.webhooks.claiming import ClaimPolicy, claim, free_lost
from worker.webhooks.delivery import DeliveryContext, DeliveryPolicy, deliver_due, free_places
from worker.webhooks.relay import relay
from worker.webhooks.response import ReceiverResponse, ResponseCode
from worker.webhooks.verify import verify

STATES = "SELECT state, attempt, last_code FROM webhook_deliveries ORDER BY id"
DUE_NOW = "UPDATE webhook_deliveries SET next_attempt_at = now() WHERE state = 'pending'"


def test_an_event_arrives_once_and_its_signature_verifies(receiver, add_subscription, publish, deliver, rows):
    secret = add_subscription(receiver.url).secret
    publish()
    assert deliver().delivered == 1
    (request,) = receiver.received
    verify(request.body, request.headers["x-webhook-signature"], secret)
    content = json.loads(request.body)
    assert content["type"] == request.headers["x-webhook-event"] == "expense.created"
    assert content["id"] == request.headers["x-webhook-id"] == request.headers["webhook-id"]
    assert content["data"]["amount"] == "12.50"
    assert rows(STATES) == [("delivered", 1, "http_200")]
    assert rows("SELECT attempt, status_code, code, response_head FROM webhook_attempts") == [
        (1, 200, "http_200", "ok")
    ]
    assert deliver().attempts == 0


def test_every_attempt_sends_the_same_bytes_under_a_fresh_signature(
    receiver, add_subscription, publish, deliver, execute
):
    secret = add_subscription(receiver.url).secret
    receiver.answer = lambda _request: reply(500)
    publish()
    for _ in range(2):
        deliver(breaker=NO_BREAKER)
        execute(DUE_NOW)
    first, second = receiver.received
    assert first.body == second.body
    assert [request.headers["x-webhook-attempt"] for request in receiver.received] == ["1", "2"]
    for request in receiver.received:
        verify(request.body, request.headers["x-webhook-signature"], secret)


def test_four_attempts_then_dead_letter(receiver, add_subscription, publish, deliver, execute, rows):
    add_subscription(receiver.url)
    receiver.answer = lambda _request: reply(503)
    publish()
    waits = []
    for _ in range(6):
        deliver(breaker=NO_BREAKER)
        waits += rows("SELECT extract(epoch FROM next_attempt_at - now())::int FROM webhook_deliveries")
        execute(DUE_NOW)
    assert len(receiver.received) == 4
    assert rows(STATES) == [("dead", 4, "http_503")]
    for (wait,), floor in zip(waits[:3], (60, 300, 900), strict=True):
        assert floor - 2 <= wait <= floor * 1.2


def test_gone_disables_and_tells_the_other_subscriptions(make_receiver, add_subscription, publish, deliver, rows):
    gone, other = make_receiver(answer=lambda _request: reply(410)), make_receiver()
    add_subscription(gone.url, event_types=["expense.*"])
    add_subscription(other.url, event_types=["webhook.*"])
    publish()
    deliver()
    deliver()
    assert rows("SELECT status, status_code FROM webhook_subscriptions ORDER BY url = :url", url=other.url) == [
        ("disabled", "gone"),
        ("active", None),
    ]
    assert [json.loads(request.body)["type"] for request in other.received] == ["webhook.disabled"]


def test_a_breaker_postpones_without_using_up_attempts(receiver, add_subscription, publish, deliver, execute, rows):
    add_subscription(receiver.url)
    receiver.answer = lambda _request: reply(500)
    for number in range(8):
        publish(id=number)
    breaker = BreakerPolicy(threshold=2, open_s=60)
    deliver(breaker=breaker, claim=ClaimPolicy(cap=2))
    assert len(receiver.received) < 8
    untouched = rows("SELECT count(*) FROM webhook_deliveries WHERE attempt = 0 AND state = 'pending'")
    assert rows("SELECT breaker_trips FROM webhook_subscriptions") == [(1,)]
    receiver.answer = lambda _request: reply(200)
    execute("UPDATE webhook_subscriptions SET breaker_until = now()")
    for _ in range(3):
        execute(DUE_NOW)
        deliver(breaker=breaker)
    assert untouched[0][0] > 0
    assert rows("SELECT DISTINCT state FROM webhook_deliveries") == [("delivered",)]
    assert rows("SELECT consecutive_failures, breaker_trips, breaker_until FROM webhook_subscriptions") == [
        (0, 0, None)
    ]


def test_failing_for_days_disables(receiver, add_subscription, publish, deliver, execute, rows):
    add_subscription(receiver.url)
    receiver.answer = lambda _request: reply(500)
    publish()
    execute(
        "UPDATE webhook_subscriptions SET consecutive_failures = 20, first_failure_at = now() - interval '121 hours'"
    )
    deliver()
    assert rows("SELECT status, status_code FROM webhook_subscriptions") == [("disabled", "failing")]
    assert rows(STATES) == [("dead", 1, "subscription_disabled")]


class Hanging:
    """A sender whose URL `slow` answers only after `quick_posts` others did; counts what is under way there."""

    def __init__(self, slow: str, quick_posts: int) -> None:
        self.slow, self.quick_posts = slow, quick_posts
        self.under_way = self.most_under_way = 0
        self.released = asyncio.Event()

    async def post(self, url, _headers, _body) -> ReceiverResponse:
        if url == self.slow:
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
            async with asyncio.timeout(30):
                await self.released.wait()
            self.under_way -= 1
        else:
            self.quick_posts -= 1
            if self.quick_posts == 0:
                self.released.set()
        return ReceiverResponse(code=ResponseCode.ANSWERED, status=204)


def test_a_hanging_endpoint_holds_its_cap_and_nobody_elses_deliveries(add_subscription, publish, deliver, rows):
    slow, quick = "http://127.0.0.1:1/slow", "http://127.0.0.1:1/quick"
    add_subscription(slow)
    add_subscription(quick)
    for number in range(40):
        publish(id=number)
    sender = Hanging(slow, quick_posts=40)
    deliver(sender=sender, claim=ClaimPolicy(cap=3), places=3, moment_s=0.01)
    assert sender.most_under_way == 3
    assert rows("SELECT state, count(*) FROM webhook_deliveries GROUP BY 1") == [("delivered", 80)]


@pytest.mark.parametrize(
    ("ages_s", "free"),
    [
        ([], 3),
        ([0.1, 0.4], 1),
        ([0.1, 0.4, 0.0], 0),
        ([0.5, 2, 3], 3),
        ([2, 3, 4, 5, 6, 0.1], 2),
        ([2] * 8, 0),
        ([2] * 9, 0),
    ],
    ids=str,
)
def test_who_lets_us_wait_holds_no_place_of_others_until_very_many_do(ages_s, free):
    assert free_places(ages_s, DeliveryPolicy(places=3, moment_s=0.5, most_waiting=8)) == free


def test_a_subscription_is_sent_no_more_than_its_rate(sessions, add_subscription, publish):
    add_subscription("http://127.0.0.1:1/", rate_limit_per_s=5)
    for number in range(20):
        publish(id=number)
    with sessions() as session:
        relay(session, batch=100)
    with sessions() as session:
        assert len(claim(session, capacity=100, policy=ClaimPolicy(cap=50))) == 5
    with sessions() as session:
        assert len(claim(session, capacity=100, policy=ClaimPolicy(cap=50))) <= 1


def test_who_lets_us_wait_gets_no_place_before_others_however_old_their_deliveries_are(
    sessions, add_subscription, publish, other_user_id, execute
):
    for path in ("a", "b"):
        add_subscription(f"http://127.0.0.1:1/{path}")
    add_subscription("http://127.0.0.1:1/other", user_id=other_user_id)
    for number in range(3):
        publish(id=number)
    with sessions() as session:
        relay(session, batch=100)
    execute("UPDATE webhook_deliveries SET next_attempt_at = now() - INTERVAL '1 hour'")
    with sessions() as session:
        claim(session, capacity=1, policy=ClaimPolicy())
    publish(user_id=other_user_id)
    with sessions() as session:
        relay(session, batch=100)
    with sessions() as session:
        taken = [claim(session, capacity=1, policy=ClaimPolicy())[0].user_id for _ in range(2)]
    assert [user_id == other_user_id for user_id in taken] == [True, False]


def test_two_processes_at_once_deliver_each_event_once(make_receiver, add_subscription, publish, deliver):
    receivers = [make_receiver() for _ in range(5)]
    for receiver in receivers:
        add_subscription(receiver.url)
    for number in range(40):
        publish(id=number)
    threads = [threading.Thread(target=deliver) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for receiver in receivers:
        ids = [request.headers["x-webhook-id"] for request in receiver.received]
        assert len(ids) == len(set(ids)) == 40


def test_a_delivery_whose_worker_died_is_made_again_and_not_counted(  # noqa: PLR0917 - fixtures
    sessions, receiver, add_subscription, publish, deliver, execute, rows
):
    add_subscription(receiver.url)
    publish()
    with sessions() as session:
        relay(session, batch=10)
        (lost,) = claim(session, capacity=10, policy=ClaimPolicy())
        free_lost(session)
    assert rows(STATES) == [("leased", 1, None)]
    execute("UPDATE webhook_deliveries SET lease_expires_at = now() - interval '1 second'")
    deliver()
    assert rows(STATES) == [("delivered", 1, "http_200")]
    assert rows("SELECT attempt, code FROM webhook_attempts ORDER BY id") == [(1, "lost"), (1, "http_200")]
    assert receiver.received[0].headers["x-webhook-attempt"] == "1"
    assert lost.attempt == 1


def test_a_delivery_loop_that_is_stopped_hands_back_what_is_under_way(add_subscription, publish, deliver, rows):
    url = "http://127.0.0.1:1/slow"
    add_subscription(url)
    publish()
    asked = []

    def stopping() -> bool:
        asked.append(time.monotonic())
        return len(asked) > 1

    deliver(sender=Hanging(url, quick_posts=1), stopping=stopping, stop_grace_s=0.05, poll_s=0.05)
    assert rows(STATES) == [("pending", 0, "stopped")]


def test_a_secret_that_does_not_open_postpones_and_uses_up_nothing(
    receiver, add_subscription, publish, deliver, execute, rows
):
    add_subscription(receiver.url)
    execute("UPDATE webhook_subscriptions SET secret_version = 7")
    publish()
    deliver()
    assert receiver.received == []
    assert rows(STATES) == [("pending", 0, "credential_unreadable")]
    assert rows("SELECT consecutive_failures FROM webhook_subscriptions") == [(0,)]


@pytest.mark.parametrize(
    ("wanted", "arrives"),
    [
        (["*"], True),
        (["expense.*"], True),
        (["expense.created"], True),
        (["expense.updated"], False),
        (["bill.*"], False),
    ],
    ids=str,
)
def test_filters_decide_what_arrives(receiver, add_subscription, publish, deliver, wanted, arrives):
    add_subscription(receiver.url, event_types=[*wanted, "webhook.*"])
    publish()
    deliver()
    assert bool(receiver.received) is arrives


def test_a_delivery_loop_that_only_waits_lets_another_claim(add_subscription, publish, sessions, vault):
    slow = "http://127.0.0.1:1/slow"
    add_subscription(slow)
    publish()
    sender = Hanging(slow, quick_posts=1)
    told = []

    def done_claiming() -> None:
        told.append(sender.under_way)
        sender.released.set()

    policy = DeliveryPolicy(claim_for_s=0.01, poll_s=0.01)
    parts = DeliveryContext(sessions=sessions, vault=vault, sender=sender, policy=policy, done_claiming=done_claiming)
    assert deliver_due(parts).delivered == 1
    assert told[0] == 1

"""Use cases on subscriptions: for the owner alone, within the cap, with secrets that rotate and end."""

import threading
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from tests.webhooks.conftest import LOOPBACK, NO_BREAKER, reply
from worker.errors import ConflictError, InvalidRequestError, NotFoundError
from worker.runs.retention.pace import RemovalPace
from worker.webhooks import delivery_queries, replay, subscriptions
from worker.webhooks.delivery_queries import DeliveryFilter
from worker.webhooks.keyring import open_keyring, place
from worker.webhooks.retention import prune
from worker.webhooks.retry import DeliveryState
from worker.webhooks.subscriptions import SubscriptionChange, SubscriptionPolicy, Wanted, subscribe
from worker.webhooks.verify import SignatureError, verify

URL = "http://127.0.0.1:9/hook"
POLICY = SubscriptionPolicy(egress=LOOPBACK)
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def test_nobody_reaches_the_subscription_of_another(sessions, vault, add_subscription, other_user_id):
    mine = add_subscription(URL).subscription_id
    uses = [
        lambda session: subscriptions.subscription_of(session, other_user_id, mine),
        lambda session: subscriptions.change(session, other_user_id, mine, SubscriptionChange(), policy=POLICY),
        lambda session: subscriptions.pause(session, other_user_id, mine),
        lambda session: subscriptions.resume(session, other_user_id, mine),
        lambda session: subscriptions.remove(session, vault, other_user_id, mine),
        lambda session: subscriptions.rotate_secret(session, vault, other_user_id, mine),
        lambda session: subscriptions.send_test(session, other_user_id, mine),
        lambda session: replay.replay_since(session, other_user_id, mine, LONG_AGO),
        lambda session: replay.replay_event(session, other_user_id, mine, uuid.uuid4()),
    ]
    for use in uses:
        with sessions() as session, pytest.raises(NotFoundError):
            use(session)
    with sessions() as session:
        assert subscriptions.subscriptions_of(session, other_user_id) == []
        assert delivery_queries.deliveries(session, other_user_id, DeliveryFilter(subscription_id=mine)) == []


def test_another_users_event_is_not_replayed(sessions, user_id, add_subscription, other_user_id, publish, rows):
    add_subscription(URL, user_id=other_user_id)
    publish(user_id=other_user_id)
    mine = add_subscription(URL).subscription_id
    ((event_id,),) = rows("SELECT id FROM webhook_events")
    with sessions() as session, pytest.raises(NotFoundError):
        replay.replay_event(session, user_id, mine, event_id)


def test_the_last_place_is_taken_once(sessions, vault, user_id):
    policy = SubscriptionPolicy(egress=LOOPBACK, max_per_user=3)
    outcomes = []

    def take() -> None:
        try:
            with sessions() as session:
                subscribe(session, vault, user_id, Wanted(url=URL), policy=policy)
            outcomes.append("made")
        except ConflictError:
            outcomes.append("refused")

    threads = [threading.Thread(target=take) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["made"] * 3 + ["refused"] * 3


def test_subscriptions_that_come_and_go_are_bounded_by_the_day(sessions, vault, user_id):
    policy = SubscriptionPolicy(egress=LOOPBACK, max_per_user=1)
    for _ in range(5):
        with sessions() as session:
            made = subscribe(session, vault, user_id, Wanted(url=URL), policy=policy)
            subscriptions.remove(session, vault, user_id, made.subscription_id)
    with sessions() as session, pytest.raises(ConflictError, match="within a day"):
        subscribe(session, vault, user_id, Wanted(url=URL), policy=policy)


@pytest.mark.parametrize(
    "wanted",
    [
        {"event_types": []},
        {"event_types": ["expense"]},
        {"event_types": ["expense.*", "nonsense.*"]},
        {"description": "x" * 501},
        {"rate_limit_per_s": 0},
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(add_subscription, wanted):
    with pytest.raises(InvalidRequestError):
        add_subscription(URL, **wanted)


def test_a_secret_is_sealed_for_its_row_and_version(vault, user_id, add_subscription, rows):
    made = add_subscription(URL)
    ((blob, version),) = rows("SELECT secret_encrypted, secret_version FROM webhook_subscriptions")
    assert made.secret.encode() not in bytes(blob)
    keyring = open_keyring(vault, bytes(blob), place(user_id, made.subscription_id, version))
    assert keyring.current == made.secret
    assert rows("SELECT action, row_id FROM credential_audit") == [("sealed", str(made.subscription_id))]


def test_both_secrets_verify_in_the_grace_and_a_leaked_one_at_once_no_more(  # noqa: PLR0917 - fixtures
    sessions, vault, user_id, receiver, add_subscription, publish, deliver
):
    made = add_subscription(receiver.url)
    for grace_s in (3600, 0):
        with sessions() as session:
            newer = subscriptions.rotate_secret(session, vault, user_id, made.subscription_id, grace_s=grace_s)
        publish()
        deliver()
        request = receiver.received[-1]
        verify(request.body, request.headers["x-webhook-signature"], newer.secret)
        if grace_s:
            verify(request.body, request.headers["x-webhook-signature"], made.secret)
        else:
            with pytest.raises(SignatureError):
                verify(request.body, request.headers["x-webhook-signature"], made.secret)


def test_a_pause_collects_and_a_resume_delivers(sessions, user_id, receiver, add_subscription, publish, deliver):
    made = add_subscription(receiver.url).subscription_id
    with sessions() as session:
        subscriptions.pause(session, user_id, made)
    publish()
    deliver()
    assert receiver.received == []
    with sessions() as session:
        subscriptions.resume(session, user_id, made)
    deliver()
    assert len(receiver.received) == 1


def test_a_removed_subscription_is_sent_nothing_more(  # noqa: PLR0917 - fixtures
    sessions, vault, user_id, receiver, add_subscription, publish, deliver, rows
):
    made = add_subscription(receiver.url)
    receiver.answer = lambda _request: reply(500)
    publish()
    deliver()
    with sessions() as session:
        subscriptions.remove(session, vault, user_id, made.subscription_id)
    publish()
    deliver()
    assert len(receiver.received) == 1
    assert rows("SELECT state, last_code FROM webhook_deliveries") == [("cancelled", "subscription_removed")]
    ((blob, version),) = rows("SELECT secret_encrypted, secret_version FROM webhook_subscriptions")
    assert open_keyring(vault, bytes(blob), place(user_id, made.subscription_id, version)).current != made.secret


def test_a_test_event_goes_to_one_subscription_alone(sessions, user_id, make_receiver, add_subscription, deliver):
    tested, other = make_receiver(), make_receiver()
    made = add_subscription(tested.url, event_types=["bill.due"])
    add_subscription(other.url)
    with sessions() as session:
        subscriptions.send_test(session, user_id, made.subscription_id)
    deliver()
    assert [request.headers["x-webhook-event"] for request in tested.received] == ["webhook.test"]
    assert other.received == []


def test_a_replay_carries_the_same_id_and_since_brings_only_what_was_missed(  # noqa: PLR0917 - fixtures
    sessions, user_id, receiver, add_subscription, publish, deliver, execute
):
    made = add_subscription(receiver.url).subscription_id
    receiver.answer = lambda _request: reply(500)
    publish(id=1)
    for _ in range(4):
        deliver(breaker=NO_BREAKER)
        execute("UPDATE webhook_deliveries SET next_attempt_at = now() WHERE state = 'pending'")
    receiver.answer = lambda _request: reply(200)
    publish(id=2)
    deliver(breaker=NO_BREAKER)
    missed, delivered = receiver.received[0], receiver.received[-1]
    with sessions() as session:
        assert replay.replay_since(session, user_id, made, LONG_AGO) == 1
        assert replay.replay_since(session, user_id, made, LONG_AGO) == 0
    deliver()
    assert receiver.received[-1].body == missed.body
    with sessions() as session:
        event = delivery_queries.events(session, user_id, limit=1)[0]
        replay.replay_event(session, user_id, made, uuid.UUID(event["id"].removeprefix("evt_")))
    deliver()
    assert receiver.received[-1].headers["x-webhook-id"] == delivered.headers["x-webhook-id"]


def test_history_is_narrowed_by_state_subscription_and_time(
    sessions, user_id, receiver, add_subscription, publish, deliver
):
    made = add_subscription(receiver.url).subscription_id
    publish()
    deliver()
    publish(id=2)
    now = datetime.now(UTC)
    with sessions() as session:

        def count(**narrowing) -> int:
            return len(delivery_queries.deliveries(session, user_id, DeliveryFilter(**narrowing)))

        assert count(state=DeliveryState.DELIVERED, subscription_id=made) == 1
        assert count(state=DeliveryState.DEAD) == count(subscription_id=uuid.uuid4()) == 0
        assert count(since=now - timedelta(hours=1), until=now + timedelta(hours=1)) == 1
        assert count(since=now + timedelta(hours=1)) == count(until=now - timedelta(hours=1)) == 0
        (row,) = delivery_queries.deliveries(session, user_id, DeliveryFilter())
        (attempt,) = delivery_queries.attempts(session, user_id, row["id"])
        assert (attempt["status_code"], attempt["response_head"]) == (200, "ok")


def test_pruning_removes_what_is_old_and_never_what_is_still_due(  # noqa: PLR0917 - fixtures
    sessions, receiver, add_subscription, publish, deliver, execute, rows
):
    add_subscription(receiver.url)
    for number in range(5):
        publish(id=number)
    deliver()
    receiver.answer = lambda _request: reply(500)
    publish(id=6)
    deliver()
    execute("UPDATE webhook_events SET occurred_at = now() - interval '40 days'")
    execute("UPDATE webhook_deliveries SET finished_at = finished_at - interval '40 days'")
    publish(id=7)
    waits = []
    pace = RemovalPace(rows_per_s=3, wait=waits.append, stop_requested=lambda: len(waits) > 1)
    assert prune(sessions, keep_days=30, pace=pace, batch=2) == 4, "asked to stop before the third batch"
    assert waits == [2, 2], "each event goes with a delivery and an attempt"
    assert prune(sessions, keep_days=30, pace=RemovalPace(wait=waits.append), batch=2) == 1
    assert rows("SELECT data ->> 'id' FROM webhook_events ORDER BY sequence") == [("6",), ("7",)]
    assert rows("SELECT count(*) FROM webhook_attempts") == [(1,)]

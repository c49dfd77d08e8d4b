"""Subscriptions are made, shown, changed and ended from the command line; a secret is shown once."""

import json

import pytest
from sqlalchemy import text

from worker import outbox

URL = "http://127.0.0.1:9/hook"
EXPENSE = {
    "id": 1,
    "amount": "12.50",
    "currency": "EUR",
    "expense_type": "EXPENSE",
    "description": None,
    "date": "2026-11-20",
    "category_id": None,
    "run_id": None,
}


pytestmark = pytest.mark.usefixtures("addressed")


@pytest.fixture(autouse=True)
def _configured(monkeypatch):
    from worker.credentials import generate_key

    monkeypatch.setenv("CREDENTIAL_KEYS", generate_key())
    monkeypatch.setenv("WEBHOOK_ALLOW_LOOPBACK", "1")


@pytest.fixture
def made(command, user_id) -> dict:
    answer = command("webhooks", "subscribe", "--user", user_id, "--url", URL, "--event", "expense.*", "--json")
    assert answer.code == 0, answer.err
    return json.loads(answer.out)


def test_the_secret_is_shown_once(command, made):
    assert made["secret"].startswith("whsec_")
    for arguments in (["list", "--json"], ["show", made["id"]], ["show", made["id"], "--json"]):
        answer = command("webhooks", *arguments)
        assert (answer.code, made["secret"] in answer.out) == (0, False)
        assert "secret_encrypted" not in answer.out


def test_a_subscription_is_changed_paused_resumed_and_removed(command, made):
    assert command("webhooks", "update", made["id"], "--event", "*", "--description", "books", "--rate", 5).code == 0
    shown = json.loads(command("webhooks", "show", made["id"], "--json").out)
    assert (shown["event_types"], shown["description"], shown["rate_limit_per_s"]) == (["*"], "books", 5)
    for verb, status in (("pause", "paused"), ("resume", "active")):
        assert command("webhooks", verb, made["id"]).code == 0
        assert json.loads(command("webhooks", "show", made["id"], "--json").out)["status"] == status
    assert command("webhooks", "remove", made["id"]).code == 0
    assert command("webhooks", "show", made["id"]).code == 1
    assert json.loads(command("webhooks", "list", "--json").out) == []


def test_a_secret_is_rotated(command, made):
    rotated = json.loads(command("webhooks", "rotate-secret", made["id"], "--grace", "7d", "--json").out)
    assert rotated["secret"] != made["secret"]
    assert command("webhooks", "rotate-secret", made["id"], "--grace", "8d").code == 2


def test_test_events_deliveries_attempts_and_replay(command, made, sessions, user_id):
    event = json.loads(command("webhooks", "test", made["id"], "--json").out)["event_id"]
    with sessions() as session:
        outbox.publish(session, user_id, "expense.created", EXPENSE)
    listed = json.loads(command("webhooks", "events", "--user", user_id, "--since", "1h", "--json").out)
    assert [row["type"] for row in listed] == ["expense.created", "webhook.test"]
    assert command("webhooks", "replay", made["id"], event).out == "queued 1\n"
    assert command("webhooks", "replay", made["id"], "--since", "2d").out == "queued 0\n"
    (delivery,) = json.loads(command("webhooks", "deliveries", made["id"], "--state", "pending", "--json").out)
    assert delivery["event_id"] == event
    assert command("webhooks", "attempts", delivery["id"]).out == "not tried yet\n"
    assert command("webhooks", "attempts", 99).code == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["subscribe", "--user", 1, "--url", "http://example.com/"],
        ["subscribe", "--user", 1, "--url", URL, "--event", "expenses.*"],
        ["replay", "00000000-0000-0000-0000-000000000000"],
    ],
    ids=["plain http", "no such event", "neither event nor since"],
)
@pytest.mark.usefixtures("user_id")
def test_wrong_usage_is_told(command, arguments):
    answer = command("webhooks", *arguments)
    assert (answer.code, answer.out) == (2, "")


def test_the_types_are_listed(command):
    assert "bill.due" in command("webhooks", "types").out


def test_given_up_deliveries_of_all_subscriptions_are_listed_and_sent_again_once(command, sessions, user_id, made):
    with sessions() as session:
        outbox.record(session, user_id=user_id, event_type="expense.created", data=EXPENSE, dedup_key="once")
        session.execute(
            text(
                "INSERT INTO webhook_deliveries (event_id, subscription_id, state, attempt, finished_at, last_code)"
                " SELECT e.id, s.id, 'dead', 4, now(), 'http_503' FROM webhook_events e, webhook_subscriptions s"
            )
        )
    listed = json.loads(command("webhooks", "deliveries", "--state", "dead", "--json").out)
    assert [(row["subscription_id"], row["code"]) for row in listed] == [(made["id"], "http_503")]
    assert command("webhooks", "replay-dead").out == "queued 1\n"
    assert command("webhooks", "replay-dead", made["id"][:8]).out == "queued 0\n"

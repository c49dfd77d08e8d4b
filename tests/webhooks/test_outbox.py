"""Events are written for those who subscribe, once, and every one fits its schema."""

import json
import uuid

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from sqlalchemy import event as sql_event
from sqlalchemy import text

from tests.webhooks.conftest import EXPENSE
from worker import outbox
from worker.errors import InvalidRequestError
from worker.events import event_types, schema
from worker.webhooks.relay import relay

COUNT = "SELECT count(*) FROM webhook_events"


def add_expenses(sessions, user_id: int, count: int) -> list[int]:
    with sessions() as session:
        return list(
            session.scalars(
                text(
                    "INSERT INTO expenses (user_id, amount, currency, notes, spent_at)"
                    " SELECT :user_id, 12.5, 'EUR', NULL, '2026-11-20' FROM generate_series(1, :count) RETURNING id"
                ),
                {"user_id": user_id, "count": count},
            )
        )


@pytest.mark.parametrize("key", [None, "import:2"], ids=["without a key", "with a key"])
def test_an_event_whose_number_is_taken_is_not_left_out_in_silence(add_subscription, publish, rows, execute, key):
    add_subscription("http://127.0.0.1:1/")
    publish(dedup_key="import:1")
    execute("ALTER TABLE webhook_events ALTER COLUMN sequence RESTART WITH 1")  # as in a promoted logical replica
    publish(dedup_key=key)
    assert rows(COUNT) == [(2,)]


@pytest.mark.parametrize("count", [50, 500], ids=["few", "many, as a batch"])
def test_an_import_writes_its_events_in_one_statement_for_the_subscribed_only(  # noqa: PLR0917 - fixtures
    sessions, engine, user_id, other_user_id, add_subscription, rows, count
):
    add_subscription("http://127.0.0.1:1/", event_types=["expense.*"])
    ids = add_expenses(sessions, user_id, count) + add_expenses(sessions, other_user_id, count)
    statements = []
    sql_event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    with sessions() as session:
        outbox.record_expenses(session, event_type="expense.created", expense_ids=ids, run_id=uuid.uuid4())
    assert len(statements) == 1
    with sessions() as session:
        relay(session, batch=10_000)
    assert rows("SELECT DISTINCT user_id FROM webhook_events") == [(user_id,)]
    assert rows(COUNT) == [(count,)]
    assert rows("SELECT count(*) FROM webhook_deliveries") == [(count,)]


@pytest.mark.parametrize("count", [1, outbox.MANY], ids=["one", "many, as a batch"])
def test_ids_beyond_two_thousand_million_are_looked_up(sessions, add_subscription, rows, count):
    add_subscription("http://127.0.0.1:1/", event_types=["expense.*"])
    ids = list(range(3_000_000_000, 3_000_000_000 + count))
    with sessions() as session:
        outbox.record_expenses(session, event_type="expense.created", expense_ids=ids, run_id=None)
    assert rows(COUNT) == [(0,)]


@pytest.mark.parametrize("wanted", [["bill.due"], ["expense.updated"], ["import.*"]])
def test_nothing_is_written_for_a_type_nobody_wants(sessions, user_id, add_subscription, publish, rows, wanted):
    add_subscription("http://127.0.0.1:1/", event_types=wanted)
    with sessions() as session:
        ids = add_expenses(sessions, user_id, 3)
        outbox.record_expenses(session, event_type="expense.created", expense_ids=ids, run_id=None)
    publish()
    assert rows(COUNT) == [(0,)]


def test_a_dedup_key_announces_once(add_subscription, publish, rows):
    add_subscription("http://127.0.0.1:1/")
    for _ in range(3):
        publish(dedup_key="import:1")
    publish(dedup_key="import:2")
    assert rows(COUNT) == [(2,)]


def test_an_event_of_a_transaction_that_fails_never_was(sessions, user_id, add_subscription, rows):
    add_subscription("http://127.0.0.1:1/")
    with sessions() as session:
        outbox.publish(session, user_id, "expense.created", EXPENSE)
        session.rollback()
    assert rows(COUNT) == [(0,)]


def test_what_does_not_fit_is_refused_before_it_is_written(publish):
    with pytest.raises(InvalidRequestError, match="amount"):
        publish(amount=12.5)
    with pytest.raises(InvalidRequestError, match="dedup_key"):
        publish(dedup_key="x" * 201)


def test_every_delivered_event_fits_its_schema(sessions, user_id, receiver, add_subscription, deliver):
    add_subscription(receiver.url)
    with sessions() as session:
        for entry in event_types().values():
            outbox.publish(session, user_id, entry.name, dict(entry.example))
    for count in (2, outbox.MANY):
        ids = add_expenses(sessions, user_id, count)
        with sessions() as session:
            outbox.record_expenses(session, event_type="expense.deleted", expense_ids=ids, run_id=uuid.uuid4())
    deliver()
    assert len(receiver.received) == len(event_types()) + 2 + outbox.MANY
    for request in receiver.received:
        content = json.loads(request.body)
        Draft202012Validator(schema(content["type"]), format_checker=FormatChecker()).validate(content)

"""First imports in slices: read ahead, they write and report what they do without."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from tests.importer.bank import TODAY, WINDOWED, Harness
from worker.connectors.base import IdClass
from worker.importer.decide.slice_rows import StoredKeys
from worker.importer.store import share_import
from worker.runs.states import RunStatus

TYPED = [("20.00", "Trattoria Luigi", 12), ("3.00", "coffee", 5), ("3.00", "bar", 6), ("9.00", "", 9)]
"""Expenses of the user: amount, words, day of the month."""
SAID = [
    {"amount": "-3", "external_id": "a", "day": 5},
    {"amount": "-3", "external_id": "b", "day": 5},
    {"amount": "-3", "external_id": "a", "day": 8},
    {"amount": "-3", "day": 9},
    {"amount": "-3", "day": 9},
    {"amount": "-9", "external_id": "c", "day": 10},
    {"amount": "-20", "description": "TRATTORIA LUIGI ROMA", "external_id": "d", "day": 12},
    {"amount": "-30", "description": "Fuel", "external_id": "e", "day": 12, "pending": True},
    {"amount": "-31", "description": "Fuel", "external_id": "f", "day": 15, "pending_external_id": "e"},
    {"amount": "-7", "external_id": "g", "day": 13, "currency": "???"},
    {"amount": "-3", "external_id": "h", "day": 14, "pending_external_id": "d"},
    {"amount": "5", "external_id": "i", "day": 14, "currency": "USD"},
    {"amount": "-3", "external_id": "j", "day": 15, "pending_external_id": "c"},
]
"""What the bank says: an id of several rows, equal rows, a booking of a pending row, one that names a booked row."""
MIDNIGHT = datetime(2026, 6, 9, 22, tzinfo=UTC)
"""At the bank."""
_ROWS = """SELECT row_to_json(t)::jsonb - CAST(:own AS text[]), e.amount, e.currency, e.notes, e.spent_at
FROM bank_transactions t LEFT JOIN expenses e ON e.id = t.expense_id WHERE t.user_id = :user_id ORDER BY t.id"""
_OWN = "{id,account_id,user_id,expense_id,twin_id,first_run_id,last_run_id,created_at,updated_at}"
_EXPENSES = "SELECT amount, currency, expense_type, notes, spent_at FROM expenses WHERE user_id = :user_id ORDER BY id"
_QUESTIONS = """SELECT s.kind, s.status, s.reason, t.identity, e.notes
FROM bank_match_suggestions s JOIN bank_transactions t ON t.id = s.transaction_id
LEFT JOIN expenses e ON e.id = s.expense_id WHERE s.user_id = :user_id ORDER BY s.id"""
_ACCOUNT = (
    "SELECT watermark_on, history_from_on, longest_reach_days FROM bank_connection_accounts WHERE user_id = :user_id"
)


def first_import(sessions, id_class):
    """Import what the bank says for a new user, and return what was reported and written."""
    with sessions() as session:
        add = text("INSERT INTO users (email, password_hash) VALUES (:email, 'x') RETURNING id")
        user_id = session.execute(add, {"email": f"{uuid.uuid4()}@ahead.test"}).scalar_one()
    harness = Harness(sessions, user_id)
    harness.bank.capabilities = replace(WINDOWED, id_class=id_class, timezone="Europe/Berlin")
    for amount, notes, day in TYPED:
        harness.type_in(amount, notes, TODAY.replace(day=day))
    for said in SAID:
        more = {name: value for name, value in said.items() if name not in {"amount", "day"}}
        harness.bank.buy(said["amount"], booking_on=TODAY - timedelta(days=TODAY.day - said["day"]), **more)
    for hours in (1, 3):  # one day of the bank, two of UTC
        harness.bank.buy("-2", booking_on=None, booking_at=MIDNIGHT + timedelta(hours=hours))
    outcome = harness.refresh()
    rows = harness.sql(_ROWS, user_id=user_id, own=_OWN)
    others = [harness.sql(statement, user_id=user_id) for statement in (_EXPENSES, _QUESTIONS, _ACCOUNT)]
    return (outcome.status, outcome.code, outcome.counts, outcome.report), harness.amounts(), rows, others


@pytest.mark.parametrize(("slice_rows", "id_class"), [(1, IdClass.STABLE), (2, IdClass.NONE), (7, IdClass.STABLE)])
def test_read_ahead_or_not_a_first_import_writes_the_same(sessions, monkeypatch, slice_rows, id_class):
    monkeypatch.setattr(share_import, "SLICE_ROWS", slice_rows)
    ahead = first_import(sessions, id_class)
    monkeypatch.setattr(StoredKeys, "is_empty", False)
    plain = first_import(sessions, id_class)
    assert ahead == plain
    (status, _, counts, _), amounts, *_ = ahead
    assert (status, counts.linked, counts.removed) == (RunStatus.PARTIAL, 2, 0)
    assert {"-20.00", "-31.00"} < set(amounts)
    assert "-30.00" not in amounts

"""Rows that get an expense of their own: what their change keeps is what every other change keeps."""

from datetime import timedelta

import pytest

from tests.importer.bank import TODAY, Harness
from worker.bank_accounts.unmatching import RowMatch, unmatch
from worker.connectors.base import Account
from worker.importer.decide.stored_row import ExpenseState
from worker.importer.store.rows.changes import before_image
from worker.importer.store.rows.load import load_in_full


@pytest.mark.parametrize("match", [RowMatch.EXPENSE, RowMatch.TWIN])
def test_how_a_row_was_is_kept_as_python_writes_it(sessions, user_id, match):
    one, other = Harness(sessions, user_id), Harness(sessions, user_id)
    one.sql(
        "INSERT INTO expenses (user_id, amount, currency, expense_type, notes, spent_at)"
        " VALUES (:u, 4.2, 'EUR', 'EXPENSE', 'Caf\u00e9 \"Central\"', :on)",
        u=user_id, on=TODAY - timedelta(days=1),
    )  # fmt: skip
    for harness in (one, other):
        harness.bank.accounts = [Account(external_id="A", name="Giro", anchor="iban:DE1", currency="EUR")]
        harness.bank.buy("-4.20", 'Caf\u00e9 "Central"', external_id="1", booking_on=TODAY - timedelta(days=1))
        harness.refresh()
    state = ExpenseState.LINKED if match == RowMatch.EXPENSE else ExpenseState.TWIN
    row_id = one.sql("SELECT id FROM bank_transactions WHERE expense_state = :s", s=state)[0][0]
    with sessions() as session:
        before = before_image(load_in_full(session, [row_id])[row_id])
        undone = unmatch(session, row_id, user_id=user_id, match=match)
    kept = one.sql("SELECT before_image FROM bank_transaction_changes WHERE run_id = :r", r=undone.run_id)
    assert [row[0] for row in kept] == [before]

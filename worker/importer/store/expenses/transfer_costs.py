"""Writes what a transfer cost as the expense of the leg that left, and deletes it once that is a leg no longer.

A leg has no other expense. It is the user's to change or to delete, as every expense is.
"""

import uuid
from collections.abc import Collection

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker import outbox
from worker.importer.decide.transfers.money_moved import Money
from worker.importer.store.expenses.rows import delete_expenses
from worker.importer.store.rows.bulk import array_text
from worker.money import expense_amount

_WRITE = text(
    """WITH leg AS (
      SELECT id, user_id, base_notes, base_spent_on FROM bank_transactions
      WHERE id = :id AND expense_state = 'transfer' AND expense_id IS NULL AND base_spent_on IS NOT NULL
    ), written AS (
      INSERT INTO expenses (user_id, amount, currency, expense_type, notes, spent_at)
      SELECT user_id, :amount, :currency, 'EXPENSE', base_notes, base_spent_on FROM leg RETURNING id
    )
    UPDATE bank_transactions t SET expense_id = w.id FROM written w WHERE t.id = :id RETURNING t.expense_id"""
)
_WRITTEN = text(
    """SELECT expense_id FROM bank_transactions
    WHERE id = ANY(CAST(:ids AS bigint[])) AND expense_state = 'transfer' AND expense_id IS NOT NULL"""
)


def write_cost(session: Session, leg_id: int, cost: Money | None, run_id: uuid.UUID | None) -> None:
    """Write the expense of a hidden leg: what its transfer cost, with the day and the words of the leg.

    Args:
        cost: None where it cost nothing.
    """
    amount = None if cost is None else expense_amount(cost.amount)
    if cost is None or not amount:
        return
    values = {"id": leg_id, "amount": amount, "currency": cost.currency}
    written = list(session.execute(_WRITE, values).scalars())
    outbox.record_expenses(session, event_type="expense.created", expense_ids=written, run_id=run_id)


def delete_costs(session: Session, ids: Collection[int], run_id: uuid.UUID) -> set[str]:
    """Delete what the transfers of these legs cost; return the months (`YYYY-MM`) of the expenses that went."""
    written = session.execute(_WRITTEN, {"ids": array_text(ids)}).scalars().all()
    return delete_expenses(session, written, run_id)

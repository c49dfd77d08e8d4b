"""Lets the better-known source lead the fields of an expense that several sources of an account state."""

import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from worker import outbox
from worker.importer.decide.expenses.from_line import month, notes_text
from worker.importer.decide.expenses.user_edits import merge_user_edits
from worker.importer.decide.reasons import Decision, Reason
from worker.importer.decide.sources.leading_fields import StatedExpense, leading_fields
from worker.importer.decide.stored_row import ExpenseFields
from worker.importer.store.expenses.rows import update_expenses
from worker.importer.store.rows.bulk import array_text, run_values
from worker.importer.store.rows.changes import record_without_line
from worker.importer.store.rows.load import load_in_full
from worker.money import expense_amount

_STATED = text(
    """WITH owners AS (
      SELECT DISTINCT CASE WHEN t.expense_state = 'twin' THEN t.twin_id ELSE t.id END AS id
      FROM bank_transactions t WHERE t.id = ANY(CAST(:ids AS bigint[]))
    )
    SELECT o.id AS owner_id, t.id, t.id = o.id AS owns, c.connector_name = 'file' AS is_statement,
      c.status <> 'disconnected' AS is_linked, t.state = 'pending' AS pending,
      t.amount, t.currency, t.description, t.counterparty, t.effective_on
    FROM owners w JOIN bank_transactions o ON o.id = w.id AND o.expense_state = 'own' AND o.expense_id IS NOT NULL
    JOIN bank_transactions t ON t.id = o.id OR t.twin_id = o.id AND t.expense_state = 'twin' AND t.state <> 'removed'
    JOIN bank_connection_accounts a ON a.id = t.account_id
    JOIN bank_connections c ON c.id = a.connection_id
    ORDER BY o.id, t.id"""
)
_BASES = text(
    """SELECT id, base_amount, base_currency, base_type, base_notes, base_spent_on FROM bank_transactions
    WHERE id = ANY(CAST(:ids AS bigint[])) AND base_amount IS NOT NULL"""
)
_SET_BASES = """UPDATE bank_transactions t SET base_amount = v.amount, base_currency = v.currency,
    base_type = v.expense_type, base_notes = v.notes, base_spent_on = v.spent_on::date
    FROM (VALUES %s) AS v(id, amount, currency, expense_type, notes, spent_on) WHERE t.id = v.id"""


def stated_by_owner(session: Session, ids: Collection[int]) -> Mapping[int, Sequence[StatedExpense]]:
    """Return what all sources say of the purchases of these rows, by the row that has the expense."""
    found: dict[int, list[StatedExpense]] = defaultdict(list)
    for row in session.execute(_STATED, {"ids": array_text(ids)}):
        found[row.owner_id].append(_stated(row))
    return found


def let_sources_lead(
    session: Session, ids: Collection[int], run_id: uuid.UUID | None, *, also_alone: bool = False
) -> set[str]:
    """Write what leads to the expenses of these rows, or of those whose twins they are; the user's edits stay.

    Returns the months (`YYYY-MM`) of the expenses that changed.

    Args:
        run_id: The run in whose history it is noted, where there is one.
        also_alone: Also write expenses that a single source states, because another one has left them.
    """
    if not ids:
        return set()
    wanted = {
        owner_id: leading_fields(stated)
        for owner_id, stated in stated_by_owner(session, ids).items()
        if also_alone or len(stated) > 1
    }
    # Most rows do not change: only the others are read whole, as they are now, and locked.
    bases = session.execute(_BASES, {"ids": array_text(wanted)})
    others = [row_id for row_id, *base in bases if ExpenseFields(*base) != wanted[row_id]]
    rows = [row for row in load_in_full(session, others).values() if row.expense is not None and row.base is not None]
    changed = [row for row in rows if row.base != wanted[row.id]]
    if not changed:
        return set()
    expenses: dict[int, ExpenseFields] = {}
    months: set[str] = set()
    for row in changed:
        assert row.expense is not None
        assert row.base is not None
        assert row.expense_id is not None
        merged = merge_user_edits(row.base, row.expense, wanted[row.id])
        if merged.changed:
            expenses[row.expense_id] = merged.expense
            months |= {month(row.expense), month(merged.expense)}
    run_values(session, _SET_BASES, [(row.id, *wanted[row.id]) for row in changed])
    update_expenses(session, expenses)
    outbox.record_expenses(session, event_type="expense.updated", expense_ids=list(expenses), run_id=run_id)
    if run_id is not None:
        record_without_line(session, changed, run_id, Decision.UPDATED, Reason.LEADING_SOURCE)
    session.expire_all()
    return months


def _stated(row: Row[Any]) -> StatedExpense:
    return StatedExpense(
        transaction_id=row.id,
        owns=row.owns,
        is_statement=row.is_statement,
        is_linked=row.is_linked,
        pending=row.pending,
        expense=ExpenseFields(
            amount=expense_amount(row.amount) or abs(row.amount),
            currency=row.currency,
            expense_type="INCOME" if row.amount > 0 else "EXPENSE",
            notes=notes_text(row.counterparty, row.description),
            spent_on=row.effective_on,
        ),
    )

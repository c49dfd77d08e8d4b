"""Lets the other leg of a transfer be an expense again when one leg is removed or changes its money."""

import uuid
from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.importer.decide.decisions import RowChange
from worker.importer.decide.reasons import Reason
from worker.importer.decide.stored_row import ExpenseState
from worker.importer.store.expenses.answered_legs import keep_of_gone
from worker.importer.store.expenses.own_expenses import give_expenses
from worker.importer.store.expenses.rows import delete_expenses
from worker.importer.store.expenses.transfer_costs import costs_written

_RELEASED = text(
    """WITH broken AS (
        UPDATE bank_transactions SET transfer_peer_id = NULL
        WHERE id = ANY(:ids) AND transfer_peer_id IS NOT NULL RETURNING transfer_peer_id, id)
    UPDATE bank_transactions t SET transfer_peer_id = NULL
    FROM broken WHERE t.transfer_peer_id = broken.id RETURNING t.id"""
)

_HAS_NO_EXPENSE = text(
    "UPDATE bank_transactions SET expense_state = 'none' WHERE id = ANY(:ids) AND expense_state = 'transfer'"
)


def release_legs(session: Session, changes: Sequence[RowChange], *, user_id: int, run_id: uuid.UUID) -> set[str]:
    """Undo the pairs that these changes break; return the months of expenses that are written for it."""
    broken = [
        change.known.id
        for change in changes
        if change.line is None
        or (change.line.amount, change.line.currency) != (change.known.amount, change.known.currency)
    ]
    if not broken:
        return set()
    alone = list(session.execute(_RELEASED, {"ids": broken}).scalars())
    of_legs = [c for c in changes if c.known.id in broken and c.known.expense_state == ExpenseState.TRANSFER]
    zero = [c.known.id for c in of_legs if c.line is not None and not c.line.amount]
    months = delete_expenses(session, costs_written(session, zero), run_id) if zero else set()
    months |= keep_of_gone(session, [*zero, *(c.known.id for c in of_legs if c.line is None)], run_id)
    session.execute(_HAS_NO_EXPENSE, {"ids": zero})
    alone += [c.known.id for c in of_legs if c.line is not None and c.line.amount]
    # A twin whose amount changes is a twin still: the row of the other source has the purchase.
    legs = frozenset({ExpenseState.TRANSFER})
    return months | give_expenses(session, alone, Reason.LEG_ALONE, user_id=user_id, run_id=run_id, states=legs)

"""Lets what transfers cost say what the banks say of their legs now, where the user did not change it."""

import uuid
from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.importer.decide.decisions import RowChange
from worker.importer.decide.stored_row import ExpenseState
from worker.importer.store.expenses.transfer_costs import write_costs
from worker.importer.store.rows.bulk import array_text
from worker.importer.store.transfers.legs import load_legs

_COSTLY = text(
    """SELECT DISTINCT least(t.id, p.id) AS one_id, greatest(t.id, p.id) AS other_id
    FROM bank_transactions t JOIN bank_transactions p ON p.id = t.transfer_peer_id
    WHERE t.id = ANY(CAST(:ids AS bigint[])) AND t.expense_state = 'transfer' AND p.transfer_peer_id = t.id
      AND ((t.amount, t.currency) IS DISTINCT FROM (-p.amount, p.currency)
        OR t.base_cost IS NOT NULL OR p.base_cost IS NOT NULL)"""
)


def let_costs_follow(session: Session, changes: Sequence[RowChange], *, user_id: int, run_id: uuid.UUID) -> set[str]:
    """Write what the transfers of changed legs cost now; return the months (`YYYY-MM`) of expenses that changed."""
    ids = [c.known.id for c in changes if c.known.expense_state == ExpenseState.TRANSFER and c.line is not None]
    months: set[str] = set()
    for pair in session.execute(_COSTLY, {"ids": array_text(ids)}) if ids else ():
        out, into = load_legs(session, pair)
        months |= write_costs(session, out, into, user_id=user_id, run_id=run_id)
    return months

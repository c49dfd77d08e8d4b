"""Lets what transfers cost say what the banks say of their legs now, where the user did not change it."""

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from worker.importer.decide.decisions import RowChange
from worker.importer.decide.stored_row import ExpenseState
from worker.importer.decide.transfers.money_moved import costs_of
from worker.importer.store.expenses.transfer_costs import write_costs
from worker.importer.store.rows.bulk import array_text
from worker.importer.store.transfers.legs import load_legs

_COSTLY = text(
    """SELECT DISTINCT least(t.id, p.id) AS one_id, greatest(t.id, p.id) AS other_id,
      num_nonnulls(t.base_cost, p.base_cost, t.expense_id, p.expense_id) > 0 AS is_noted
    FROM bank_transactions t JOIN bank_transactions p ON p.id = t.transfer_peer_id
    WHERE t.id = ANY(CAST(:ids AS bigint[])) AND t.expense_state = 'transfer' AND p.transfer_peer_id = t.id
      AND ((t.amount, t.currency) IS DISTINCT FROM (-p.amount, p.currency)
        OR t.base_cost IS NOT NULL OR p.base_cost IS NOT NULL)"""
)


def deleted_costs(session: Session, changes: Sequence[RowChange]) -> frozenset[int]:
    """Return the legs that are to change whose cost the user deleted under an older version, which noted none of it.

    Their transfers cost something and have no expense of that.
    """
    unnoted = [pair for pair in _costly(session, changes) if not pair.is_noted]
    legs = [load_legs(session, (pair.one_id, pair.other_id)) for pair in unnoted]
    return frozenset(leg.id for out, into in legs if any(costs_of(out, into)) for leg in (out, into))


def let_costs_follow(
    session: Session, changes: Sequence[RowChange], deleted: frozenset[int], *, user_id: int, run_id: uuid.UUID
) -> set[str]:
    """Write what the transfers of changed legs cost now; return the months (`YYYY-MM`) of expenses that changed.

    Args:
        deleted: The `deleted_costs` before the change.
    """
    months: set[str] = set()
    for pair in _costly(session, changes):
        out, into = load_legs(session, (pair.one_id, pair.other_id))
        months |= write_costs(session, out, into, user_id=user_id, run_id=run_id, hidden=out.id in deleted)
    return months


def _costly(session: Session, changes: Sequence[RowChange]) -> Sequence[Row[Any]]:
    ids = [c.known.id for c in changes if c.known.expense_state == ExpenseState.TRANSFER and c.line is not None]
    return session.execute(_COSTLY, {"ids": array_text(ids)}).all() if ids else []

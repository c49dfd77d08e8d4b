"""Writes what a transfer cost as the expenses of its legs, and deletes them once those are legs no longer.

A leg has no other expense. It is the user's to change or to delete, as every expense is: the history of the row keeps
what they made of it (`before_image`), for when the row is a leg again.
"""

import json
import uuid
from collections.abc import Collection
from typing import Protocol

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker import outbox
from worker.importer.decide.expenses.from_line import month
from worker.importer.decide.expenses.transfer_cost import CostChange, settle_cost
from worker.importer.decide.stored_row import ExpenseState, StoredRow, TransferCost
from worker.importer.decide.transfers.money_moved import Booked, costs_of
from worker.importer.store.expenses.rows import delete_expenses, insert_expenses, update_expenses
from worker.importer.store.rows.bulk import array_text, next_ids
from worker.importer.store.rows.changes import cost_from_json, expense_to_json
from worker.importer.store.rows.load import load_in_full, present_categories

_LEFT = text(
    """SELECT c.before_image -> 'cost' AS cost FROM bank_transaction_changes c
    WHERE c.transaction_id = :id AND jsonb_exists(c.before_image, 'cost') ORDER BY c.id DESC LIMIT 1"""
)
_SET = text(
    "UPDATE bank_transactions SET expense_id = :expense_id, base_cost = CAST(:base_cost AS jsonb) WHERE id = :id"
)
_WRITTEN = text(
    """SELECT expense_id FROM bank_transactions
    WHERE id = ANY(CAST(:ids AS bigint[])) AND expense_state = 'transfer' AND expense_id IS NOT NULL"""
)


class BookedLeg(Booked, Protocol):
    """A leg, with what its bank states of the money."""

    @property
    def id(self) -> int:
        """Of the row."""


def write_costs(
    session: Session, out: BookedLeg, into: BookedLeg, *, user_id: int, run_id: uuid.UUID | None, hidden: bool = False
) -> set[str]:
    """Write what a transfer costs as expenses of its hidden legs; return the months (`YYYY-MM`) that changed.

    What the bank says of it follows, where the user did not change it.

    Args:
        hidden: The user had deleted the expense of the leg that left: nothing of it is shown.
    """
    months: set[str] = set()
    in_full = load_in_full(session, (out.id, into.id))
    costs, before = costs_of(out, into), in_full[out.id].cost
    # An older version wrote what the second bank kept as an expense of the leg that left.
    moved = before if costs.out is None and before is not None and before.said is None else None
    for leg_id, cost in zip((out.id, into.id), costs, strict=True):
        leg = in_full[leg_id]
        if leg.expense_state == ExpenseState.TRANSFER and (cost is not None or leg.cost is not None):
            change = settle_cost(leg, cost, _left(session, leg.id) or moved)
            change = CostChange(said=change.said) if hidden else change
            months |= _write_cost(session, leg, change, user_id=user_id, run_id=run_id)
    return months


def costs_written(session: Session, ids: Collection[int]) -> list[int | None]:
    """Return the ids of the expenses that say what the transfers of these legs cost."""
    return list(session.execute(_WRITTEN, {"ids": array_text(ids)}).scalars())


def _write_cost(
    session: Session, leg: StoredRow, change: CostChange, *, user_id: int, run_id: uuid.UUID | None
) -> set[str]:
    now = leg.cost.expense if leg.cost is not None else None
    expense_id = leg.expense_id if change.expense is not None else None
    if change.expense is not None and now is None:
        (expense_id,) = next_ids(session, "expenses", 1)
        category_id = change.category_id if present_categories(session, [change.category_id]) else None
        insert_expenses(session, user_id, [(expense_id, category_id, change.expense)])
        outbox.record_expenses(session, event_type="expense.created", expense_ids=[expense_id], run_id=run_id)
    elif change.expense is not None and leg.expense_id is not None and change.expense != now:
        update_expenses(session, {leg.expense_id: change.expense})
        outbox.record_expenses(session, event_type="expense.updated", expense_ids=[leg.expense_id], run_id=run_id)
    said = None if change.said is None else json.dumps(expense_to_json(change.said, None))
    session.execute(_SET, {"id": leg.id, "expense_id": expense_id, "base_cost": said})
    if change.expense is None:
        delete_expenses(session, [leg.expense_id], run_id)
    return {month(expense) for expense in (now, change.expense) if expense is not None and change.expense != now}


def _left(session: Session, leg_id: int) -> TransferCost | None:
    """Return what the user made of what the transfer of a row cost when it was a leg before."""
    image = session.execute(_LEFT, {"id": leg_id}).scalar_one_or_none()
    return None if image is None else cost_from_json(image)

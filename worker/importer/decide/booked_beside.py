"""Finds the posted row that a pending row became although the bank told both, and what it inherits of the pending one.

Nothing tells such a pair from two purchases while both are told without a link or a common id, so both are expenses.
When the pending row goes, one posted row that came beside it and says the same is what became of it, and what the
person did to the expense of the pending row holds for that of the posted one.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import TypeAlias

from worker.importer.decide.decisions import ExpenseEffect
from worker.importer.decide.match_pending import MAX_DAYS, SURE
from worker.importer.decide.one_to_one import unambiguous
from worker.importer.decide.similarity import similarity
from worker.importer.decide.stored_row import ExpenseState, StoredRow
from worker.importer.decide.user_edits import merge_user_edits

Pairs: TypeAlias = Sequence[tuple[StoredRow, StoredRow]]
"""A pending row with a posted one that may be what it became."""

MAX_PENDING_DAYS = 31
"""A row that is pending for longer is booked or called off, whatever the provider says of it: no hold lasts so long."""


def match_booked_beside(beside: Pairs) -> Pairs:
    """Return the pairs that are evidently one purchase: neither row has another candidate.

    Args:
        beside: Each row that is pending, or was until it went, with every posted row that came after it, took no other
            row's place and was not parted from it by the person. Two rows that are no pair here are two purchases.
    """
    fitting = {
        (pending.id, posted.id): (pending, posted)
        for pending, posted in beside
        if pending.amount == posted.amount and may_be_booked_as(pending, posted)
    }
    return [fitting[ids] for ids in unambiguous(list(fitting))]


def may_be_booked_as(pending: StoredRow, posted: StoredRow) -> bool:
    """Return whether a posted row names the same merchant within the days in which a pending one is booked."""
    near = timedelta(0) <= posted.effective_on - pending.effective_on <= timedelta(days=MAX_DAYS)
    same_money = posted.currency == pending.currency and posted.amount * pending.amount > 0
    return near and same_money and similarity(_words(pending), _words(posted)) >= SURE


def inherited_effect(pending: StoredRow, posted: StoredRow, typed_expense_id: int | None) -> ExpenseEffect | None:
    """Return what becomes of the expense of a posted row; None where it stays as it is.

    Args:
        pending: The row that went, with the expense that it had.
        posted: The row that it became.
        typed_expense_id: The expense that the person had typed for the pending row, and that is free now.
    """
    if posted.expense_state != ExpenseState.OWN or posted.base is None or posted.changed_by_user:
        return None
    if typed_expense_id is not None:
        return ExpenseEffect(state=ExpenseState.LINKED, link_expense_id=typed_expense_id, drop=True)
    if pending.deleted_by_user:
        return ExpenseEffect(state=ExpenseState.OWN, drop=True)
    if pending.expense is None or pending.base is None:
        return None
    merged = merge_user_edits(pending.base, pending.expense, posted.base).expense
    if merged == posted.expense and pending.category_id is None:
        return None
    return ExpenseEffect(state=ExpenseState.OWN, write=merged)


def _words(row: StoredRow) -> str:
    return f"{row.counterparty or ''} {row.description}"

"""Locks the user's own expenses that rows are linked with, and notices what the user changed in them meanwhile."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.importer.decide.expenses.match import Counterpart

T = TypeVar("T")

_LOCKED = text(
    """SELECT id, amount, currency, expense_type, coalesce(notes, '') AS notes, spent_at FROM expenses
    WHERE id = ANY(:ids) ORDER BY id FOR UPDATE"""
)


class ExpensesChangedError(Exception):
    """A user changed or deleted expenses that a plan is about, after they were read."""


def lock_if_unchanged(session: Session, expenses: Sequence[Counterpart]) -> None:
    """Lock the user's own expenses that rows are to be linked with.

    Raises:
        ExpensesChangedError: One of them is no longer what it was when it was read. All are locked now.
    """
    wanted = {one.expense_id: one for one in expenses}
    if not wanted:
        return
    rows = session.execute(_LOCKED, {"ids": list(wanted)})
    found = {row.id: (row.amount, row.currency, row.expense_type, row.notes, row.spent_at) for row in rows}
    if found != {id_: (e.amount, e.currency, e.expense_type, e.notes, e.spent_on) for id_, e in wanted.items()}:
        raise ExpensesChangedError


def retry_while_changed(decide_and_write: Callable[[], T]) -> T:
    """Decide and write; do it again while the user changed expenses in between: each try locks those it read."""
    while True:
        try:
            return decide_and_write()
        except ExpensesChangedError:
            continue

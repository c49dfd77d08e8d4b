"""Lets another source's row take an expense over when the row that has it loses it.

Rows of one purchase at several sources of an account share an expense: one row has it, the others are its twins. When
the bank of the first withdraws the row, its run is reverted, or its source is removed or made an account of its own,
one twin goes on with the expense, its id and what the person did to it; the other twins point to that one.
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.importer.decide.decisions import ExpenseEffect, RowChange
from worker.importer.decide.reasons import Reason
from worker.importer.decide.stored_row import ExpenseState, StoredRow
from worker.importer.store.bulk import array_text
from worker.importer.store.moved_rows import HandOver, hand_over

_HANDED_OVER = {ExpenseState.OWN, ExpenseState.LINKED, ExpenseState.TRANSFER}

# A posted row before a pending one, and one of a connection that is read before one that is not.
_SUCCESSORS = text(
    """SELECT DISTINCT ON (t.twin_id) t.twin_id, t.id FROM bank_transactions t
    JOIN bank_connection_accounts a ON a.id = t.account_id JOIN bank_connections c ON c.id = a.connection_id
    WHERE t.twin_id = ANY(CAST(:ids AS bigint[])) AND t.id <> ALL(CAST(:ids AS bigint[]))
      AND t.expense_state = 'twin' AND t.state <> 'removed'
    ORDER BY t.twin_id, t.state = 'posted' DESC, c.status = 'active' DESC, t.id"""
)
_FOLLOW = text(
    """UPDATE bank_transactions t SET twin_id = v.new_id
    FROM unnest(CAST(:old_ids AS bigint[]), CAST(:new_ids AS bigint[])) v(old_id, new_id)
    WHERE t.twin_id = v.old_id AND t.id <> v.new_id AND t.id <> ALL(CAST(:but AS bigint[]))
      AND t.expense_state = 'twin'"""
)


def successors(session: Session, ids: Collection[int]) -> dict[int, int]:
    """Return, by the row that loses its expense, the twin that takes its place; none of `ids` does."""
    if not ids:
        return {}
    rows = session.execute(_SUCCESSORS, {"ids": array_text(ids)})
    return {row.twin_id: row.id for row in rows}


def follow(session: Session, pairs: Mapping[int, int], *, but: Collection[int] = ()) -> None:
    """Let the other twins of the first row of each pair point to the second one.

    Args:
        but: Twins that stay as they are.
    """
    values = {"old_ids": array_text(pairs), "new_ids": array_text(pairs.values()), "but": array_text(but)}
    session.execute(_FOLLOW, values)


def hand_to_twins(session: Session, rows: Sequence[StoredRow], run_id: uuid.UUID | None) -> dict[int, int]:
    """Give the expenses of rows that lose them to their twins; return the twins by the rows that had one.

    A deletion by the person goes over as well: the twin has no expense then, either. The expense still says what the
    old row stated: once that is gone, `let_sources_lead` has to write what is left.

    Args:
        session: The transaction in which the rows lose their expenses.
        rows: The rows; those of which no other source has a twin stay as they are.
        run_id: The run that is noted as the cause, where there is one.
    """
    leaving = {row.id: row for row in rows if row.expense_state in _HANDED_OVER}
    heirs = successors(session, leaving)
    pairs = [
        HandOver(
            old_id=old_id,
            new_id=new_id,
            expense_id=leaving[old_id].expense_id,
            expense_state=leaving[old_id].expense_state,
        )
        for old_id, new_id in heirs.items()
    ]
    hand_over(session, pairs, run_id, reason=Reason.TWIN_TOOK_OVER)
    return heirs


def leave_to_twins(
    session: Session, changes: Sequence[RowChange], run_id: uuid.UUID
) -> tuple[Sequence[RowChange], Sequence[int]]:
    """Hand over the expenses that these changes would end; return the changes as they are then, and who has them."""
    ending = [change.known for change in changes if change.line is None or change.effect.drop]
    handed = hand_to_twins(session, ending, run_id) if ending else {}
    left = [_as_twin(change) if change.known.id in handed else change for change in changes]
    return left, list(handed.values())


def without_expense(row: StoredRow) -> StoredRow:
    """Return the row as the twin that it is after its expense went to another one."""
    return replace(row, expense_id=None, expense=None, category_id=None, expense_state=ExpenseState.TWIN)


def _as_twin(change: RowChange) -> RowChange:
    return replace(change, known=without_expense(change.known), effect=ExpenseEffect(state=ExpenseState.TWIN))

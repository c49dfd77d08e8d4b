"""Lets another source's row take an expense over when the row that has it loses it.

Rows of one purchase at several sources of an account share an expense: one row has it, the others are its twins. When
the bank of the first withdraws the row, its run is reverted, or its source is removed or made an account of its own,
one twin goes on with the expense, its id and what the user did to it; the other twins point to that one. A row that
returns as a twin, because its run is restored, points to the row that has the expense by then.
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.importer.decide.decisions import ExpenseEffect, RowChange
from worker.importer.decide.reasons import Reason
from worker.importer.decide.stored_row import ExpenseState, StoredRow
from worker.importer.store.rows.bulk import array_text
from worker.importer.store.sources.expense_handover import HandOver, hand_over
from worker.importer.store.sources.joined_rows import pairs_apart
from worker.importer.store.sources.leading_fields import let_sources_lead
from worker.importer.store.suggestions.ask import IS_ASKED

_HANDED_OVER = {ExpenseState.OWN, ExpenseState.LINKED, ExpenseState.TRANSFER}

# A posted row comes before a pending one, and one of a connection that is read before one that is not. Never one that
# waits for an answer: what the user deleted is not known to be its purchase.
_SUCCESSORS = text(
    f"""SELECT DISTINCT ON (t.twin_id) t.twin_id, t.id FROM bank_transactions t
    JOIN bank_connection_accounts a ON a.id = t.account_id JOIN bank_connections c ON c.id = a.connection_id
    WHERE t.twin_id = ANY(CAST(:ids AS bigint[])) AND t.id <> ALL(CAST(:but AS bigint[]))
      AND t.expense_state = 'twin' AND t.state <> 'removed' AND NOT {IS_ASKED.format("t")}
    ORDER BY t.twin_id, t.state = 'posted' DESC, c.status = 'active' DESC, t.id"""  # noqa: S608 - a constant
)
# The row at the end of each chain of twins. Where another row of its source states that purchase, it is not this one.
_ENDS = text(
    """WITH RECURSIVE chain AS (
      SELECT t.id, t.account_id, t.twin_id AS next_id, o.id AS at_id, o.twin_id, o.expense_state, 1 AS steps
      FROM bank_transactions t JOIN bank_transactions o ON o.id = t.twin_id
      WHERE t.id = ANY(CAST(:ids AS bigint[])) AND t.expense_state = 'twin' AND t.state <> 'removed'
        AND o.expense_state = 'twin'
      UNION ALL
      SELECT c.id, c.account_id, c.next_id, o.id, o.twin_id, o.expense_state, c.steps + 1
      FROM chain c JOIN bank_transactions o ON o.id = c.twin_id WHERE c.expense_state = 'twin' AND c.steps < :most
    )
    SELECT DISTINCT ON (c.at_id, c.account_id) c.id, c.next_id, c.at_id AS end_id
    FROM chain c JOIN bank_transactions e ON e.id = c.at_id
    WHERE (c.expense_state IN ('own', 'linked', 'transfer') OR e.state = 'removed') AND c.expense_state <> 'twin'
      AND e.account_id <> c.account_id
      AND NOT EXISTS (SELECT FROM bank_transactions b WHERE b.twin_id = e.id AND b.account_id = c.account_id
        AND b.id <> c.id AND b.expense_state = 'twin' AND b.state <> 'removed')
    ORDER BY c.at_id, c.account_id, c.id"""
)
_MOST_STEPS = 10
_POINT = text(
    """UPDATE bank_transactions t
    SET twin_id = v.twin_id, last_run_id = coalesce(CAST(:run_id AS uuid), t.last_run_id)
    FROM unnest(CAST(:ids AS bigint[]), CAST(:twin_ids AS bigint[])) v(id, twin_id) WHERE t.id = v.id"""
)
# The twin that goes on without its row comes first among the row's twins.
_TWINS_OF_SOURCE = text(
    """SELECT t.id, t.twin_id, t.account_id = :source_id AS is_of_source, t.state
    FROM bank_transactions t JOIN bank_transactions o ON o.id = t.twin_id
    JOIN bank_connection_accounts a ON a.id = t.account_id JOIN bank_connections c ON c.id = a.connection_id
    WHERE t.expense_state = 'twin' AND (t.account_id = :source_id) <> (o.account_id = :source_id)
      AND t.user_id = (SELECT user_id FROM bank_connection_accounts WHERE id = :source_id)
    ORDER BY t.twin_id, t.state = 'removed', t.state = 'posted' DESC, c.status = 'active' DESC, t.id"""
)


def successors(session: Session, ids: Collection[int], *, but: Collection[int] = ()) -> dict[int, int]:
    """Return, by the row that loses its expense, the twin that takes its place; none of `ids` does, nor of `but`."""
    if not ids:
        return {}
    rows = session.execute(_SUCCESSORS, {"ids": array_text(ids), "but": array_text({*ids, *but})})
    return {row.twin_id: row.id for row in rows}


def point_to_ends(session: Session, ids: Collection[int], user_id: int, run_id: uuid.UUID) -> tuple[set[int], set[str]]:
    """Let twins of rows that are twins themselves point to the row that they all are the purchase of.

    Two rows of one source are two purchases, and so are rows that a user parted: such a twin stays as it is. Returns
    the twins that point elsewhere now, and the months (`YYYY-MM`) of expenses that changed.
    """
    found = session.execute(_ENDS, {"ids": array_text(ids), "most": _MOST_STEPS}).all() if ids else []
    apart = pairs_apart(session, user_id) if found else frozenset()
    ends = {row.id: row.end_id for row in found if frozenset({row.next_id, row.end_id}) not in apart}
    _point(session, ends, run_id)
    return set(ends), let_sources_lead(session, ends, run_id)


def _point(session: Session, twins: Mapping[int, int], run_id: uuid.UUID | None) -> None:
    """Let twins point to other rows, by the ids of both; `run_id` is noted at them where there is one."""
    if twins:
        values = {"ids": array_text(twins), "twin_ids": array_text(twins.values()), "run_id": run_id}
        session.execute(_POINT, values)


def hand_to_twins(session: Session, rows: Sequence[StoredRow], run_id: uuid.UUID | None) -> dict[int, int]:
    """Give the expenses of rows that lose them to their twins; return the twins by the rows that had one.

    A deletion by the user goes over as well: the twin has no expense then, either. The expense still says what the
    old row stated: once that is gone, `let_sources_lead` has to write what is left.

    Args:
        session: The transaction in which the rows lose their expenses.
        rows: The rows, with twins of theirs that go as well; those of which no other row is a twin stay as they are.
        run_id: The run that is noted as the cause, where there is one.
    """
    leaving = {row.id: row for row in rows if row.expense_state in _HANDED_OVER}
    heirs = successors(session, leaving, but=[row.id for row in rows])
    pairs = [HandOver.of(leaving[old_id], new_id) for old_id, new_id in heirs.items()]
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


def part_source(session: Session, source_id: int) -> tuple[list[int], list[int]]:
    """Part the rows of a source from those of the others: none is a twin of a row of the other side any more.

    Returns the rows that need expenses of their own, one for each purchase; and those of which a twin has left.
    """
    heirs: dict[int, int] = {}
    followers: dict[int, int] = {}
    rows: list[int] = []
    for twin in session.execute(_TWINS_OF_SOURCE, {"source_id": source_id}):
        heir = heirs.setdefault(twin.twin_id, twin.id)
        # Two posted rows of one source are two purchases; a pending one is the posted one for which it was taken.
        if heir == twin.id or (twin.is_of_source and twin.state == "posted"):
            rows.append(twin.id)
        else:
            followers[twin.id] = heir
    _point(session, followers, None)
    return rows, sorted({*heirs, *heirs.values()})


def without_expense(row: StoredRow) -> StoredRow:
    """Return the row as the twin that it is after its expense went to another one."""
    return replace(row, expense_id=None, expense=None, category_id=None, expense_state=ExpenseState.TWIN)


def _as_twin(change: RowChange) -> RowChange:
    return replace(change, known=without_expense(change.known), effect=ExpenseEffect(state=ExpenseState.TWIN))

"""Loads the rows of sources with what a person did to their expenses, and makes rows of a joined source meet once."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from worker.importer.decide.meet_rows import meet_rows
from worker.importer.decide.source_rows import MovableRow, SourceRow, Spans
from worker.importer.decide.stored_row import ExpenseState
from worker.importer.store.moved_rows import join_pairs

_OWNING = frozenset({ExpenseState.OWN, ExpenseState.LINKED, ExpenseState.TRANSFER})
_ROWS = text(
    """SELECT t.id, coalesce(t.base_spent_on, t.effective_on) AS "on", t.amount, t.currency,
      coalesce(t.base_notes, concat_ws(' ', t.counterparty, t.description)) AS words, t.state = 'pending' AS pending,
      CAST(t.stated_amounts ->> 'balance_after' AS numeric) AS balance,
      t.expense_state, t.expense_id, t.twin_id, t.transfer_peer_id,
      t.expense_state = 'linked' OR e.category_id IS NOT NULL
        OR e.id IS NOT NULL AND (e.amount, e.currency, e.expense_type, e.notes, e.spent_at) IS DISTINCT FROM
          (t.base_amount, t.base_currency, t.base_type, t.base_notes, t.base_spent_on)
        OR e.id IS NULL AND t.expense_state = 'own' AS touched
    FROM bank_connection_accounts s JOIN bank_transactions t ON t.account_id = s.id AND t.state <> 'removed'
    LEFT JOIN expenses e ON e.id = t.expense_id
    WHERE s.id = ANY(:source_ids) ORDER BY t.effective_on, t.id"""
)
_APART = text(
    """SELECT transaction_id, other_transaction_id FROM bank_match_suggestions
    WHERE user_id = :user_id AND kind = 'twin' AND status = 'declined'"""
)


def load_movable_rows(session: Session, source_ids: Sequence[int]) -> list[MovableRow]:
    """Return the rows of sources, without those that were removed at the bank, in order of days."""
    return [_movable(row) for row in session.execute(_ROWS, {"source_ids": list(source_ids)})]


def pairs_apart(session: Session, user_id: int) -> frozenset[frozenset[int]]:
    """Return pairs of ids of which a person said that they are two purchases."""
    return frozenset(frozenset(pair) for pair in session.execute(_APART, {"user_id": user_id}))


def meet_joined_rows(session: Session, source_id: int, other_ids: Sequence[int], user_id: int) -> set[str]:
    """Make the rows of a source that was joined after it had some meet those of the others, whatever their days.

    The expense that the person left alone goes; where both were changed, both stay. Returns the months (`YYYY-MM`) of
    the expenses that went.
    """
    ours, theirs = load_movable_rows(session, [source_id]), load_movable_rows(session, other_ids)
    new = [row for row in ours if row.owns and row.expense_id is not None]
    old = [row for row in theirs if row.owns and row.expense_id is not None]
    spans = Spans.of([row.row for row in ours], [row.row for row in theirs])
    met = meet_rows([row.row for row in new], [row.row for row in old], spans=spans).met
    apart = pairs_apart(session, user_id)
    pairs = [(old[one.right], new[one.left]) for one in met]
    wanted = [
        (one, other)
        for one, other in pairs
        if frozenset({one.id, other.id}) not in apart and not (one.touched and other.touched)
    ]
    return join_pairs(session, wanted, None)


def _movable(row: Row[Any]) -> MovableRow:
    return MovableRow(
        id=row.id,
        row=SourceRow(
            on=row.on,
            amount=row.amount,
            currency=row.currency,
            words=row.words,
            pending=row.pending,
            balance=row.balance,
        ),
        expense_state=row.expense_state,
        owns=row.expense_state in _OWNING,
        expense_id=row.expense_id,
        twin_id=row.twin_id if row.expense_state == ExpenseState.TWIN else None,
        transfer_peer_id=row.transfer_peer_id,
        touched=bool(row.touched),
    )

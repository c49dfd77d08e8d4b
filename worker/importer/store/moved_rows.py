"""Hands expenses over from rows of one source to those of another, and back, a statement per step for all rows."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker import outbox
from worker.errors import ConflictError
from worker.importer.decide.reasons import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOver:
    """One expense that goes from a row to another.

    Attributes:
        expense_state: How the old row stands to it.
        dropped_expense_id: The expense that the new row had, which goes.
    """

    old_id: int
    new_id: int
    expense_id: int | None
    expense_state: str
    dropped_expense_id: int | None = None


_BASE = """jsonb_build_array(n.base_amount, n.base_currency, n.base_type, n.base_notes, n.base_spent_on)"""
# One line per pair, with what taking the move back needs: the new row's base, and the expense that goes.
_RECORD = text(
    f"""INSERT INTO bank_transaction_changes (run_id, account_id, transaction_id, decision, reason, detail)
    SELECT :run_id, n.account_id, n.id, 'updated', :reason,
      jsonb_build_object('from', v.old_id, 'base', {_BASE}, 'dropped', v.dropped_id)
    FROM unnest(CAST(:old_ids AS bigint[]), CAST(:new_ids AS bigint[]), CAST(:dropped_ids AS bigint[]))
      v(old_id, new_id, dropped_id) JOIN bank_transactions n ON n.id = v.new_id"""  # noqa: S608 - constants
)
_LET_GO = text(
    """UPDATE bank_transactions t SET expense_id = NULL, expense_state = 'twin', twin_id = v.new_id,
      transfer_peer_id = NULL, last_run_id = coalesce(:run_id, t.last_run_id)
    FROM unnest(CAST(:old_ids AS bigint[]), CAST(:new_ids AS bigint[])) v(old_id, new_id) WHERE t.id = v.old_id"""
)
_TAKE = text(
    """UPDATE bank_transactions n SET expense_id = v.expense_id, expense_state = v.state, twin_id = NULL,
      transfer_peer_id = v.peer_id, base_amount = o.base_amount, base_currency = o.base_currency,
      base_type = o.base_type, base_notes = o.base_notes, base_spent_on = o.base_spent_on,
      base_category_id = o.base_category_id, last_run_id = coalesce(:run_id, n.last_run_id)
    FROM unnest(CAST(:old_ids AS bigint[]), CAST(:new_ids AS bigint[]), CAST(:expense_ids AS bigint[]),
      CAST(:states AS text[]), CAST(:peer_ids AS bigint[])) v(old_id, new_id, expense_id, state, peer_id)
    JOIN bank_transactions o ON o.id = v.old_id WHERE n.id = v.new_id"""
)
_FOLLOW = text(
    """UPDATE bank_transactions w SET twin_id = v.new_id
    FROM unnest(CAST(:old_ids AS bigint[]), CAST(:new_ids AS bigint[])) v(old_id, new_id)
    WHERE w.twin_id = v.old_id AND w.id <> v.new_id AND w.expense_state = 'twin'"""
)
_PEERS = text(
    "SELECT id, transfer_peer_id FROM bank_transactions WHERE id = ANY(:ids) AND transfer_peer_id IS NOT NULL"
)
_REPEER = text(
    """UPDATE bank_transactions p SET transfer_peer_id = v.new_id
    FROM unnest(CAST(:peer_ids AS bigint[]), CAST(:new_ids AS bigint[])) v(peer_id, new_id) WHERE p.id = v.peer_id"""
)
_BECOME_TWINS = text(
    """UPDATE bank_transactions n SET expense_id = NULL, expense_state = 'twin', twin_id = v.old_id,
      last_run_id = :run_id
    FROM unnest(CAST(:old_ids AS bigint[]), CAST(:new_ids AS bigint[])) v(old_id, new_id) WHERE n.id = v.new_id"""
)
_PAIR = text(
    """SELECT t.id, t.expense_id, t.expense_state, to_char(e.spent_at, 'YYYY-MM') AS month,
      t.expense_state = 'linked' OR e.category_id IS NOT NULL
        OR (e.amount, e.currency, e.expense_type, e.notes, e.spent_at) IS DISTINCT FROM
          (t.base_amount, t.base_currency, t.base_type, t.base_notes, t.base_spent_on) AS touched
    FROM bank_transactions t JOIN expenses e ON e.id = t.expense_id
    WHERE t.id = ANY(:ids) AND t.state <> 'removed' AND t.expense_state IN ('own', 'linked')
    ORDER BY t.id FOR UPDATE OF t, e"""
)
_DROP = text("DELETE FROM expenses WHERE id = ANY(:ids) RETURNING to_char(spent_at, 'YYYY-MM')")

_MOVED = text(
    """SELECT c.id AS change_id, c.transaction_id AS new_id, (c.detail ->> 'from')::bigint AS old_id,
      n.expense_id, n.expense_state, n.transfer_peer_id, (c.detail ->> 'dropped')::bigint AS dropped_id, c.reason
    FROM bank_transaction_changes c JOIN bank_transactions n ON n.id = c.transaction_id
    JOIN bank_transactions o ON o.id = (c.detail ->> 'from')::bigint
    WHERE c.run_id = :run_id AND (
      c.reason = 'moved' AND o.expense_state = 'twin' AND o.twin_id = n.id AND n.expense_state <> 'twin'
      OR c.reason = 'same_account_twin' AND n.expense_state = 'twin' AND n.twin_id = o.id)
    ORDER BY c.id"""
)
_RETURN = text(
    """UPDATE bank_transactions n SET expense_id = NULL, expense_state = 'twin',
      twin_id = (c.detail ->> 'from')::bigint, transfer_peer_id = NULL, last_run_id = :run_id,
      base_amount = (c.detail -> 'base' ->> 0)::numeric, base_currency = c.detail -> 'base' ->> 1,
      base_type = c.detail -> 'base' ->> 2, base_notes = c.detail -> 'base' ->> 3,
      base_spent_on = (c.detail -> 'base' ->> 4)::date
    FROM unnest(CAST(:change_ids AS bigint[])) v(change_id) JOIN bank_transaction_changes c ON c.id = v.change_id
    WHERE n.id = c.transaction_id"""
)
_GIVE_BACK = text(
    """UPDATE bank_transactions o SET expense_id = v.expense_id, expense_state = v.state, twin_id = NULL,
      transfer_peer_id = v.peer_id, last_run_id = :run_id
    FROM unnest(CAST(:old_ids AS bigint[]), CAST(:expense_ids AS bigint[]), CAST(:states AS text[]),
      CAST(:peer_ids AS bigint[])) v(old_id, expense_id, state, peer_id) WHERE o.id = v.old_id"""
)
_INSERT_DROPPED = text(
    """INSERT INTO expenses (id, user_id, amount, currency, expense_type, notes, spent_at)
    SELECT v.expense_id, n.user_id, n.base_amount, n.base_currency, n.base_type, n.base_notes, n.base_spent_on
    FROM unnest(CAST(:new_ids AS bigint[]), CAST(:expense_ids AS bigint[])) v(new_id, expense_id)
    JOIN bank_transactions n ON n.id = v.new_id RETURNING to_char(spent_at, 'YYYY-MM')"""
)
_OWN_AGAIN = text(
    """UPDATE bank_transactions n SET expense_id = v.expense_id, expense_state = 'own', twin_id = NULL
    FROM unnest(CAST(:new_ids AS bigint[]), CAST(:expense_ids AS bigint[])) v(new_id, expense_id)
    WHERE n.id = v.new_id"""
)


def hand_over(
    session: Session, pairs: Sequence[HandOver], run_id: uuid.UUID | None, *, reason: Reason = Reason.MOVED
) -> set[str]:
    """Give the new rows the expenses of the old ones, which become their twins; duplicates of the new rows go.

    Args:
        session: The caller's transaction.
        pairs: The rows.
        run_id: The run in whose history it is noted, where there is one.
        reason: What is noted.

    Returns the months (`YYYY-MM`) of the expenses that went.
    """
    if not pairs:
        return set()
    values = _arrays(pairs) | {"run_id": run_id, "reason": reason}
    peers = {row.id: row.transfer_peer_id for row in session.execute(_PEERS, {"ids": values["old_ids"]})}
    values["peer_ids"] = [peers.get(pair.old_id) for pair in pairs]
    if run_id is not None:
        session.execute(_RECORD, values)
    session.execute(_LET_GO, values)
    session.execute(_TAKE, values)
    session.execute(_FOLLOW, values)
    _repeer(session, [(peers[pair.old_id], pair.new_id) for pair in pairs if pair.old_id in peers])
    return _drop(session, pairs, run_id)


def make_twins(session: Session, pairs: Sequence[HandOver], run_id: uuid.UUID | None) -> set[str]:
    """Make new rows twins of old ones that keep the expense; return the months of the expenses that went."""
    if not pairs:
        return set()
    values = _arrays(pairs) | {"run_id": run_id, "reason": "same_account_twin"}
    if run_id is not None:
        session.execute(_RECORD, values)
    session.execute(_BECOME_TWINS, values)
    return _drop(session, pairs, run_id)


def join_pair(session: Session, one_id: int, other_id: int, run_id: uuid.UUID | None) -> set[str]:
    """Join two rows that have an expense each: the one that the person did not change is deleted, else the newer one.

    Returns the months (`YYYY-MM`) of the expenses that changed.

    Raises: ConflictError when a row has no expense of its own any more, or the person changed both.
    """
    found = {row.id: row for row in session.execute(_PAIR, {"ids": [one_id, other_id]})}
    if not {one_id, other_id} <= found.keys():
        raise ConflictError("one of the two rows has no expense of its own any more")
    old, new = found[min(found)], found[max(found)]
    if old.touched and new.touched:
        raise ConflictError("both rows were changed by the person, so that neither expense can go")
    return join_pairs(session, [(old, new)], run_id) | {old.month}


class _WithExpense(Protocol):
    """A row with an expense, and whether the person changed that."""

    @property
    def id(self) -> int: ...
    @property
    def expense_id(self) -> int | None: ...
    @property
    def expense_state(self) -> str: ...
    @property
    def touched(self) -> bool: ...


def join_pairs(
    session: Session, pairs: Sequence[tuple[_WithExpense, _WithExpense]], run_id: uuid.UUID | None
) -> set[str]:
    """Make pairs of rows with an expense each one purchase: the second's expense goes, unless the person changed it."""
    kept_and_gone = [(new, old) if new.touched else (old, new) for old, new in pairs]
    months = make_twins(
        session,
        [
            HandOver(
                old_id=kept.id,
                new_id=gone.id,
                expense_id=kept.expense_id,
                expense_state=kept.expense_state,
                dropped_expense_id=gone.expense_id,
            )
            for kept, gone in kept_and_gone
        ],
        run_id,
    )
    which = {"old_ids": [gone.id for _, gone in kept_and_gone], "new_ids": [kept.id for kept, _ in kept_and_gone]}
    session.execute(_FOLLOW, which)
    return months


def take_back_move(session: Session, moved_run_id: uuid.UUID, run_id: uuid.UUID) -> tuple[int, set[str]]:
    """Undo what a move did to rows: expenses return to the rows that had them, with their ids and the person's edits.

    Returns how many rows have their expense again, and the months (`YYYY-MM`) of expenses that are back.
    """
    rows = session.execute(_MOVED, {"run_id": moved_run_id}).all()
    moved = [row for row in rows if row.reason == "moved"]
    old_ids, new_ids = [row.old_id for row in moved], [row.new_id for row in moved]
    pairs = {"old_ids": old_ids, "new_ids": new_ids, "run_id": run_id}
    if moved:
        session.execute(_RETURN, {"change_ids": [row.change_id for row in moved], "run_id": run_id})
        session.execute(
            _GIVE_BACK,
            pairs
            | {
                "expense_ids": [row.expense_id for row in moved],
                "states": [row.expense_state for row in moved],
                "peer_ids": [row.transfer_peer_id for row in moved],
            },
        )
        session.execute(_FOLLOW, {"old_ids": new_ids, "new_ids": old_ids})
        _repeer(session, [(row.transfer_peer_id, row.old_id) for row in moved if row.transfer_peer_id is not None])
    dropped = [(row.new_id, row.dropped_id) for row in rows if row.dropped_id is not None]
    months: set[str] = set()
    if dropped:
        again = {"new_ids": [new_id for new_id, _ in dropped], "expense_ids": [dropped_id for _, dropped_id in dropped]}
        months = set(session.execute(_INSERT_DROPPED, again).scalars())
        session.execute(_OWN_AGAIN, again)
        outbox.record_expenses(session, event_type="expense.created", expense_ids=again["expense_ids"], run_id=run_id)
    return len(moved), months


def _arrays(pairs: Sequence[HandOver]) -> dict[str, object]:
    return {
        "old_ids": [pair.old_id for pair in pairs],
        "new_ids": [pair.new_id for pair in pairs],
        "expense_ids": [pair.expense_id for pair in pairs],
        "states": [pair.expense_state for pair in pairs],
        "dropped_ids": [pair.dropped_expense_id for pair in pairs],
    }


def _repeer(session: Session, peers: Sequence[tuple[int, int]]) -> None:
    if peers:
        values = {"peer_ids": [peer for peer, _ in peers], "new_ids": [new_id for _, new_id in peers]}
        session.execute(_REPEER, values)


def _drop(session: Session, pairs: Sequence[HandOver], run_id: uuid.UUID | None) -> set[str]:
    dropped = [pair.dropped_expense_id for pair in pairs if pair.dropped_expense_id is not None]
    if not dropped:
        return set()
    outbox.record_expenses(session, event_type="expense.deleted", expense_ids=dropped, run_id=run_id)
    return set(session.execute(_DROP, {"ids": dropped}).scalars())

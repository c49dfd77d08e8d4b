"""Hands expenses over from rows of one source to those of another, a statement per step for all rows."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.errors import ConflictError
from worker.importer.decide.reasons import Reason
from worker.importer.store.expenses.rows import IS_EDITED, delete_expenses
from worker.importer.store.rows.bulk import array_text, arrays


class _RowWithExpense(Protocol):
    """A row, and how it stands to its expense."""

    @property
    def id(self) -> int: ...
    @property
    def expense_id(self) -> int | None: ...
    @property
    def expense_state(self) -> str: ...


class _TouchableRow(_RowWithExpense, Protocol):
    """Also: whether the user changed the expense."""

    @property
    def touched(self) -> bool: ...


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

    @classmethod
    def of(cls, old: _RowWithExpense, new_id: int, dropped_expense_id: int | None = None) -> Self:
        """Return what goes from a row to another."""
        return cls(
            old_id=old.id,
            new_id=new_id,
            expense_id=old.expense_id,
            expense_state=old.expense_state,
            dropped_expense_id=dropped_expense_id,
        )


_BASE = """jsonb_build_array(n.base_amount, n.base_currency, n.base_type, n.base_notes, n.base_spent_on)"""
# One line per pair, with what taking the move back needs: the new row's base, and the expense that goes.
_RECORD = text(
    f"""INSERT INTO bank_transaction_changes (run_id, transaction_id, decision, reason, detail)
    SELECT :run_id, n.id, 'updated', :reason,
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
      base_category_id = o.base_category_id, base_cost = o.base_cost,
      last_run_id = coalesce(:run_id, n.last_run_id)
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
    "SELECT id, transfer_peer_id FROM bank_transactions"
    " WHERE id = ANY(CAST(:ids AS bigint[])) AND transfer_peer_id IS NOT NULL"
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
# Returns the row that has the expense now, where the row became a twin since.
_PAIR = text(
    f"""SELECT w.id AS asked_id, t.id, t.expense_id, t.expense_state, to_char(e.spent_at, 'YYYY-MM') AS month,
      t.expense_state = 'linked' OR {IS_EDITED} AS touched
    FROM bank_transactions w
    JOIN bank_transactions t ON t.id = CASE WHEN w.expense_state = 'twin' THEN w.twin_id ELSE w.id END
    JOIN expenses e ON e.id = t.expense_id
    WHERE w.id = ANY(CAST(:ids AS bigint[])) AND t.state <> 'removed' AND t.expense_state IN ('own', 'linked')
    ORDER BY e.id FOR UPDATE OF t, e"""  # noqa: S608 - a constant
)
# A leg has no expense: the transfer hides the purchase. A purchase that the user deleted has none either.
_HIDDEN = text(
    """SELECT w.id AS asked_id, t.id, t.expense_id, t.expense_state, CAST(NULL AS text) AS month, FALSE AS touched
    FROM bank_transactions w
    JOIN bank_transactions t ON t.id = CASE WHEN w.expense_state = 'twin' THEN w.twin_id ELSE w.id END
    WHERE w.id = ANY(CAST(:ids AS bigint[])) AND t.state <> 'removed' AND (t.expense_state = 'transfer'
      OR :deleted_too AND t.expense_id IS NULL AND t.expense_state IN ('own', 'linked'))
    FOR UPDATE OF t"""
)
_WHY_APART = text(
    """WITH members AS (
      SELECT id, account_id, state, id = :one_id OR expense_state = 'twin' AND twin_id = :one_id AS is_one
      FROM bank_transactions
      WHERE id IN (:one_id, :other_id) OR twin_id IN (:one_id, :other_id) AND expense_state = 'twin'
    ), pairs AS (
      SELECT m.id, o.id AS other_id, m.account_id = o.account_id AND m.state = 'posted' AND o.state = 'posted' AS booked
      FROM members m JOIN members o ON m.is_one AND NOT o.is_one
    )
    SELECT EXISTS (SELECT FROM pairs WHERE booked) AS are_booked,
      EXISTS (SELECT FROM pairs p JOIN bank_match_suggestions s ON s.kind = 'twin' AND s.status = 'declined'
        AND s.transaction_id IN (p.id, p.other_id) AND s.other_transaction_id IN (p.id, p.other_id)) AS are_parted"""
)


def hand_over(
    session: Session, pairs: Sequence[HandOver], run_id: uuid.UUID | None, *, reason: Reason = Reason.MOVED
) -> set[str]:
    """Give the new rows the expenses of the old ones, which become their twins; duplicates of the new rows go.

    Args:
        run_id: The run in whose history it is noted, where there is one.
        reason: What is noted.

    Returns the months (`YYYY-MM`) of the expenses that went.
    """
    if not pairs:
        return set()
    values = _arrays(pairs) | {"run_id": run_id, "reason": reason}
    peers = {row.id: row.transfer_peer_id for row in session.execute(_PEERS, {"ids": values["old_ids"]})}
    values["peer_ids"] = array_text(peers.get(pair.old_id) for pair in pairs)
    if run_id is not None:
        session.execute(_RECORD, values)
    session.execute(_LET_GO, values)
    session.execute(_TAKE, values)
    session.execute(_FOLLOW, values)
    repeer(session, [(peers[pair.old_id], pair.new_id) for pair in pairs if pair.old_id in peers])
    return delete_expenses(session, (pair.dropped_expense_id for pair in pairs), run_id)


def make_twins(session: Session, pairs: Sequence[HandOver], run_id: uuid.UUID | None) -> set[str]:
    """Make new rows twins of old ones that keep the expense; return the months of the expenses that went."""
    if not pairs:
        return set()
    values = _arrays(pairs) | {"run_id": run_id, "reason": "same_account_twin"}
    if run_id is not None:
        session.execute(_RECORD, values)
    become_twins(session, [(pair.old_id, pair.new_id) for pair in pairs], run_id)
    return delete_expenses(session, (pair.dropped_expense_id for pair in pairs), run_id)


def become_twins(session: Session, pairs: Sequence[tuple[int, int]], run_id: uuid.UUID | None) -> None:
    """Make the second row of each pair a twin of the first one, whatever it was before."""
    session.execute(_BECOME_TWINS, _pair_arrays(pairs) | {"run_id": run_id})


def join_pair(
    session: Session, one_id: int, other_id: int, run_id: uuid.UUID | None, *, deleted_too: bool = False
) -> set[str]:
    """Join the purchases of two rows: the expense that the user did not change is deleted, else the newer one.

    A leg of a transfer stays one, and the other row's expense goes.

    Args:
        run_id: The run in whose history it is noted, where there is one.
        deleted_too: A purchase whose expense the user had deleted stays deleted, and the other row's expense goes.

    Returns the months (`YYYY-MM`) of the expenses that changed; none where both rows are one purchase already.

    Raises: ConflictError when a purchase has no expense any more, a source has booked both, or the user changed both
        (or the one beside a leg) or said of rows of both that they are two.
    """
    if one_id == other_id:
        return set()
    which: dict[str, object] = {"ids": array_text([one_id, other_id])}
    hidden = session.execute(_HIDDEN, which | {"deleted_too": deleted_too}).all()
    rows = [*hidden, *session.execute(_PAIR, which)]
    if {row.asked_id for row in rows} != {one_id, other_id}:
        raise ConflictError("one of the two purchases has no expense any more")
    old, new = rows
    if old.id == new.id:
        return set()
    apart = session.execute(_WHY_APART, {"one_id": old.id, "other_id": new.id}).one()
    if apart.are_booked:
        raise ConflictError("a source has booked both, so that they are two purchases")
    if apart.are_parted:
        raise ConflictError("the user said of rows of both that they are two: take that answer back first")
    if len(hidden) > 1:
        raise ConflictError("neither row has an expense: unmatch a leg of a transfer first")
    if new.touched and (old.touched or hidden):
        raise ConflictError("the user changed what the rows say, so that no expense can go")
    months = join_pairs(session, [(old, new)], run_id)
    return months | {row.month for row in rows if row.month is not None}


def join_pairs(
    session: Session, pairs: Sequence[tuple[_TouchableRow, _TouchableRow]], run_id: uuid.UUID | None
) -> set[str]:
    """Make pairs of rows with an expense each one purchase: the second's expense goes, unless the user changed it."""
    kept_and_twin = [(new, old) if new.touched else (old, new) for old, new in pairs]
    twins = [HandOver.of(kept, twin.id, twin.expense_id) for kept, twin in kept_and_twin]
    months = make_twins(session, twins, run_id)
    let_follow(session, [(twin.id, kept.id) for kept, twin in kept_and_twin])
    return months


def _arrays(pairs: Sequence[HandOver]) -> dict[str, object]:
    return {
        **arrays(pairs, old_ids="old_id", new_ids="new_id", expense_ids="expense_id", states="expense_state"),
        **arrays(pairs, dropped_ids="dropped_expense_id"),
    }


def let_follow(session: Session, pairs: Sequence[tuple[int, int]]) -> None:
    """Let the twins of the first row of each pair point to the second one."""
    if pairs:
        session.execute(_FOLLOW, _pair_arrays(pairs))


def _pair_arrays(pairs: Sequence[tuple[int, int]]) -> dict[str, object]:
    return {"old_ids": array_text(old for old, _ in pairs), "new_ids": array_text(new for _, new in pairs)}


def repeer(session: Session, peers: Sequence[tuple[int, int]]) -> None:
    """Let the other leg of a transfer, the first of each pair, point to the row that is its leg now."""
    if peers:
        values = {"peer_ids": array_text(peer for peer, _ in peers), "new_ids": array_text(new for _, new in peers)}
        session.execute(_REPEER, values)

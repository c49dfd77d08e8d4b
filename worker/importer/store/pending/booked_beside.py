"""Pending rows beside the posted ones that they may have become: which there are, and how they become one purchase."""

import uuid
from collections.abc import Collection

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker import outbox
from worker.errors import ConflictError
from worker.importer.decide.compare.text_similarity import common_words
from worker.importer.decide.decisions import ExpenseEffect
from worker.importer.decide.expenses.from_line import month
from worker.importer.decide.expenses.user_edits import merge_user_edits
from worker.importer.decide.pending.booked_beside import (
    Pairs,
    RowsBeside,
    ids_of,
    inherited_effect,
    match_booked_beside,
)
from worker.importer.decide.pending.match_posted import MAX_DAYS_TO_POST
from worker.importer.decide.reasons import Decision, Reason
from worker.importer.decide.row_days import MAX_BOOKING_LAG_DAYS
from worker.importer.decide.stored_row import ExpenseState, State, StoredRow
from worker.importer.store.expenses.own_expenses import give_expenses, replace_expense
from worker.importer.store.expenses.rows import set_categories, update_expenses
from worker.importer.store.rows.changes import expense_to_json, record_without_line
from worker.importer.store.rows.load import latest_texts, load_in_full
from worker.importer.store.sources.expense_handover import (
    HandOver,
    become_twins,
    hand_over,
    join_pair,
    let_follow,
    make_twins,
)
from worker.importer.store.write_target import WriteTarget
from worker.models import BankTransaction

# Each row that is pending and stands for a purchase, and those that were until they went, with the posted rows of its
# days that took no row's place, or the place of this one, which is delivered again; unless both are one purchase.
_BESIDE = text(
    """SELECT p.id AS pending_id, q.id AS posted_id, s.status,
      q.created_at > p.created_at OR a.identity IS NOT NULL AS came_after
    FROM bank_transactions p JOIN bank_transactions q ON q.account_id = p.account_id AND q.state = 'posted'
      AND q.amount * p.amount > 0 AND q.currency = p.currency AND q.pending_external_id IS NULL
      AND q.effective_on BETWEEN p.effective_on - CAST(:lag AS int)
        AND p.effective_on + CAST(:max_days AS int) + CAST(:lag AS int)
      AND (q.effective_on BETWEEN p.effective_on AND p.effective_on + CAST(:max_days AS int)
        OR q.stated_on BETWEEN p.stated_on AND p.stated_on + CAST(:max_days AS int)
        OR coalesce(q.transaction_on, q.stated_on, q.effective_on) BETWEEN coalesce(p.transaction_on, p.stated_on,
          p.effective_on) AND coalesce(p.transaction_on, p.stated_on, p.effective_on) + CAST(:max_days AS int))
      AND (q.amount = p.amount OR p.id = ANY(CAST(:told_long AS bigint[])))
    LEFT JOIN bank_transaction_aliases a
      ON a.account_id = p.account_id AND a.identity = p.identity AND a.transaction_id = q.id
    LEFT JOIN bank_match_suggestions s ON s.kind = 'twin'
      AND s.transaction_id = least(p.id, q.id) AND s.other_transaction_id = greatest(p.id, q.id)
    WHERE p.account_id = :account_id
      AND (p.state = 'pending' AND p.expense_state IN ('own', 'linked', 'twin', 'transfer') OR p.id = ANY(:went))
      AND CASE p.expense_state WHEN 'twin' THEN p.twin_id ELSE p.id END
        IS DISTINCT FROM CASE q.expense_state WHEN 'twin' THEN q.twin_id ELSE q.id END
      AND s.status IS DISTINCT FROM 'declined'
      AND (a.identity IS NOT NULL OR NOT EXISTS (SELECT 1 FROM bank_transaction_changes c
        WHERE c.transaction_id = q.id AND c.reason IN ('posted', 'posted_link', 'posted_rewritten', 'posted_amount')))
      AND NOT EXISTS (SELECT 1 FROM bank_match_suggestions d WHERE d.kind = 'takeover' AND d.status = 'declined'
        AND d.transaction_id = least(p.id, q.id) AND d.other_transaction_id = greatest(p.id, q.id))
    ORDER BY p.id, q.id"""
)
# Selects rows that went, each with the expense that the user had typed for it, if that is free now.
_WENT = text(
    """SELECT c.transaction_id AS id, e.id AS typed_expense_id
    FROM bank_transaction_changes c JOIN bank_transactions t ON t.id = c.transaction_id AND t.state = 'removed'
    LEFT JOIN expenses e ON e.id = (c.before_image ->> 'expense_id')::bigint
      AND c.before_image #>> '{transaction,expense_state}' = 'linked'
      AND NOT EXISTS (SELECT 1 FROM bank_transactions b WHERE b.expense_id = e.id)
    WHERE c.run_id = :run_id AND c.account_id = :account_id AND c.decision = 'removed'
      AND c.before_image #>> '{transaction,state}' = 'pending'"""
)


_REBASE = text(
    """UPDATE bank_transactions SET base_amount = :amount, base_currency = :currency, base_type = :expense_type,
        base_notes = :notes, base_spent_on = :spent_on WHERE id = :id"""
)
_GO_IF_POSTED = text("UPDATE bank_transactions SET state = 'removed' WHERE id = :id AND state = 'posted'")


def load_rows_beside(
    session: Session, account_id: int, went: Collection[int] = (), told_long: Collection[int] = ()
) -> RowsBeside:
    """Return the pending rows of an account that stand for a purchase, with the posted ones that they may have become.

    Args:
        went: Rows that were pending, and count as well.
        told_long: Rows that may have become posted ones of another amount, too.
    """
    values: dict[str, object] = {"account_id": account_id, "max_days": MAX_DAYS_TO_POST, "lag": MAX_BOOKING_LAG_DAYS}
    values |= {"went": list(went), "told_long": list(told_long)}
    found = session.execute(_BESIDE, values).all()
    if not found:
        return RowsBeside()
    rows = load_in_full(session, {id_ for pair in found for id_ in (pair.pending_id, pair.posted_id)})
    return RowsBeside(
        pairs=[
            (rows[pair.pending_id], rows[pair.posted_id]) for pair in found if not rows[pair.pending_id].booked_as_other
        ],
        came_after=frozenset((pair.pending_id, pair.posted_id) for pair in found if pair.came_after),
        asked=frozenset((pair.pending_id, pair.posted_id) for pair in found if pair.status is not None),
        common_words=common_words(latest_texts(session, account_id)),
    )


def let_posted_rows_inherit(session: Session, target: WriteTarget) -> set[str]:
    """Apply what the user did to pending rows that this run removed to the posted rows of the same purchases.

    Returns the months of expenses that changed.
    """
    which = {"run_id": target.run_id, "account_id": target.account_id}
    went = {row.id: row.typed_expense_id for row in session.execute(_WENT, which)}
    if not went:
        return set()
    months: set[str] = set()
    beside = load_rows_beside(session, target.account_id, went)
    for pair in match_booked_beside(beside.that_came_after, beside.common_words):
        pending, posted = pair
        if pending.id not in went:
            continue
        were_both_shown = ids_of(pair) in beside.asked
        if were_both_shown and posted.deleted_by_user and not pending.deleted_by_user:
            # The user deleted one of two expenses of one purchase. The other one went with its row.
            months |= give_expenses(
                session,
                [posted.id],
                Reason.BOOKED_BESIDE,
                user_id=target.user_id,
                run_id=target.run_id,
                states=frozenset({ExpenseState.OWN}),
            )
            posted = load_in_full(session, [posted.id])[posted.id]
        effect = inherited_effect(pending, posted, went[pending.id], were_both_shown=were_both_shown)
        months |= set() if effect is None else _inherit(session, target, pending, posted, effect)
    return months


def hide_posted_rows(session: Session, target: WriteTarget, pairs: Pairs) -> set[str]:
    """Hide posted rows beside pending ones whose expense the user deleted; return the months of their expenses."""
    months: set[str] = set()
    for pending, posted in pairs:
        effect = ExpenseEffect(state=ExpenseState.TWIN, twin_id=pending.id, drop=True)
        months |= _inherit(session, target, pending, posted, effect)
    return months


def join_booked_beside(
    session: Session, pending: BankTransaction, posted: BankTransaction, run_id: uuid.UUID | None
) -> set[str]:
    """Make a pending row and a posted one of its account one purchase, with what the user did to either.

    A pending row that is still delivered is a twin of the posted one until it is posted itself.

    Returns the months (`YYYY-MM`) of expenses that changed.

    Raises: ConflictError when one row is not pending or the other not booked, a row has no expense of its own any more,
        or the user changed both.
    """
    if _purchase(pending) == _purchase(posted):
        hides = posted.expense_state == ExpenseState.TWIN and posted.twin_id == pending.id
        if hides and pending.state == State.REMOVED:  # what it kept for the answer is a deletion: the posted row's
            before = load_in_full(session, [pending.id])[pending.id]
            hand_over(session, [HandOver.of(before, posted.id)], run_id)
        return set()
    if (pending.state, posted.state) != (State.PENDING, State.POSTED):
        raise ConflictError("the bank took one of the rows back, or both rows are booked by now")
    if ExpenseState.TWIN in (pending.expense_state, posted.expense_state):
        return join_pair(session, _purchase(pending), _purchase(posted), run_id)
    rows = load_in_full(session, [pending.id, posted.id])
    before, after = rows[pending.id], rows[posted.id]
    if not (_stands(before) and _stands(after)):
        raise ConflictError("one of the two rows has no expense of its own any more")
    return _hand_on(session, before, after, run_id)


def join_takeover(session: Session, old: BankTransaction, new: BankTransaction, run_id: uuid.UUID | None) -> set[str]:
    """Make a row and the line that had taken its place one purchase again, with what the user did to either.

    A posted row that the bank tells no longer is removed; a pending one waits to be.

    Returns the months (`YYYY-MM`) of expenses that changed.

    Raises: ConflictError when the bank tells both or took one back, another row stands for one, or the user changed
        both.
    """
    rows = load_in_full(session, [old.id, new.id])
    before, after = rows[old.id], rows[new.id]
    if new.state == State.REMOVED or (old.state == State.REMOVED and not before.deleted_by_user):
        raise ConflictError("the bank took one of the two rows back, so that there is one expense already")
    if old.absent_since_at is None and old.state != State.REMOVED:
        raise ConflictError("the bank tells both rows: delete the expense of the one that is too many")
    if ExpenseState.TWIN in (old.expense_state, new.expense_state):
        raise ConflictError("another source has one of the two purchases: unmatch that first")
    months: set[str] = set()
    if before.deleted_by_user and after.expense_id is not None:
        months = replace_expense(session, after, ExpenseEffect(state=ExpenseState.OWN, drop=True), run_id)
    elif _stands(before) and not (_stands(after) and _is_touched(after)):  # or the user deleted the double
        months = _hand_on_with_edits(session, before, after, run_id)
    elif _stands(before):
        months = _hand_on(session, before, after, run_id)
    else:
        become_twins(session, [(new.id, old.id)], run_id)
    session.execute(_GO_IF_POSTED, {"id": old.id})
    return months


def _hand_on_with_edits(session: Session, before: StoredRow, after: StoredRow, run_id: uuid.UUID | None) -> set[str]:
    """Give a row the expense of the one before it, with what the bank says of it; return the months that changed."""
    months = hand_over(session, [HandOver.of(before, after.id, after.expense_id)], run_id)
    if before.expense_id is None or before.expense is None or before.base is None or after.base is None:
        return months
    merged = merge_user_edits(before.base, before.expense, after.base).expense
    update_expenses(session, {before.expense_id: merged})
    session.execute(_REBASE, {"id": after.id, **after.base._asdict()})
    outbox.record_expenses(session, event_type="expense.updated", expense_ids=[before.expense_id], run_id=run_id)
    return months | {month(before.expense), month(merged)}


def _hand_on(session: Session, before: StoredRow, after: StoredRow, run_id: uuid.UUID | None) -> set[str]:
    """Give a row the expense of another one, which becomes its twin; return the months of expenses that changed."""
    if _is_touched(before) and _is_touched(after):
        raise ConflictError("both rows were changed by the user: delete the expense of one of them instead")
    if _is_touched(after):
        months = make_twins(session, [HandOver.of(after, before.id, before.expense_id)], run_id)
        let_follow(session, [(before.id, after.id)])
        return months
    months = hand_over(session, [HandOver.of(before, after.id, after.expense_id)], run_id)
    return months if before.expense is None else months | {month(before.expense)}


def _purchase(row: BankTransaction) -> int:
    """Return the row that has the expense of a row."""
    return row.twin_id if row.expense_state == ExpenseState.TWIN and row.twin_id is not None else row.id


def _stands(row: StoredRow) -> bool:
    """Return whether a row has an expense, or is a leg of a transfer, which hides it."""
    return row.expense_id is not None or row.expense_state == ExpenseState.TRANSFER


def _is_touched(row: StoredRow) -> bool:
    """Return whether the expense of a row must stay: the user changed or typed it, or a transfer hides it."""
    return row.expense_state != ExpenseState.OWN or row.changed_by_user


def _inherit(
    session: Session, target: WriteTarget, pending: StoredRow, posted: StoredRow, effect: ExpenseEffect
) -> set[str]:
    """Write what a posted row inherits; return the months of expenses that changed."""
    assert posted.expense is not None
    assert posted.expense_id is not None
    detail = {"inherited": expense_to_json(effect.write, pending.category_id or posted.category_id)}
    record_without_line(session, [posted], target.run_id, Decision.UPDATED, Reason.BOOKED_BESIDE, detail=detail)
    months = {month(posted.expense)}
    if effect.write is not None:
        update_expenses(session, {posted.expense_id: effect.write})
        if pending.category_id is not None:
            set_categories(session, {posted.expense_id: pending.category_id})
        outbox.record_expenses(
            session, event_type="expense.updated", expense_ids=[posted.expense_id], run_id=target.run_id
        )
        return months | {month(effect.write)}
    return months | replace_expense(session, posted, effect, target.run_id)

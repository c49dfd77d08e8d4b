"""Does what an answer says by which two become one: a row and an expense, two rows, the legs of a transfer.

An answer is about purchases. A row whose expense went to the row of another source since the question was asked is a
twin: the answer holds for the row that has the expense now.
"""

import uuid

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from worker import outbox
from worker.errors import ConflictError
from worker.importer.decide.expenses.from_line import month
from worker.importer.decide.expenses.user_edits import merge_user_edits
from worker.importer.decide.reasons import Reason
from worker.importer.decide.stored_row import ExpenseFields, ExpenseState, State
from worker.importer.decide.transfers.money_moved import asked_because
from worker.importer.decide.transfers.unequal import could_be_one
from worker.importer.store.expenses.rows import delete_expenses, set_categories, update_expenses
from worker.importer.store.expenses.transfer_costs import write_costs
from worker.importer.store.pending.booked_beside import join_booked_beside, join_takeover
from worker.importer.store.rows.load import load_in_full
from worker.importer.store.sources.expense_handover import join_pair
from worker.importer.store.sources.leading_fields import let_sources_lead
from worker.models import BankMatchSuggestion, BankTransaction

_MONEY = frozenset({"amount", "currency", "expense_type"})
_TYPED = text(
    """SELECT amount, currency, expense_type, notes, spent_at, category_id FROM expenses WHERE id = :id FOR UPDATE"""
)


def asked_row(session: Session, transaction_id: int | None) -> BankTransaction:
    """Return a row that a question is about, locked. Raises: ConflictError when it is gone."""
    row = transaction_id and session.get(BankTransaction, transaction_id, with_for_update=True)
    if not row:
        raise ConflictError("a row of the question is gone")
    return row


def standing_row(session: Session, transaction_id: int | None) -> BankTransaction:
    """Return a row, locked. Raises: ConflictError when the bank took it back."""
    row = asked_row(session, transaction_id)
    if row.state == State.REMOVED:
        raise ConflictError("the bank took this row back meanwhile")
    return row


def row_with_expense(session: Session, transaction_id: int | None) -> BankTransaction:
    """Return the row that has the expense of a row's purchase, locked: this one, or the one whose twin it is.

    Raises: ConflictError when the bank took it back.
    """
    row = standing_row(session, transaction_id)
    return row if row.expense_state != ExpenseState.TWIN else standing_row(session, row.twin_id)


def join_twin(session: Session, suggestion: BankMatchSuggestion) -> set[str]:
    """Make rows of two sources one purchase, or a pending and a posted row of one source."""
    one, other = (asked_row(session, id_) for id_ in (suggestion.transaction_id, suggestion.other_transaction_id))
    if one.account_id == other.account_id:
        pending, posted = sorted((one, other), key=lambda row: row.state == State.POSTED)
        months = join_booked_beside(session, pending, posted, suggestion.run_id)
    else:
        for row in (one, other):
            standing_row(session, row.id)
        # Who deletes one of two expenses after the question, or after they were parted, means the double: the other
        # one stays.
        deleted_before = suggestion.reason == Reason.MAYBE_HIDDEN or bool(suggestion.detail.get("was_deleted"))
        months = join_pair(session, one.id, other.id, suggestion.run_id, deleted_too=deleted_before)
    # An answer is no part of the run that asked, or a revert of that run would take half of it back.
    months |= let_sources_lead(session, [one.id, other.id], None)
    session.expire_all()
    return months


def join_again(session: Session, suggestion: BankMatchSuggestion) -> set[str]:
    """Make a row and the line that had taken its place one purchase again."""
    old, new = (asked_row(session, id_) for id_ in (suggestion.transaction_id, suggestion.other_transaction_id))
    months = join_takeover(session, old, new, suggestion.run_id)
    session.expire_all()
    return months


def join_expense(session: Session, suggestion: BankMatchSuggestion) -> set[str]:
    """Link the line with the user's own expense, and delete the one that was written for it.

    What the user changed in the deleted one is applied to their own, where that says what the bank says.
    """
    row = row_with_expense(session, suggestion.transaction_id)
    taken = session.scalar(select(BankTransaction.id).where(BankTransaction.expense_id == suggestion.expense_id))
    if suggestion.expense_id is None or taken is not None:
        raise ConflictError("the expense is gone, or stands for another row already")
    if row.expense_state == ExpenseState.TRANSFER or (row.expense_state == ExpenseState.LINKED and row.expense_id):
        raise ConflictError("the row is a leg of a transfer, or stands for another expense already")
    months = _apply_edits(session, row.id, suggestion.expense_id, suggestion.run_id)
    ours = row.expense_id
    row.expense_id, row.expense_state = suggestion.expense_id, ExpenseState.LINKED
    session.flush()
    return months | delete_expenses(session, [ours], suggestion.run_id)


def join_transfer(session: Session, suggestion: BankMatchSuggestion) -> set[str]:
    """Make two rows the legs of one transfer: neither is spending, but what it cost stays so, and typed expenses go.

    The answer keeps these expenses: they are there again when it is undone, or when the bank parts the legs.
    """
    rows = (row_with_expense(session, id_) for id_ in (suggestion.transaction_id, suggestion.other_transaction_id))
    out, into = sorted(rows, key=lambda row: row.amount)
    if (out.transfer_peer_id, into.transfer_peer_id) == (into.id, out.id):
        return set()  # paired meanwhile, as rows of other sources
    if out.transfer_peer_id is not None or into.transfer_peer_id is not None or _is_other_money(suggestion, out, into):
        raise ConflictError("one of the rows changed or has another peer meanwhile")
    expense_ids = [out.expense_id, into.expense_id]
    for row, peer in ((out, into), (into, out)):
        row.transfer_peer_id, row.expense_id, row.expense_state = peer.id, None, ExpenseState.TRANSFER
        row.base_cost = None
    session.flush()
    months = delete_expenses(session, expense_ids, suggestion.run_id)
    hidden = expense_ids[0] is None  # what the user deleted stays deleted
    months |= write_costs(session, out, into, user_id=out.user_id, run_id=suggestion.run_id, hidden=hidden)
    session.expire_all()
    return months


def _is_other_money(suggestion: BankMatchSuggestion, out: BankTransaction, into: BankTransaction) -> bool:
    """Return whether two rows are booked with other money than the question is about."""
    of_unequal = {Reason.LESS_A_FEE, Reason.EXCHANGED}
    asked = suggestion.reason if suggestion.reason in of_unequal else Reason.EQUAL_AND_OPPOSITE
    return asked_because(out, into) != asked or not could_be_one(out, into)


def _apply_edits(session: Session, row_id: int, typed_id: int, run_id: uuid.UUID | None) -> set[str]:
    """Apply what the user changed in the expense of a row to one that they typed; return the months of the latter.

    Raises: ConflictError when the two differ in money and in neither it is what the bank says.
    """
    row = load_in_full(session, [row_id])[row_id]
    if row.expense_id is None or row.expense is None or row.base is None or not row.changed_by_user:
        return set()
    *fields, category_id = session.execute(_TYPED, {"id": typed_id}).one()
    typed = ExpenseFields(*fields)
    merged = merge_user_edits(row.base, typed, row.expense)
    if not _MONEY.isdisjoint(merged.kept):
        raise ConflictError("the user changed the amount of both expenses: delete one of them, or decline")
    update_expenses(session, {typed_id: merged.expense})
    set_categories(session, {typed_id: category_id if category_id is not None else row.category_id})
    outbox.record_expenses(session, event_type="expense.updated", expense_ids=[typed_id], run_id=run_id)
    return {month(typed), month(merged.expense)}

"""Splits a row that took the place of another one into two again: the row as it was, and the one that replaced it."""

import uuid
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from worker import outbox
from worker.errors import ConflictError
from worker.importer.decide.expenses.from_line import month
from worker.importer.decide.expenses.user_edits import merge_user_edits
from worker.importer.decide.reasons import Decision, Reason
from worker.importer.decide.stored_row import ExpenseFields, StoredRow
from worker.importer.store.expenses.rows import insert_expenses, update_expenses
from worker.importer.store.rows.bulk import next_ids
from worker.importer.store.rows.changes import expense_from_json, record_without_line
from worker.importer.store.rows.load import load_in_full
from worker.importer.store.write import BASE_COLUMNS, LINE_COLUMNS
from worker.models import BankTransaction

TAKEOVERS = (
    Reason.POSTED, Reason.POSTED_LINK, Reason.POSTED_REWRITTEN, Reason.POSTED_AMOUNT, Reason.REWRITTEN,
    Reason.MIGRATED, Reason.RENUMBERED,
)  # fmt: skip
"""The reasons by which a line of the bank took the place of a stored row."""

_LAST = text(
    """SELECT c.id, c.reason, c.before_image FROM bank_transaction_changes c
    JOIN bank_import_runs r ON r.id = c.run_id AND NOT r.dry_run
    WHERE c.transaction_id = :id AND c.before_image IS NOT NULL AND c.reverted_by_run_id IS NULL
      AND c.reason = ANY(:reasons)
      AND NOT EXISTS (SELECT FROM bank_transaction_changes u
        WHERE u.transaction_id = c.transaction_id AND u.id > c.id AND u.reason = 'unmatched')
    ORDER BY c.id DESC LIMIT 1"""
)
_COPIED = ", ".join(("occurrence", "state", *LINE_COLUMNS, *BASE_COLUMNS))
# Its identity is free only once the row before has its own again.
_COPY = text(
    f"""INSERT INTO bank_transactions (id, account_id, user_id, identity, expense_state, first_run_id, first_decision,
        first_reason, last_run_id, {_COPIED})
    SELECT :new_id, account_id, user_id, identity || '\\x00'::bytea, 'none', :run_id, 'created', 'unmatched', :run_id,
        {_COPIED}
    FROM bank_transactions WHERE id = :id"""  # noqa: S608 - constant columns
)
_RESTORE = text(
    """UPDATE bank_transactions SET identity = :identity, external_id = :external_id, content_key = :content_key,
        occurrence = :occurrence, fingerprint = :fingerprint, state = :state, stated_on = :stated_on,
        effective_on = :effective_on, booking_on = NULL, value_on = NULL, transaction_on = NULL, amount = :amount,
        currency = :currency, description = :description, counterparty = :counterparty, pending_external_id = NULL,
        stated_amounts = NULL, raw = NULL, absent_since_at = now(), last_run_id = :run_id, updated_at = now()
    WHERE id = :id"""
)
_TAKE_IDENTITY = text("UPDATE bank_transactions SET identity = :identity WHERE id = :new_id")
_FORGET_ALIAS = text("DELETE FROM bank_transaction_aliases WHERE transaction_id = :id AND identity = :identity")
_MOVE_TWINS = text(
    """UPDATE bank_transactions SET twin_id = :new_id
    WHERE twin_id = :id AND amount = :amount AND amount <> :amount_before"""
)
_LINK = text("UPDATE bank_transactions SET expense_id = :expense_id, expense_state = :state WHERE id = :id")
_REBASE = text(
    """UPDATE bank_transactions SET base_amount = :amount, base_currency = :currency, base_type = :expense_type,
        base_notes = :notes, base_spent_on = :spent_on WHERE id = :id"""
)


def last_takeover(session: Session, transaction_id: int) -> Row[Any] | None:
    """Return the change by which a line last took the place of this row; None when none did or it was taken back."""
    return session.execute(_LAST, {"id": transaction_id, "reasons": [str(r) for r in TAKEOVERS]}).one_or_none()


def split_takeover(session: Session, row: BankTransaction, run_id: uuid.UUID) -> tuple[int, set[str]]:
    """Make two rows of one: the old row is as it was, with its expense; the line that replaced it is a row of its own.

    The old row counts as absent from now on, so that it goes after the days of grace unless the bank lists it again.
    Returns the id of the new row, and the months of expenses that changed.

    Raises: ConflictError when the row is a leg of a transfer.
    """
    change = last_takeover(session, row.id)
    if change is None:
        raise ConflictError(f"row {row.id} took no other's place")
    if row.transfer_peer_id is not None:
        raise ConflictError(f"row {row.id} is a leg of a transfer: take that back first")
    (known,) = load_in_full(session, [row.id]).values()
    image = change.before_image["transaction"]
    (new_id,) = next_ids(session, "bank_transactions", 1)
    which = {"id": row.id, "new_id": new_id, "run_id": run_id}
    session.execute(_COPY, which)
    _restore_line(session, known, image, which)
    session.execute(_MOVE_TWINS, which | {"amount": known.amount, "amount_before": image["amount"]})
    months = _share_expense(session, known, change.before_image, new_id, run_id, row.user_id)
    record_without_line(session, [known], run_id, Decision.UPDATED, Reason.UNMATCHED)
    session.expire_all()
    return new_id, months


def _restore_line(session: Session, known: StoredRow, image: dict[str, Any], which: dict[str, Any]) -> None:
    identity = bytes.fromhex(image["identity"])
    values = {name: value for name, value in image.items() if name not in {"base", "expense_state"}}
    session.execute(
        _RESTORE,
        which | values | {name: bytes.fromhex(image[name]) for name in ("identity", "content_key", "fingerprint")},
    )
    if identity != known.identity:
        session.execute(_FORGET_ALIAS, which | {"identity": identity})
        session.execute(_TAKE_IDENTITY, which | {"identity": known.identity})


def _share_expense(
    session: Session, known: StoredRow, before: dict[str, Any], new_id: int, run_id: uuid.UUID, user_id: int
) -> set[str]:
    """Leave the expense with the old row, as it was apart from what the person changed, and write one for the new."""
    base = before["transaction"]["base"]
    months: set[str] = set()
    if before["expense_id"] is None or base is None or known.expense_id is None or known.expense is None:
        # The old row had none: the present one is the new row's.
        session.execute(_LINK, {"id": known.id, "expense_id": None, "state": before["transaction"]["expense_state"]})
        session.execute(_LINK, {"id": new_id, "expense_id": known.expense_id, "state": known.expense_state})
        return months
    old_base = expense_from_json(base)
    wanted = merge_user_edits(known.base or known.expense, known.expense, old_base).expense
    update_expenses(session, {known.expense_id: wanted})
    session.execute(_REBASE, {"id": known.id, **old_base._asdict()})
    outbox.record_expenses(session, event_type="expense.updated", expense_ids=[known.expense_id], run_id=run_id)
    months |= {month(wanted), month(known.expense)}
    if known.base is not None:
        months.add(_write_expense(session, known.base, new_id, run_id, user_id))
    return months


def _write_expense(session: Session, expense: ExpenseFields, new_id: int, run_id: uuid.UUID, user_id: int) -> str:
    (expense_id,) = next_ids(session, "expenses", 1)
    insert_expenses(session, user_id, [(expense_id, None, expense)])
    session.execute(_LINK, {"id": new_id, "expense_id": expense_id, "state": "own"})
    outbox.record_expenses(session, event_type="expense.created", expense_ids=[expense_id], run_id=run_id)
    return month(expense)

"""What forgetting a connection leaves behind: no credentials, no schedule, no waiting run, expenses as wished."""

from dataclasses import dataclass

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from worker import outbox
from worker.models import BankConnection, BankConnectionAccount, BankImportRun, BankTransaction, Expense
from worker.runs.states import WAITING, RunStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """revoked: the provider ended the authorisation. months: `YYYY-MM` of the expenses that were deleted."""

    user_id: int
    revoked: bool
    expenses_deleted: int = 0
    months: frozenset[str] = frozenset()


def forget(session: Session, row: BankConnection, *, delete_expenses: bool, revoked: bool) -> Removed:
    """Empty the connection's row; the bank's lines stay in `bank_transactions`."""
    row.status = "disconnected"
    row.status_code = row.status_message = None
    row.config_encrypted = row.config_key_id = row.config_sealed_at = None
    row.cursor = row.next_refresh_at = row.rate_limited_until = row.consent_expires_at = None
    row.updated_at = func.now()
    session.flush()
    _end_runs(session, row)
    days = _delete_expenses(session, row) if delete_expenses else []
    return Removed(
        user_id=row.user_id,
        revoked=revoked,
        expenses_deleted=len(days),
        months=frozenset(f"{day:%Y-%m}" for day in days),
    )


def _end_runs(session: Session, row: BankConnection) -> None:
    mine = BankImportRun.connection_id == row.id
    session.execute(
        update(BankImportRun)
        .where(mine, BankImportRun.status.in_(WAITING))
        .values(status=RunStatus.CANCELLED, code="disconnected", finished_at=func.now(), not_before=None)
    )
    session.execute(
        update(BankImportRun)
        .where(mine, BankImportRun.status == RunStatus.RUNNING, BankImportRun.cancel_requested_at.is_(None))
        .values(cancel_requested_at=func.now())
    )


def _delete_expenses(session: Session, row: BankConnection) -> list[object]:
    written = (
        select(BankTransaction.expense_id)
        .join(BankConnectionAccount, BankConnectionAccount.id == BankTransaction.account_id)
        .where(BankConnectionAccount.connection_id == row.id, BankTransaction.expense_state == "own")
        .where(BankTransaction.expense_id.is_not(None))
    )
    expense_ids = [expense_id for expense_id in session.scalars(written) if expense_id is not None]
    outbox.record_expenses(session, event_type="expense.deleted", expense_ids=expense_ids, run_id=None)
    # Not deleted by the user one by one: when the bank is linked again, they come back.
    rows = update(BankTransaction).where(BankTransaction.expense_id.in_(expense_ids))
    session.execute(rows.values(expense_id=None, expense_state="reverted"))
    deleted = delete(Expense).where(Expense.id.in_(expense_ids)).returning(Expense.spent_at)
    return list(session.scalars(deleted))

"""Data, cursor, watermark and counts of one account, in one transaction: all or none."""

from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from worker.errors import WorkerError
from worker.importer.account_state import AccountState
from worker.importer.context import ImportContext
from worker.importer.fetch.requests import history_limits, progress_of
from worker.importer.fetch.window import advance
from worker.importer.job import Job
from worker.importer.outcome import AccountResult
from worker.importer.store.account_import import AccountDelivery, StepResult, import_account_delivery
from worker.importer.store.progress import Mark, add_counts, close_account, save_mark
from worker.models import BankConnectionAccount


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What a step touched."""

    months: set[str] = field(default_factory=set)
    warnings: set[str] = field(default_factory=set)


def apply_delivery(session: Session, step: AccountDelivery, context: ImportContext) -> Applied:
    """Write one delivery's part of one account, and move what says how far we are only if it was whole."""
    job, account = step.job, step.account
    result = import_account_delivery(session, step, context)
    add_counts(session, job, account, result.counts, step.stream.window)
    if not step.stream.moves or account.external_id in step.delivery.failures:
        return Applied(months=result.months, warnings=result.warnings)
    if step.delivery.complete:
        save_mark(session, account.id, _mark(session, step, result, context))
    else:
        cut = AccountResult(
            account_id=account.id, status="partial", code="truncated", message="the provider cut its answer"
        )
        close_account(session, job, account.id, cut)
    return Applied(months=result.months, warnings=result.warnings)


def _mark(session: Session, step: AccountDelivery, result: StepResult, context: ImportContext) -> Mark:
    row = session.get_one(BankConnectionAccount, step.account.id)
    before = progress_of(row)
    reach = history_limits(step.job, step.capabilities, context)
    late_days = _late_days(result, step.account)
    own_cursor = step.stream.by_cursor and step.stream.account_id is not None
    return Mark(
        progress=advance(before, step.stream.window, reach, latest_late_days=late_days),
        cursor=step.delivery.next_cursor if own_cursor else None,
        distrusted=result.distrusted,
    )


def _late_days(result: StepResult, account: AccountState) -> int:
    """Lateness is learned from refreshes only: while history is read, old rows are not late."""
    return result.late_days if account.history_complete else 0


def fail_account(session: Session, job: Job, account_id: int, error: WorkerError, *, status: str = "failed") -> None:
    """Record that one account failed, wholly or in part; nothing of it moves, and what was written stays."""
    close_account(
        session,
        job,
        account_id,
        AccountResult(account_id=account_id, status=status, code=error.code, message=str(error)[:1000]),
    )

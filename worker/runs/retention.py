"""What ends or is removed by age alone: runs that wait too long, windows of allowances, heartbeats."""

from datetime import timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from worker.models import BankImportRun, BankQuotaUsage, WorkerHeartbeat
from worker.runs.ending import apply_consequences
from worker.runs.states import EndedRun, Outcome, RunStatus

LONGEST_DEFERRAL = timedelta(days=7)
"""A run the provider kept waiting for this long fails: the next refresh asks for the same days anyway."""

_KEEP_USAGE = timedelta(days=7)
_KEEP_HEARTBEATS = timedelta(days=1)


def expire_deferred(session: Session) -> int:
    """Fail runs that were deferred for longer than `LONGEST_DEFERRAL`; return how many."""
    waited_too_long = (
        select(BankImportRun)
        .where(BankImportRun.status == RunStatus.DEFERRED, BankImportRun.queued_at < func.now() - LONGEST_DEFERRAL)
        .with_for_update(skip_locked=True)
    )
    runs = session.scalars(waited_too_long).all()
    for run in runs:
        run.status = RunStatus.FAILED
        run.finished_at = func.now()
        run.not_before = None
        session.flush()
        ended = EndedRun(
            id=run.id,
            connection_id=run.connection_id,
            user_id=run.user_id,
            kind=run.kind,
            trigger=run.trigger,
            dry_run=run.dry_run,
        )
        apply_consequences(
            session, ended, Outcome(status=RunStatus.FAILED, code=run.code or "rate_limited", message=run.message)
        )
    return len(runs)


def prune_old(session: Session) -> None:
    """Remove allowances of windows long over, and heartbeats of components that are gone."""
    session.execute(delete(BankQuotaUsage).where(BankQuotaUsage.window_ends_at < func.now() - _KEEP_USAGE))
    session.execute(delete(WorkerHeartbeat).where(WorkerHeartbeat.seen_at < func.now() - _KEEP_HEARTBEATS))

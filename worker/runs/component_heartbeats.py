"""Signs of life in Postgres, and the sweep that keeps old rows from piling up."""

from datetime import timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from worker.models import BankImportRun, BankQuotaUsage, WorkerHeartbeat
from worker.runs.ending import settle
from worker.runs.states import EndedRun, Outcome, RunStatus

LONGEST_DEFERRAL = timedelta(days=7)
"""A run the provider kept waiting for this long fails: the next refresh asks for the same days anyway."""

_KEEP_USAGE = timedelta(days=7)
_KEEP_SIGNS = timedelta(days=1)


def record_heartbeat(session: Session, component: str) -> None:
    """Write that `component` is alive now, by the database's clock."""
    session.execute(
        insert(WorkerHeartbeat)
        .values(component=component)
        .on_conflict_do_update(index_elements=[WorkerHeartbeat.component], set_={"seen_at": func.now()})
    )


def expire_deferred(session: Session) -> int:
    """Fail runs that were deferred for longer than anybody waits; return how many."""
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
        ended = EndedRun(run.id, run.connection_id, run.user_id, run.kind, run.trigger, run.dry_run)
        settle(session, ended, Outcome(status=RunStatus.FAILED, code=run.code or "rate_limited", message=run.message))
    return len(runs)


def prune_old(session: Session) -> None:
    """Remove allowances of windows long over, and signs of components that are gone."""
    session.execute(delete(BankQuotaUsage).where(BankQuotaUsage.window_ends_at < func.now() - _KEEP_USAGE))
    session.execute(delete(WorkerHeartbeat).where(WorkerHeartbeat.seen_at < func.now() - _KEEP_SIGNS))

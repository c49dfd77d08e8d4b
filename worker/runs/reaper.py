"""Recovers runs with an expired lease: queues them again, or fails them as poison after too many attempts.

`MAX_ATTEMPTS` of `worker.settings` says how many. Beat calls it four times per lease (`celery_hooks.beat_schedule`).

Every change compares the lease that it read, so that a run that ended or was taken over in the meantime is not changed.
"""

import uuid
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import and_, func, not_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from worker.models import BankImportRun
from worker.runs.dispatching.admission import poisonous
from worker.runs.ending import apply_consequences
from worker.runs.states import EndedRun, Outcome, RunStatus

PAGE = 200

_PUBLISH_AGAIN = timedelta(minutes=2)

_Run = BankImportRun


@dataclass(frozen=True, slots=True, kw_only=True)
class SilentRun:
    """A run with an expired lease. `token` is the lease that was read."""

    run_id: uuid.UUID
    token: uuid.UUID
    attempt: int
    cancelled: bool


def silent_runs(session: Session, *, after: uuid.UUID | None = None, limit: int = PAGE) -> list[SilentRun]:
    """Return a page of runs with an expired lease, by id; `after` is the last id of the previous page.

    Pages go by id, not by age, so that rows that cannot be recovered never hide others.
    """
    statement = (
        select(_Run.id, _Run.lease_token, _Run.attempt, _Run.cancel_requested_at)
        .where(_Run.status == RunStatus.RUNNING, _Run.lease_expires_at < func.now())
        .order_by(_Run.id)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(_Run.id > after)
    return [
        SilentRun(
            run_id=row.id, token=row.lease_token, attempt=row.attempt, cancelled=row.cancel_requested_at is not None
        )
        for row in session.execute(statement)
    ]


def recover(session: Session, silent: SilentRun, *, max_attempts: int) -> str | None:
    """Recover one run; return `queued`, `resumed`, `poison` or `cancelled`, or None when the run is no longer silent.

    A run is `resumed` when another run of the connection waits: it stays running and is published again.
    """
    if _is_being_written(session, silent):
        return None
    if silent.cancelled:
        return _close(session, silent, Outcome(status=RunStatus.CANCELLED, code="cancelled"))
    if silent.attempt >= max_attempts:
        return _close(session, silent, poisonous(silent.attempt))
    try:
        with session.begin_nested():
            return "queued" if _requeue(session, silent) else None
    except IntegrityError:
        # uq_bank_import_runs_waiting: another run of the connection waits.
        return "resumed" if _publish_in_place(session, silent) else None


def _is_being_written(session: Session, silent: SilentRun) -> bool:
    """Say whether a transaction holds the row: then the run is alive and extends its lease when it commits."""
    free = select(_Run.id).where(_Run.id == silent.run_id).with_for_update(skip_locked=True)
    return session.scalar(free) is None


def _publish_in_place(session: Session, silent: SilentRun) -> bool:
    """Leave the run running with its expired lease, which any worker may take over, and have it published again."""
    published_since = and_(_Run.dispatched_at > _Run.lease_expires_at, _Run.dispatched_at > func.now() - _PUBLISH_AGAIN)
    run_id = session.scalar(
        _update_if_unchanged(silent).where(not_(published_since)).values(dispatched_at=None).returning(_Run.id)
    )
    return run_id is not None


def _requeue(session: Session, silent: SilentRun) -> bool:
    run_id = session.scalar(
        _update_if_unchanged(silent)
        .values(
            status=RunStatus.QUEUED,
            code="lost",
            lease_token=None,
            lease_expires_at=None,
            dispatched_at=None,
            not_before=None,
        )
        .returning(_Run.id)
    )
    return run_id is not None


def _close(session: Session, silent: SilentRun, outcome: Outcome) -> str | None:
    found = session.execute(
        _update_if_unchanged(silent)
        .values(
            status=outcome.status,
            code=outcome.code,
            message=outcome.message,
            finished_at=func.now(),
            lease_token=None,
            lease_expires_at=None,
        )
        .returning(_Run.id, _Run.connection_id, _Run.user_id, _Run.kind, _Run.trigger, _Run.dry_run)
    ).mappings()
    ended = found.one_or_none()
    if ended is None:
        return None
    apply_consequences(session, EndedRun(**ended), outcome)
    return outcome.code


def _update_if_unchanged(silent: SilentRun):  # type: ignore[no-untyped-def]  # noqa: ANN202 - an UPDATE, before its values
    return update(_Run).where(
        _Run.id == silent.run_id, _Run.lease_token == silent.token, _Run.lease_expires_at < func.now()
    )

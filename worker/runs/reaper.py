"""Runs whose worker went silent: queued again from what they committed, or failed as poison after too many attempts.

Every change compares the lease it saw, so that a run that was finished or taken over meanwhile is left alone.
"""

import uuid
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import and_, func, not_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from worker.models import BankImportRun
from worker.runs.ending import apply_consequences
from worker.runs.states import EndedRun, Outcome, RunStatus

PAGE = 200

_PUBLISH_AGAIN = timedelta(minutes=2)

_Run = BankImportRun


@dataclass(frozen=True, slots=True, kw_only=True)
class SilentRun:
    """A run whose lease ran out. `token` is the lease that was seen."""

    run_id: uuid.UUID
    token: uuid.UUID
    attempt: int
    cancelled: bool


def silent_runs(session: Session, *, after: uuid.UUID | None = None, limit: int = PAGE) -> list[SilentRun]:
    """Return a page of runs whose lease ran out, in the order of their ids; `after` is the last id of the page before.

    Paging by id, not by age, so that rows which cannot be helped never hide the ones behind them.
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
    """Recover one run and return what became of it (`queued`, `resumed`, `poison`, `cancelled`), None if it moved on.

    resumed: another run of the connection waits, so this one keeps its place and the dispatcher publishes it.
    """
    if _is_being_written(session, silent):
        return None
    if silent.cancelled:
        return _close(session, silent, Outcome(status=RunStatus.CANCELLED, code="cancelled"))
    if silent.attempt >= max_attempts:
        message = f"the worker was lost in {silent.attempt} attempts"
        return _close(session, silent, Outcome(status=RunStatus.FAILED, code="poison", message=message))
    try:
        with session.begin_nested():
            return "queued" if _requeue(session, silent) else None
    except IntegrityError:
        # uq_bank_import_runs_waiting: another run waits behind it.
        return "resumed" if _publish_in_place(session, silent) else None


def _is_being_written(session: Session, silent: SilentRun) -> bool:
    """Say whether a transaction holds the run: it lives, and extends the lease when it commits."""
    free = select(_Run.id).where(_Run.id == silent.run_id).with_for_update(skip_locked=True)
    return session.scalar(free) is None


def _publish_in_place(session: Session, silent: SilentRun) -> bool:
    """Leave the run running, with a lease that anybody may take over, and have it published once."""
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

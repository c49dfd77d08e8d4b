"""Asking for a run: one row, written in the caller's own transaction. The row is the outbox; a message is a nudge."""

import uuid

from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from worker.errors import ConflictError, InvalidRequestError, NotFoundError
from worker.models import BankConnection, BankImportRun
from worker.runs.states import WAITING, RunRequest, RunStatus, RunTrigger


def request_run(session: Session, request: RunRequest, *, run_id: uuid.UUID | None = None) -> uuid.UUID:
    """Write the run row and return its id, or the id of the open run that already answers this request.

    run_id: the Celery task id when a task was sent by name; made here otherwise.
    Raises: NotFoundError, ConflictError when the connection is disconnected or another request is waiting,
    InvalidRequestError when the days are reversed or begin in the future.
    """
    _check_days(session, request)
    connection = session.get(BankConnection, request.connection_id)
    if connection is None:
        raise NotFoundError(f"no connection {request.connection_id}")
    if connection.status == "disconnected":
        raise ConflictError(f"connection {request.connection_id} was removed")
    running = _open_run(session, request, RunStatus.RUNNING)
    if running is not None and _same_request(running, request):
        return running.id
    written = _write(session, request, run_id or uuid.uuid4(), connection.user_id)
    if written is not None:
        return written
    waiting = _open_run(session, request, *WAITING)
    if waiting is None or not _same_request(waiting, request):
        raise ConflictError(f"another run of connection {request.connection_id} is already waiting")
    if waiting.trigger == RunTrigger.SCHEDULE and request.trigger != RunTrigger.SCHEDULE:
        _promote(session, waiting.id)
    return waiting.id


def _check_days(session: Session, request: RunRequest) -> None:
    if request.from_on is None:
        return
    if request.to_on and request.from_on > request.to_on:
        raise InvalidRequestError(f"the first day {request.from_on} is after the last day {request.to_on}")
    if request.from_on > session.execute(_LATEST_DAY).scalar_one():
        raise InvalidRequestError(f"the first day {request.from_on} is in the future")


_LATEST_DAY = text("SELECT (now() AT TIME ZONE 'Pacific/Kiritimati')::date")
"""The day where it is latest on Earth, by the database's clock: nobody's today is refused."""


def _promote(session: Session, run_id: uuid.UUID) -> None:
    """A person now waits for a run of the schedule: it is published again, in the queue of those who wait.

    A run that only left a reserve untouched need not wait any longer: the reserve is for this person.
    """
    waiting = update(BankImportRun).where(BankImportRun.id == run_id, BankImportRun.status.in_(WAITING))
    session.execute(waiting.values(trigger=RunTrigger.USER, dispatched_at=None))
    session.execute(
        waiting.where(BankImportRun.code == "quota_reserved").values(status=RunStatus.QUEUED, not_before=None)
    )


def _write(session: Session, request: RunRequest, run_id: uuid.UUID, user_id: int) -> uuid.UUID | None:
    statement = (
        insert(BankImportRun)
        .values(
            id=run_id,
            connection_id=request.connection_id,
            user_id=user_id,
            kind=request.kind,
            trigger=request.trigger,
            account_external_id=request.account_external_id,
            from_on=request.from_on,
            to_on=request.to_on,
            dry_run=request.dry_run,
            reimport=request.reimport,
            target_run_id=request.target_run_id,
            scheduled_for=request.scheduled_for,
            trace_context=request.trace_context,
        )
        .on_conflict_do_nothing()
        .returning(BankImportRun.id)
    )
    return session.scalar(statement)


def _open_run(session: Session, request: RunRequest, *statuses: RunStatus) -> BankImportRun | None:
    return session.scalar(
        select(BankImportRun).where(
            BankImportRun.connection_id == request.connection_id, BankImportRun.status.in_(statuses)
        )
    )


def _same_request(run: BankImportRun, request: RunRequest) -> bool:
    return (run.kind, run.account_external_id, run.from_on, run.to_on, run.dry_run, run.target_run_id) == (
        request.kind,
        request.account_external_id,
        request.from_on,
        request.to_on,
        request.dry_run,
        request.target_run_id,
    )

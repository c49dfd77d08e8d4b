"""Requests a run by writing its row in the caller's transaction. A message only makes it start sooner."""

import uuid
from collections.abc import Mapping

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from worker.db.uuid7 import uuid7
from worker.errors import ConflictError, InvalidRequestError, NotFoundError
from worker.models import BankConnection, BankImportRun
from worker.runs.states import IDLE_AFTER, WAITING, RunKind, RunRequest, RunStatus, RunTrigger


def request_run(
    session: Session, request: RunRequest, *, run_id: uuid.UUID | None = None, join_running: bool = True
) -> uuid.UUID:
    """Write the run row and return its id, or the id of the open run that already answers this request.

    Args:
        run_id: The Celery task id when a task was sent by name; otherwise a new id.
        join_running: A run that is under way answers it, too; False where it may have read already what is wanted.

    Raises: NotFoundError, ConflictError when the connection is disconnected or another request is waiting,
    InvalidRequestError when the days are reversed or begin in the future.
    """
    _check_days(session, request)
    connection = session.get(BankConnection, request.connection_id)
    if connection is None:
        raise NotFoundError(f"no connection {request.connection_id}")
    if connection.status == "disconnected":
        raise ConflictError(f"connection {request.connection_id} was removed")
    if request.trigger == RunTrigger.USER:
        note_seen(session, connection.user_id)
    answered = _fresh_run(session, request) or (_same_running(session, request) if join_running else None)
    if answered is not None:
        return answered
    written = _write(session, request, run_id or uuid7(), connection)
    if written is not None:
        return written
    waiting = _open_run(session, request, *WAITING)
    if waiting is None or not _same_request(waiting, request):
        raise ConflictError(f"another run of connection {request.connection_id} is already waiting")
    if _URGENCY[request.trigger] > _URGENCY.get(waiting.trigger, 0):
        _promote(session, waiting.id, request.trigger)
    return waiting.id


def _same_running(session: Session, request: RunRequest) -> uuid.UUID | None:
    running = _open_run(session, request, RunStatus.RUNNING)
    return running.id if running is not None and _same_request(running, request) else None


def _fresh_run(session: Session, request: RunRequest) -> uuid.UUID | None:
    """Return the last good run of the connection where that is young enough for this request."""
    if request.if_older_than is None or request.kind != RunKind.REFRESH or request.dry_run:
        return None
    return session.scalar(
        select(BankConnection.last_good_run_id)
        .join(BankImportRun, BankImportRun.id == BankConnection.last_good_run_id)
        .where(BankConnection.id == request.connection_id, BankConnection.status == "active")
        .where(BankConnection.last_good_at > func.now() - request.if_older_than)
    )


_SEEN = text(
    """
    WITH before AS (SELECT last_seen_at FROM user_preferences WHERE user_id = :user_id),
    noted AS (
      INSERT INTO user_preferences (user_id, last_seen_at) SELECT id, now() FROM users WHERE id = :user_id
      ON CONFLICT (user_id) DO UPDATE SET last_seen_at = now()
      WHERE user_preferences.last_seen_at IS NULL OR user_preferences.last_seen_at < now() - INTERVAL '1 hour'
      RETURNING user_id
    )
    UPDATE bank_connections c SET next_refresh_at = LEAST(c.next_refresh_at, now() + c.refresh_interval)
    FROM noted, before
    WHERE c.user_id = noted.user_id AND before.last_seen_at < now() - :idle_after AND c.status = 'active'
      AND c.next_refresh_at IS NOT NULL
    """
)


def note_seen(session: Session, user_id: int) -> None:
    """Write that a user is there; the connections of one who was away are polled as often as before again."""
    session.execute(_SEEN, {"user_id": user_id, "idle_after": IDLE_AFTER})


def _check_days(session: Session, request: RunRequest) -> None:
    if request.from_on is None:
        return
    if request.to_on and request.from_on > request.to_on:
        raise InvalidRequestError(f"the first day {request.from_on} is after the last day {request.to_on}")
    if request.from_on > session.execute(_LATEST_DAY).scalar_one():
        raise InvalidRequestError(f"the first day {request.from_on} is in the future")


_LATEST_DAY = text("SELECT (now() AT TIME ZONE 'Pacific/Kiritimati')::date")
"""SQL: today in the earliest time zone, by the database's clock, so that nobody's today counts as the future."""


_URGENCY: Mapping[str, int] = {RunTrigger.SCHEDULE: 0, RunTrigger.WEBHOOK: 1, RunTrigger.RETRY: 2, RunTrigger.USER: 2}


def _promote(session: Session, run_id: uuid.UUID, trigger: RunTrigger) -> None:
    """Give a waiting run the trigger of a more urgent request, and have it published again.

    When a person asks, a run that was deferred to keep the reserve is due at once, because people may use the reserve,
    and so is one that waits for a bank that is down: their request gets one try. A provider's webhook may do neither.
    """
    waiting = update(BankImportRun).where(BankImportRun.id == run_id, BankImportRun.status.in_(WAITING))
    session.execute(waiting.values(trigger=trigger, dispatched_at=None))
    if trigger != RunTrigger.WEBHOOK:
        needless = waiting.where(BankImportRun.code.in_(("quota_reserved", "provider_down")))
        session.execute(needless.values(status=RunStatus.QUEUED, not_before=None))


def _write(session: Session, request: RunRequest, run_id: uuid.UUID, connection: BankConnection) -> uuid.UUID | None:
    statement = (
        insert(BankImportRun)
        .values(
            id=run_id,
            connection_id=connection.id,
            user_id=connection.user_id,
            connector_name=connection.connector_name,
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

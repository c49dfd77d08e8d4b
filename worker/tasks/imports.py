"""Tasks of runs: two public ones that request a run and execute it, and one that executes a waiting run.

Celery shows the status of the row: SUCCESS for succeeded, partial and cancelled, FAILURE for failed, RETRY for a run
that goes on later (deferred, handed back), REJECTED for a message without a run.
"""

import uuid
from datetime import date
from typing import Any

from celery import Task
from celery.exceptions import Ignore, Reject, Retry
from kombu.exceptions import OperationalError
from sqlalchemy.exc import DBAPIError

from worker.app import app
from worker.broker import EXECUTE, IMPORT_CONNECTION, REFRESH_CONNECTION, Nudge, Queue, publish
from worker.celery_hooks.pools import has_threads, places
from worker.db.trouble import is_away, is_contention
from worker.errors import ConflictError, InvalidRequestError, NotFoundError
from worker.models import BankImportRun
from worker.process.stop_flag import STOP
from worker.runs.dispatching.admission import places_per_user
from worker.runs.dispatching.dispatch import longest_waiting_run
from worker.runs.dispatching.heavy import LightWorker
from worker.runs.dispatching.message_allowance import check_message_allowance
from worker.runs.request import request_run
from worker.runs.states import WAITING, Outcome, RunKind, RunRequest, RunStatus
from worker.runtime import process_runtime
from worker.tasks.execution import execute_run
from worker.telemetry.logs import get_logger

log = get_logger(__name__)


class RunFailedError(Exception):
    """The run failed; its row and the log say why. Contains ids and codes only, because Flower shows it."""


@app.task(name=IMPORT_CONNECTION, bind=True, throws=(RunFailedError,))
def import_connection(
    self: Task[Any, Any],
    connection_id: str,
    account_id: str | None = None,
    from_date: str | None = None,
    to_date: str | None = None,
    dry_run: bool = False,  # noqa: FBT001, FBT002 - the public signature
) -> dict[str, Any]:
    """Import a connection's transactions. Days are inclusive ISO dates; without them the importer decides."""
    return _ask_and_execute(
        self,
        connection_id,
        kind=RunKind.IMPORT,
        account_external_id=account_id,
        from_on=from_date and _day(from_date),
        to_on=to_date and _day(to_date),
        dry_run=dry_run,
    )


@app.task(name=REFRESH_CONNECTION, bind=True, throws=(RunFailedError,))
def refresh_connection(self: Task[Any, Any], connection_id: str, account_id: str | None = None) -> dict[str, Any]:
    """Fetch what is new since the last good run of a connection."""
    return _ask_and_execute(self, connection_id, kind=RunKind.REFRESH, account_external_id=account_id)


@app.task(name=EXECUTE, bind=True, throws=(RunFailedError,))
def execute(self: Task[Any, Any], run_id: str) -> dict[str, Any]:
    """Execute a waiting run. Idempotent: a repeated, late or wrong message changes nothing."""
    return _execute(self, _uuid(run_id))


def _ask_and_execute(task: Task[Any, Any], connection_id: str, **request: Any) -> dict[str, Any]:  # noqa: ANN401
    """Write the row with the task's id and execute it; a redelivered message finds that row."""
    run_id = uuid.UUID(task.request.id)
    wanted = _request(connection_id, **request)
    try:
        with process_runtime().sessions() as session:
            if session.get(BankImportRun, run_id) is None:
                if not task.request.called_directly:
                    check_message_allowance(session, wanted.connection_id)
                run_id = request_run(session, wanted, run_id=run_id)
    except DBAPIError as error:
        _note_trouble(error, None)
        raise RunFailedError("database_down: the request could not be written; send it again") from None
    except (NotFoundError, ConflictError, InvalidRequestError) as error:
        log.warning("run.refused", task_id=task.request.id, code=error.code, reason=str(error))
        _execute_one_that_waits(task)
        raise RunFailedError(f"{error.code}: {error}") from None
    if run_id != uuid.UUID(task.request.id):
        log.info("run.joined", task_id=task.request.id, run_id=str(run_id))
        _execute_one_that_waits(task)
        return {"run_id": str(run_id), "joined": True}
    return _execute(task, run_id)


def _execute(task: Task[Any, Any], run_id: uuid.UUID) -> dict[str, Any]:
    runtime = process_runtime()
    try:
        outcome = _execute_run(task, run_id)
        if outcome is not None and outcome.status is RunStatus.SUCCEEDED:
            return _done(run_id, outcome.status, outcome.code, outcome.counts.created)
        with runtime.sessions() as session:
            row = session.get(BankImportRun, run_id)
        if outcome is None and (row is None or row.status not in WAITING):
            _execute_one_that_waits(task)
    except DBAPIError as error:
        _note_trouble(error, run_id)
        raise Retry(f"run {run_id}: the database is away or busy") from None
    if row is None:
        raise Reject(f"no run {run_id}", requeue=False)
    return _as_task_state(row)


def _execute_run(task: Task[Any, Any], run_id: uuid.UUID) -> Outcome | None:
    return execute_run(
        process_runtime(),
        run_id,
        worker_name=str(task.request.hostname),
        soft_limit_s=_soft_limit_s(task),
        light=_LIGHT if has_threads() else None,
        per_user_here=_per_user_here(task),
    )


def _execute_one_that_waits(task: Task[Any, Any]) -> None:
    """Execute another run in the place of a message that was of no use: nobody waits behind a flood of them.

    The message says what became of itself, also where the database goes away under the other run.
    """
    queue = (task.request.delivery_info or {}).get("routing_key")
    if STOP.is_set or queue == Queue.HEAVY or task.request.called_directly:
        return
    run_id = None
    try:
        with process_runtime().sessions() as session:
            run_id = longest_waiting_run(session, scheduled=queue == Queue.SCHEDULED, light=has_threads())
        if run_id is not None:
            _execute_run(task, run_id)
    except DBAPIError as error:
        _note_trouble(error, run_id)


def _note_trouble(error: DBAPIError, run_id: uuid.UUID | None) -> None:
    """Log that the database is away or busy, where it is, and raise what is a defect.

    Nothing can be recorded then: the lease of a run that was under way runs out, and the reaper queues it again.
    """
    if not is_away(error) and not is_contention(error):
        raise error
    log.warning("run.database_away", run_id=run_id and str(run_id), reason=type(error.orig).__name__)


def _per_user_here(task: Task[Any, Any]) -> int | None:
    """Return how many runs of one user may be under way here; None where RUNS_PER_USER or the schedule bounds them."""
    known = places()
    by_schedule = (task.request.delivery_info or {}).get("routing_key") == Queue.SCHEDULED
    stated = "runs_per_user" in process_runtime().settings.model_fields_set
    return None if known is None or by_schedule or stated else places_per_user(known)


def _pass_on(run_id: uuid.UUID) -> None:
    """Send a run to the queue of heavy ones; when the broker is away, the dispatcher sends it again."""
    try:
        publish(app, [Nudge(run_id=run_id, queue=Queue.HEAVY)])
    except OperationalError as error:
        log.warning("run.not_passed_on", run_id=str(run_id), reason=type(error).__name__)


_LIGHT = LightWorker(pass_on=_pass_on)


def _as_task_state(row: BankImportRun) -> dict[str, Any]:
    """Return the result, or raise the exception, that makes Celery show the status of the row."""
    match row.status:
        case RunStatus.FAILED:
            raise RunFailedError(f"run {row.id} failed: {row.code}")
        case RunStatus.RUNNING:
            raise Ignore(f"run {row.id} is held by {row.worker_name}")
        case status if status in WAITING:
            raise Retry(f"run {row.id} is {status}: {row.code}", when=row.not_before)
        case status:
            return _done(row.id, status, row.code, row.created)


def _done(run_id: uuid.UUID, status: str, code: str | None, created: int) -> dict[str, Any]:
    return {"run_id": str(run_id), "status": str(status), "code": code, "created": created}


def _soft_limit_s(task: Task[Any, Any]) -> float:
    _hard_s, soft_s = task.request.timelimit or (None, None)
    return float(soft_s or app.conf.task_soft_time_limit)


def _request(connection_id: str, **request: Any) -> RunRequest:  # noqa: ANN401 - whatever a message holds
    account = request.get("account_external_id")
    if not isinstance(account, str | None) or not isinstance(request.get("dry_run", False), bool):
        raise RunFailedError("invalid_request: an argument is of another type")
    return RunRequest(connection_id=_uuid(connection_id), **request)


def _uuid(given: object) -> uuid.UUID:
    try:
        return uuid.UUID(str(given))
    except ValueError:
        raise RunFailedError("invalid_request: an id is not a UUID") from None


def _day(text: object) -> date:
    try:
        return date.fromisoformat(str(text))
    except ValueError:
        raise RunFailedError("invalid_request: a day has the form YYYY-MM-DD") from None

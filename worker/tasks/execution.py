"""Executes one run: claims it, keeps its lease, calls the engine, and records the result, also of an error."""

import errno
import logging
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from functools import partial

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from psycopg2.errors import QueryCanceled
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from worker.audit import acting_as
from worker.db.outage import once_it_answers
from worker.db.trouble import is_away, is_contention, keeps_everybody_out
from worker.errors import (
    CancelRequestedError,
    DatabaseBusyError,
    DatabaseClosedError,
    LostLeaseError,
    StopRequestedError,
    TooHeavyError,
    WorkerError,
)
from worker.importer import engine
from worker.process.fault_injection import point
from worker.process.stop_flag import STOP
from worker.recordings.recorder import RunRecorder, recorder_of
from worker.runs.dispatching.admission import AdmissionLimits, WaitForTurn, admit
from worker.runs.dispatching.heavy import LIGHT_ROWS, LightWorker, waits_for_processes
from worker.runs.ending import close
from worker.runs.hand_back import hand_back
from worker.runs.lease import ClaimedRun, claim
from worker.runs.lease_renewal import LeaseKeeper
from worker.runs.states import Lease, Outcome, RunStatus
from worker.runtime import Runtime
from worker.tasks.import_context import heavy_queue_is_consumed, import_context, refuse_if_heavy
from worker.tasks.open_connector import ConnectorOpener
from worker.telemetry.logs import get_logger
from worker.telemetry.tracing import note_outcome, span

log = get_logger(__name__)

MARGIN_S = 20.0
"""How long before Celery's soft limit a run hands itself back (s)."""

DISK_DEFER_S = 60.0
"""How long a run is deferred that found no temporary disk space (s)."""

ABANDON_AFTER_S = 60.0
"""How long after its limit a run in a thread, which cannot be killed, loses its lease (s)."""

_RETRY_S = 1.0


def execute_run(
    runtime: Runtime,
    run_id: uuid.UUID,
    *,
    worker_name: str,
    soft_limit_s: float,
    light: LightWorker | None = None,
    per_user_here: int | None = None,
) -> Outcome | None:
    """Claim the run and execute it until it is closed, deferred, handed back or lost.

    Args:
        runtime: Runtime of this process.
        run_id: Id of the run.
        worker_name: Name of this worker, which is stored in the row.
        soft_limit_s: Celery's soft limit; the run hands itself back before it.
        light: Set when this worker executes light runs only.
        per_user_here: Runs of one user that may be under way in this worker; None for no such bound.

    Returns:
        The outcome when this worker ended the run, otherwise None.
    """
    claimed = _claim_unless_for_others(runtime, run_id, worker_name, light, per_user_here)
    if claimed is None:
        return None
    lease = claimed.lease
    point("after_claim")
    keeper = LeaseKeeper(
        runtime.sessions,
        lease,
        lease_s=runtime.settings.lease_s,
        deadline_s=soft_limit_s - MARGIN_S,
        stop_requested=lambda: STOP.is_set,
        abandon_s=soft_limit_s + ABANDON_AFTER_S,
    )
    context = structlog.contextvars.bound_contextvars(run_id=str(run_id), attempt=lease.attempt)
    traced = span("run", {"run_id": str(run_id), "attempt": lease.attempt}, caller=claimed.facts.trace_context)
    with traced, context, acting_as(f"run:{run_id}"), runtime.lease_renewer.renewing(keeper):
        log.info("run.started")
        outcome = _work_and_close(runtime, claimed, keeper, light)
    point("before_ack")
    return outcome


def _claim_unless_for_others(
    runtime: Runtime, run_id: uuid.UUID, worker_name: str, light: LightWorker | None, per_user_here: int | None
) -> ClaimedRun | None:
    """Claim the run, or pass it on; None where this worker does not execute it."""
    # Without its message, the run would wait until the dispatcher sends another.
    patience_s = runtime.settings.lease_s
    begin = partial(once_it_answers, patience_s=patience_s, every_s=_RETRY_S, stopping=lambda: STOP.is_set)
    try:
        claimed = begin(lambda: _start(runtime, run_id, worker_name, per_user_here, light=light is not None))
    except LostLeaseError as reason:
        log.info("run.not_claimed", run_id=str(run_id), reason=str(reason))
        return None
    if claimed is None and light is not None and begin(lambda: _is_for_others(runtime, run_id)):
        light.pass_on(run_id)
        log.info("run.passed_on", run_id=str(run_id))
    return claimed


def _is_for_others(runtime: Runtime, run_id: uuid.UUID) -> bool:
    with runtime.statements() as connection:
        return waits_for_processes(connection, run_id)


def _start(
    runtime: Runtime, run_id: uuid.UUID, worker_name: str, per_user_here: int | None, *, light: bool
) -> ClaimedRun | None:
    """Claim the run, and end it or let it wait when it may not start now."""
    settings = runtime.settings
    with runtime.statements() as connection:
        claimed = claim(
            connection,
            run_id,
            worker_name=worker_name,
            lease_s=settings.lease_s,
            count_up_to=max(settings.runs_per_user, settings.runs_per_connector),
            light=light,
        )
    if claimed is None:
        return None
    lease, facts = claimed.lease, claimed.facts
    limits = AdmissionLimits(
        per_user=settings.runs_per_user,
        per_connector=settings.runs_per_connector,
        max_attempts=settings.max_attempts,
        per_user_here=per_user_here,
    )
    decision = admit(facts, attempt=lease.attempt, limits=limits)
    if decision is None:
        return claimed
    with runtime.sessions() as session:
        _do_not_start(session, lease, decision)
    return None


def _do_not_start(session: Session, lease: Lease, decision: Outcome | WaitForTurn) -> None:
    if isinstance(decision, WaitForTurn):
        hand_back(session, lease, started=False)
        return
    close(session, lease, decision)
    log.info("run.not_started", run_id=str(lease.run_id), status=decision.status.value, code=decision.code)


def _work_and_close(
    runtime: Runtime, claimed: ClaimedRun, keeper: LeaseKeeper, light: LightWorker | None
) -> Outcome | None:
    try:
        try:
            outcome = _work(runtime, claimed, keeper, light)
        except StopRequestedError as reason:
            _hand_back(runtime, claimed.lease, keeper, reason, light)
            return None
    except LostLeaseError as reason:  # also when the reply to the COMMIT that closed it was lost
        log.warning("run.lost", reason=str(reason))
        return None
    note_outcome(failed=outcome.status is RunStatus.FAILED, status=outcome.status.value, code=outcome.code)
    log.info("run.finished", status=outcome.status.value, code=outcome.code, created=outcome.counts.created)
    return outcome


def _hand_back(
    runtime: Runtime, lease: Lease, keeper: LeaseKeeper, reason: StopRequestedError, light: LightWorker | None
) -> None:
    """Queue the run again; pass a run that is too heavy for a light worker on.

    Neither that nor a busy database is a failed attempt.
    """
    was_busy = isinstance(reason, DatabaseBusyError)
    too_much = not STOP.is_set and (isinstance(reason, TooHeavyError) or keeper.is_out_of_time)
    passed_on = light is not None and too_much and heavy_queue_is_consumed(runtime)
    counted = not (STOP.is_set or keeper.advanced or passed_on or was_busy)
    waits = isinstance(reason, DatabaseClosedError) and not (STOP.is_set or keeper.advanced)
    write = partial(hand_back, lease=lease, counted=counted, passed_on=passed_on, waits=waits)
    _write_with_retries(runtime, keeper, write)
    if light is not None and passed_on:
        light.pass_on(lease.run_id)
    log.info("run.handed_back", reason=str(reason), passed_on=passed_on)


def _work(runtime: Runtime, claimed: ClaimedRun, keeper: LeaseKeeper, light: LightWorker | None) -> Outcome:
    """Call the engine, which closes the row; turn an error of the run into its outcome.

    Raises: LostLeaseError; StopRequestedError at a shutdown, when the time is up or the database is gone: the run will
    continue from what it committed.
    """
    recorder = recorder_of(claimed, datetime.now(UTC))
    try:
        with ExitStack() as stack:
            interactive = claimed.facts.person_waits
            opener = ConnectorOpener(
                runtime=runtime,
                interactive=interactive,
                wait=keeper.wait,
                stack=stack,
                refuse_heavy_body=partial(refuse_if_heavy, runtime, light, LIGHT_ROWS + 1),
                log=claimed.lease.log,
                check=keeper.check_going_on,
                recorder=recorder,
            )
            return _recorded(runtime, recorder, engine.run(claimed, import_context(runtime, keeper, opener, light)))
    except (StopRequestedError, LostLeaseError):
        raise
    except SoftTimeLimitExceeded:
        raise StopRequestedError("the run ran into its time limit") from None
    except Exception as error:  # the outermost handler: a defect has to be recorded in the row
        if isinstance(error, DBAPIError) and isinstance(error.orig, QueryCanceled):
            # What waits for a lock gives up long before: this statement is slow itself, and may be so for ever.
            raise StopRequestedError("a statement took longer than it may, in every try") from None
        if isinstance(error, DBAPIError) and is_contention(error):
            raise DatabaseBusyError(f"{type(error.orig).__name__} in every try") from None
        if isinstance(error, DBAPIError) and keeps_everybody_out(error):
            raise DatabaseClosedError(f"{type(error.orig).__name__} in every try") from None
        if isinstance(error, DBAPIError) and is_away(error):
            raise StopRequestedError(f"the database went away ({type(error.orig).__name__})") from None
        outcome = outcome_of_error(error)
        level = logging.ERROR if outcome.code == "internal" else logging.INFO
        log.log(level, "run.broke_off", code=outcome.code, exc_info=error)
        _write_with_retries(runtime, keeper, lambda session: close(session, claimed.lease, outcome))
        return outcome


def _recorded(runtime: Runtime, recorder: RunRecorder | None, outcome: Outcome) -> Outcome:
    """Keep the recording of a run that was to be recorded; a recording that fails is no failure of the run."""
    if recorder is not None:
        try:
            recorder.keep(runtime.sessions, outcome)
        except Exception as error:
            log.exception("recording.failed", reason=type(error).__name__)
            with suppress(DBAPIError):  # the database is what failed: the file is deleted after a week
                recorder.give_up(runtime.sessions, error)
    return outcome


def outcome_of_error(error: Exception) -> Outcome:
    """Return the outcome of a run whose engine raised `error`. Pure.

    The engine itself handles errors of banks and of key providers.
    """
    match error:
        case CancelRequestedError():
            return Outcome(status=RunStatus.CANCELLED, code=error.code)
        case WorkerError():
            return Outcome(status=RunStatus.FAILED, code=error.code, message=str(error))
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            message = "the worker has no temporary space left"
            return Outcome(status=RunStatus.DEFERRED, code="disk_full", message=message, defer_s=DISK_DEFER_S)
        case _:
            # The message of a foreign error may contain anything: it is only logged, and the row gets the class.
            return Outcome(status=RunStatus.FAILED, code="internal", message=type(error).__name__)


def _write_with_retries(runtime: Runtime, keeper: LeaseKeeper, write: Callable[[Session], None]) -> None:
    """Write the end of a run, and try again when the database was gone.

    After a COMMIT without a reply the fence of the next try tells whether it happened: then the lease is gone.

    Raises: LostLeaseError in that case, or when the lease ran out.
    """
    while True:
        try:
            with runtime.sessions() as session:
                write(session)
        except DBAPIError as error:
            if not is_away(error) and not is_contention(error):
                raise
            log.warning("run.not_closed_yet")
            time.sleep(_RETRY_S)
            keeper.check_lease()
        else:
            return

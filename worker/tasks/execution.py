"""One run from claim to close: the lease is kept alive, the engine works, and whatever happens, the row tells it."""

import errno
import logging
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from worker.audit import acting_as
from worker.db.engine import Sessions, is_away, is_contention
from worker.errors import CancelRequestedError, LostLeaseError, StopRequestedError, TooHeavyError, WorkerError
from worker.fault_injection import point
from worker.importer import engine
from worker.importer.context import ImportContext
from worker.runs.admission import AdmissionLimits, WaitForTurn, admit
from worker.runs.ending import close
from worker.runs.heavy import LIGHT_ROWS, LightWorker, is_consumed, is_heavy
from worker.runs.lease import ClaimedRun, claim, hand_back
from worker.runs.lease_renewal import LeaseKeeper
from worker.runs.states import Lease, Outcome, RunStatus
from worker.runtime import Runtime
from worker.stop_flag import STOP
from worker.tasks.open_connector import ConnectorOpener
from worker.telemetry.logs import get_logger
from worker.telemetry.tracing import note_outcome, span

log = get_logger(__name__)

MARGIN_S = 20.0
"""A run hands itself back this long before Celery's soft limit would interrupt it."""

DISK_DEFER_S = 60.0
"""How long a run waits that found no temporary space: others that use it end meanwhile (s)."""

ABANDON_AFTER_S = 60.0
"""A run that goes on for so long after its limit, which only threads can, loses its lease to others."""

_RETRY_S = 1.0


def execute_run(
    runtime: Runtime,
    run_id: uuid.UUID,
    *,
    worker_name: str,
    soft_limit_s: float,
    light: LightWorker | None = None,
) -> Outcome | None:
    """Claim the run and work on it until it is closed, deferred, handed back or lost; nothing when it is not ours.

    Args:
        runtime: of this process.
        run_id: the run.
        worker_name: becomes part of its row.
        soft_limit_s: when Celery would interrupt the run; it hands itself back before that.
        light: this worker is for light runs; None when it is for any.

    Returns:
        How this worker ended the run; None when it did not.
    """
    settings = runtime.settings
    if light is not None and _is_for_others(runtime, run_id):
        light.pass_on(run_id)
        log.info("run.passed_on", run_id=str(run_id))
        return None
    try:
        claimed = _start(runtime, run_id, worker_name)
    except LostLeaseError as reason:
        log.info("run.not_claimed", run_id=str(run_id), reason=str(reason))
        return None
    if claimed is None:
        return None
    lease, facts = claimed.lease, claimed.facts
    point("after_claim")
    keeper = LeaseKeeper(
        runtime.sessions,
        lease,
        lease_s=settings.lease_s,
        deadline_s=soft_limit_s - MARGIN_S,
        stop_requested=lambda: STOP.is_set,
        abandon_s=soft_limit_s + ABANDON_AFTER_S,
    )
    context = structlog.contextvars.bound_contextvars(run_id=str(run_id), attempt=lease.attempt)
    traced = span("run", {"run_id": str(run_id), "attempt": lease.attempt}, caller=facts.asked_by)
    with traced, context, acting_as(f"run:{run_id}"), runtime.lease_renewer.renewing(keeper):
        log.info("run.started")
        outcome = _work_and_close(runtime, claimed, keeper, light)
    point("before_ack")
    return outcome


def _is_for_others(runtime: Runtime, run_id: uuid.UUID) -> bool:
    with runtime.statements() as session:
        return is_heavy(session, run_id) and is_consumed(session)


def _start(runtime: Runtime, run_id: uuid.UUID, worker_name: str) -> ClaimedRun | None:
    """Claim the run and ask whether it may go on now; when not, it ends or waits."""
    settings = runtime.settings
    with runtime.statements() as session:
        claimed = claim(
            session,
            run_id,
            worker_name=worker_name,
            lease_s=settings.lease_s,
            count_up_to=max(settings.runs_per_user, settings.runs_per_connector),
        )
    if claimed is None:
        return None
    lease, facts = claimed.lease, claimed.facts
    limits = AdmissionLimits(
        per_user=settings.runs_per_user,
        per_connector=settings.runs_per_connector,
        max_attempts=settings.max_attempts,
    )
    decision = admit(facts, attempt=lease.attempt, limits=limits)
    if decision is None:
        return claimed
    with runtime.sessions() as session:
        _do_not_start(session, lease, decision)
    return None


def _do_not_start(session: Session, lease: Lease, decision: Outcome | WaitForTurn) -> None:
    if isinstance(decision, WaitForTurn):
        hand_back(session, lease)
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
    except LostLeaseError as reason:  # also when the COMMIT that closed it was never answered
        log.warning("run.lost", reason=str(reason))
        return None
    note_outcome(failed=outcome.status is RunStatus.FAILED, status=outcome.status.value, code=outcome.code)
    log.info("run.finished", status=outcome.status.value, code=outcome.code, created=outcome.counts.created)
    return outcome


def _hand_back(
    runtime: Runtime, lease: Lease, keeper: LeaseKeeper, reason: StopRequestedError, light: LightWorker | None
) -> None:
    """Queue the run again. What was too much for a light worker goes to one for heavy runs: no failed attempt."""
    too_much = not STOP.is_set and (isinstance(reason, TooHeavyError) or keeper.is_out_of_time)
    passed_on = light is not None and too_much and _consumed(runtime)
    counted = not (STOP.is_set or keeper.advanced or passed_on)
    _write_with_retries(runtime, keeper, partial(hand_back, lease=lease, counted=counted, passed_on=passed_on))
    if light is not None and passed_on:
        light.pass_on(lease.run_id)
    log.info("run.handed_back", reason=str(reason), passed_on=passed_on)


def _consumed(runtime: Runtime) -> bool:
    with runtime.statements() as session:
        return is_consumed(session)


def _work(runtime: Runtime, claimed: ClaimedRun, keeper: LeaseKeeper, light: LightWorker | None) -> Outcome:
    """Run the engine, which closes the row; errors that say something about the run become its outcome.

    Raises: StopRequestedError, also when the database or the time went away: the run goes on from what it committed;
    LostLeaseError.
    """
    try:
        with ExitStack() as stack:
            interactive = not claimed.facts.scheduled
            opener = ConnectorOpener(runtime=runtime, interactive=interactive, wait=keeper.wait, stack=stack)
            return engine.run(claimed, _import_context(runtime, keeper, opener, light))
    except (StopRequestedError, LostLeaseError):
        raise
    except SoftTimeLimitExceeded:
        raise StopRequestedError("the run ran into its time limit") from None
    except Exception as error:  # the outermost place: a defect must end in the row, not in silence
        if isinstance(error, DBAPIError) and is_contention(error):
            raise StopRequestedError(f"another transaction was in the way ({type(error.orig).__name__})") from None
        if isinstance(error, DBAPIError) and is_away(error):
            raise StopRequestedError(f"the database went away ({type(error.orig).__name__})") from None
        outcome = outcome_of_error(error)
        level = logging.ERROR if outcome.code == "internal" else logging.INFO
        log.log(level, "run.broke_off", code=outcome.code, exc_info=error)
        _write_with_retries(runtime, keeper, lambda session: close(session, claimed.lease, outcome))
        return outcome


def outcome_of_error(error: Exception) -> Outcome:
    """Return how a run ends whose engine raised `error`. Pure.

    Errors of banks and of key services never get here: the engine turns them into outcomes, and decides about waiting.
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
            # The message of a foreign error may hold anything; the log keeps it, the row gets its class.
            return Outcome(status=RunStatus.FAILED, code="internal", message=type(error).__name__)


def _import_context(
    runtime: Runtime, keeper: LeaseKeeper, opener: ConnectorOpener, light: LightWorker | None
) -> ImportContext:
    return ImportContext(
        sessions=partial(_transaction, runtime.sessions, keeper),
        statements=runtime.statements,
        open_connector=opener,
        check=keeper.check,
        wait=keeper.wait,
        now=lambda: datetime.now(UTC),
        clear_cache=runtime.cache.clear,
        note_quota=opener.note_quota,
        advanced=keeper.advance,
        weigh=partial(_weigh, runtime, light),
    )


def _weigh(runtime: Runtime, light: LightWorker | None, rows: int) -> None:
    if light is not None and rows > LIGHT_ROWS and _consumed(runtime):
        raise TooHeavyError(f"a delivery of {rows} rows is for a worker of heavy runs")


@contextmanager
def _transaction(sessions: Sessions, keeper: LeaseKeeper) -> Iterator[Session]:
    """Open a transaction of the engine that keeps the lease, with a fault point on either side of its commit."""
    with sessions() as session:
        with keeper.writing(session):
            yield session
        point("before_commit")
    point("after_commit")


def _write_with_retries(runtime: Runtime, keeper: LeaseKeeper, write: Callable[[Session], None]) -> None:
    """Write the end of a run, again if the database went away: a COMMIT without an answer may have happened or not.

    The fence tells: if it happened, the lease is gone. Raises: LostLeaseError, then or when the lease ran out.
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

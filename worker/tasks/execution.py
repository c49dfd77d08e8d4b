"""One run from claim to close: the lease is kept alive, the engine works, and whatever happens, the row tells it."""

import importlib
import uuid
from contextlib import ExitStack
from datetime import UTC, datetime

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from sqlalchemy.exc import DBAPIError

from worker.audit import acting_as
from worker.errors import LostLeaseError, StopRequestedError
from worker.faults import point
from worker.importer.parts import ImportPolicy, Parts
from worker.logs import get_logger
from worker.opening import ConnectorOpener
from worker.runs.admission import Limits, WaitForTurn, decide, read_facts
from worker.runs.ending import close
from worker.runs.lease import claim, hand_back
from worker.runs.pulse import Pulse
from worker.runs.states import Lease, Outcome
from worker.runs.verdict import verdict
from worker.runtime import Runtime
from worker.stopping import STOP

log = get_logger("imports")

MARGIN_S = 20.0
"""A run hands itself back this long before Celery's soft limit would interrupt it."""


def execute_run(runtime: Runtime, run_id: uuid.UUID, *, worker_name: str, soft_limit_s: float) -> None:
    """Claim the run and work on it until it is closed, deferred, handed back or lost; nothing when it is not ours."""
    settings = runtime.settings
    started = _start(runtime, run_id, worker_name)
    if started is None:
        return
    lease, scheduled = started
    point("after_claim")
    pulse = Pulse(
        runtime.sessions,
        lease,
        lease_s=settings.lease_s,
        deadline_s=min(settings.run_deadline_s, soft_limit_s - MARGIN_S),
        stop_requested=lambda: STOP.is_set,
    )
    context = structlog.contextvars.bound_contextvars(run_id=str(run_id), attempt=lease.attempt)
    with context, acting_as(f"run:{run_id}"), pulse:
        log.info("run.started")
        _work_and_close(runtime, lease, pulse, interactive=not scheduled)
    point("before_ack")


def _start(runtime: Runtime, run_id: uuid.UUID, worker_name: str) -> tuple[Lease, bool] | None:
    """Claim the run and ask whether it may go on now; when not, it ends or waits in the same transaction.

    Returns the lease, and whether the schedule started the run.
    """
    settings = runtime.settings
    limits = Limits(
        per_user=settings.runs_per_user,
        per_connector=settings.runs_per_connector,
        max_attempts=settings.max_attempts,
    )
    with runtime.sessions() as session:
        lease = claim(session, run_id, worker_name=worker_name, lease_s=settings.lease_s)
        if lease is None:
            return None
        facts = read_facts(session, lease)
        match decide(facts, attempt=lease.attempt, limits=limits):
            case None:
                return lease, facts.scheduled
            case Outcome() as outcome:
                close(session, lease, outcome)
                log.info("run.not_started", run_id=str(run_id), status=outcome.status.value, code=outcome.code)
            case WaitForTurn():
                hand_back(session, lease)
        return None


def _work_and_close(runtime: Runtime, lease: Lease, pulse: Pulse, *, interactive: bool) -> None:
    try:
        outcome = _work(runtime, lease, pulse, interactive=interactive)
        point("before_close")
        with runtime.sessions() as session:
            close(session, lease, outcome)
        log.info("run.finished", status=outcome.status.value, code=outcome.code, created=outcome.counts.created)
    except StopRequestedError as reason:
        _hand_back(runtime, lease, str(reason), counted=not STOP.is_set)
    except LostLeaseError as reason:
        log.warning("run.lost", reason=str(reason))


def _work(runtime: Runtime, lease: Lease, pulse: Pulse, *, interactive: bool) -> Outcome:
    """Run the engine; errors that say something about the run become its outcome.

    Raises: StopRequestedError, LostLeaseError, DBAPIError when the database is away: then nothing can be written, the
    lease runs out, and the reaper queues the run again.
    """
    engine_run = importlib.import_module("worker.importer.engine").run
    try:
        with ExitStack() as stack:
            opener = ConnectorOpener(runtime=runtime, interactive=interactive, wait=pulse.wait, stack=stack)
            outcome: Outcome = engine_run(lease, _parts(runtime, pulse, opener))
            return outcome
    except (StopRequestedError, LostLeaseError, DBAPIError):
        raise
    except SoftTimeLimitExceeded:
        raise StopRequestedError("the run ran into its time limit") from None
    except Exception as error:
        outcome = verdict(error)
        log.log(40 if outcome.code == "internal" else 20, "run.broke_off", code=outcome.code, exc_info=error)
        return outcome


def _parts(runtime: Runtime, pulse: Pulse, opener: ConnectorOpener) -> Parts:
    settings = runtime.settings
    return Parts(
        sessions=runtime.sessions,
        open_connector=opener,
        check=pulse.check,
        wait=pulse.wait,
        now=lambda: datetime.now(UTC),
        clear_cache=runtime.cache.clear,
        policy=ImportPolicy(overlap_days=settings.refresh_overlap_days, history_days=settings.history_days),
    )


def _hand_back(runtime: Runtime, lease: Lease, reason: str, *, counted: bool) -> None:
    try:
        with runtime.sessions() as session:
            hand_back(session, lease, counted=counted)
    except LostLeaseError:
        log.warning("run.lost", reason=reason)
    else:
        log.info("run.handed_back", reason=reason)

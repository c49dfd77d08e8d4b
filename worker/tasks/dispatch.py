"""The dispatch tasks: `tick` publishes and plans runs, `dispatch_requests` publishes those that people wait for."""

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import TypeAlias

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from worker.app import app
from worker.broker import DISPATCH_REQUESTS, TICK, Nudge, Queue, has_room, publish, run_queue
from worker.connections.notices.handling import handle_notices
from worker.connectors.base import Burst
from worker.connectors.errors import ConnectorNotFoundError
from worker.process import heartbeat_files
from worker.process.fault_injection import point
from worker.runs.dispatching.dispatch import DueRun, is_at_a_limit, postpone_held_runs, take_due_runs
from worker.runs.dispatching.dispatch_order import DispatchLimits
from worker.runs.dispatching.planning import plan_due_connections
from worker.runs.dispatching.refresh_schedule import spread_allowance
from worker.runs.states import RunTrigger
from worker.runtime import Runtime, process_runtime
from worker.settings import Settings
from worker.telemetry.logs import get_logger

log = get_logger(__name__)

_PAUSE_S = 0.25

TakeDue: TypeAlias = Callable[[Session], list[DueRun]]
"""Marks due runs as published and returns them."""


@app.task(name=TICK)
def tick() -> None:
    """Dispatch what is due; as long as there is more or a limit is reached, continue until the next tick."""
    runtime = process_runtime()
    started_s = time.monotonic()
    while True:
        pass_started_s = time.monotonic()
        moved = dispatch_once(runtime)
        heartbeat_files.touch("dispatcher")
        # A pass over a long backlog loads Postgres, so a pause of twice its duration follows.
        pause_s = max(_PAUSE_S, 2 * (time.monotonic() - pass_started_s))
        if time.monotonic() - started_s + pause_s > runtime.settings.tick_s:
            return
        if not moved and not _is_full(runtime):
            return
        time.sleep(pause_s)


@app.task(name=DISPATCH_REQUESTS)
def dispatch_requests() -> None:
    """Publish the runs that people wait for, once; whatever a limit holds back is left to the tick."""
    runtime = process_runtime()
    take = partial(take_due_runs, interactive=True, limits=_limits(runtime.settings))
    _dispatch(runtime, Queue.INTERACTIVE, take)


def dispatch_once(runtime: Runtime) -> int:
    """Dispatch what is due now, interactive runs first; return 0 when there was nothing to do.

    Raises: kombu.exceptions.OperationalError when the broker is away; the marked runs are published again later.
    """
    limits = _limits(runtime.settings)
    moved = _take_notices(runtime)
    for interactive, queue in ((True, Queue.INTERACTIVE), (False, Queue.SCHEDULED)):
        moved += _postpone(runtime, interactive=interactive)
        moved += _dispatch(runtime, queue, partial(take_due_runs, interactive=interactive, limits=limits))
    plan = partial(plan_due_connections, limits=limits, shortest_of=partial(_shortest, runtime))
    return moved + _dispatch(runtime, Queue.SCHEDULED, plan)


def _postpone(runtime: Runtime, *, interactive: bool) -> bool:
    """Let runs of banks that may not be asked yet leave the fronts; say whether there may be more of them."""
    with runtime.sessions() as session:
        return postpone_held_runs(session, interactive=interactive)


def _dispatch(runtime: Runtime, queue: Queue, take: TakeDue) -> int:
    """Publish due runs, unless those of before fill the queue because nobody consumes it; return how many."""
    if not has_room(app, queue):
        return 0
    with runtime.sessions() as session:
        due = take(session)
    _publish(due)
    return len(due)


def _is_full(runtime: Runtime) -> bool:
    """Say whether more may be due than the limits allow: then a place becomes free at any moment."""
    with runtime.sessions() as session:
        return is_at_a_limit(session, _limits(runtime.settings))


def _take_notices(runtime: Runtime) -> int:
    """Turn what providers reported into runs; trouble there holds up nothing else."""

    def burst_of(connector_name: str) -> Burst | None:
        try:
            return runtime.registry.get(connector_name).capabilities.burst
        except ConnectorNotFoundError:
            return None

    try:
        with runtime.sessions() as session:
            return handle_notices(session, burst_of)
    except DBAPIError as error:
        log.warning("provider_notices.failed", reason=type(error.orig).__name__)
        return 0


def _shortest(runtime: Runtime, connector_name: str) -> timedelta:
    """Return how far apart scheduled runs of a connector are at least."""
    try:
        return spread_allowance(runtime.registry.get(connector_name).capabilities.quotas)
    except ConnectorNotFoundError:
        return timedelta(0)


def _limits(settings: Settings) -> DispatchLimits:
    return DispatchLimits.of(
        per_user=settings.runs_per_user, per_connector=settings.runs_per_connector, lease_s=settings.lease_s
    )


def _publish(due: Sequence[DueRun]) -> None:
    if due:
        point("between_dispatch_commit_and_publish")
        publish(app, [Nudge(run_id=run.run_id, queue=run_queue(run.trigger)) for run in due])
        point("after_publish")
        log.info("runs.published", count=len(due), interactive=due[0].trigger != RunTrigger.SCHEDULE)

"""The tick: waiting runs and due connections become messages, in the order of whose turn it is."""

import time
from collections.abc import Callable, Sequence
from functools import partial

from sqlalchemy.orm import Session

from worker import heartbeat_files
from worker.app import app
from worker.broker import TICK, Nudge, publish, run_queue
from worker.fault_injection import point
from worker.runs.dispatch import DueRun, take_due_runs
from worker.runs.planning import plan_due_connections
from worker.runs.states import RunTrigger
from worker.runs.turns import DispatchLimits
from worker.runtime import Runtime, process_runtime
from worker.settings import Settings
from worker.telemetry.logs import get_logger

log = get_logger(__name__)

_PAUSE_S = 0.25


@app.task(name=TICK)
def tick() -> None:
    """Dispatch what is due; while runs keep coming, go on until it is time for the next tick."""
    runtime = process_runtime()
    started_s = time.monotonic()
    while True:
        pass_started_s = time.monotonic()
        moved = dispatch_once(runtime)
        heartbeat_files.touch("dispatcher")
        # A pass over a long backlog costs Postgres something: it gets four times as long to rest.
        pause_s = max(_PAUSE_S, 4 * (time.monotonic() - pass_started_s))
        if not moved or time.monotonic() - started_s + pause_s > runtime.settings.tick_s:
            return
        time.sleep(pause_s)


def dispatch_once(runtime: Runtime) -> int:
    """Dispatch what is due right now, the runs that somebody waits for first; return how many things were moved.

    Raises: kombu.exceptions.OperationalError when the broker is away; what was marked is published again later.
    """
    limits = _limits(runtime.settings)
    steps: tuple[Callable[[Session], list[DueRun]], ...] = (
        partial(take_due_runs, interactive=True, limits=limits),
        partial(take_due_runs, interactive=False, limits=limits),
        partial(plan_due_connections, limits=limits),
    )
    moved = 0
    for take in steps:
        with runtime.sessions() as session:
            due = take(session)
        _publish(due)
        moved += len(due)
    return moved


def _limits(settings: Settings) -> DispatchLimits:
    return DispatchLimits(
        ahead=settings.dispatch_batch,
        per_user=settings.runs_per_user,
        per_connector=settings.runs_per_connector,
        redispatch_s=settings.redispatch_s,
    )


def _publish(due: Sequence[DueRun]) -> None:
    if due:
        point("between_dispatch_commit_and_publish")
        publish(app, [Nudge(run_id=run.run_id, queue=run_queue(run.trigger)) for run in due])
        point("after_publish")
        log.info("runs.published", count=len(due), interactive=due[0].trigger != RunTrigger.SCHEDULE)

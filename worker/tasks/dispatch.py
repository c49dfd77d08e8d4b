"""The tick: what is due becomes a run, and waiting runs are told to the workers, in the order of whose turn it is."""

import time

from worker import heartbeat_files
from worker.app import app
from worker.broker import TICK, Nudge, publish, run_queue
from worker.fault_injection import point
from worker.runs.dispatch import DispatchLimits, plan_due_connections, take_due_runs
from worker.runtime import Runtime, process_runtime
from worker.telemetry.logs import get_logger

log = get_logger(__name__)

_PAUSE_S = 0.25
_PAGE = 1000


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
    moved = _publish_due(runtime, interactive=True)
    with runtime.sessions() as session:
        planned = plan_due_connections(session, limit=_PAGE)
    return moved + planned + _publish_due(runtime, interactive=False)


def _publish_due(runtime: Runtime, *, interactive: bool) -> int:
    settings = runtime.settings
    limits = DispatchLimits(
        ahead=settings.dispatch_batch,
        per_user=settings.runs_per_user,
        per_connector=settings.runs_per_connector,
        redispatch_s=settings.redispatch_s,
    )
    with runtime.sessions() as session:
        due = take_due_runs(session, interactive=interactive, limits=limits)
    if due:
        point("between_dispatch_commit_and_publish")
        publish(app, [Nudge(run_id=run.run_id, queue=run_queue(run.trigger)) for run in due])
        point("after_publish")
        log.info("runs.published", count=len(due), interactive=interactive)
    return len(due)

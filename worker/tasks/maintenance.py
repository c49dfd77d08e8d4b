"""Tasks that keep the tables honest: recover silent runs, write canaries, remove what is old."""

from worker.app import app
from worker.broker import CANARY, CONSENT, PRUNE, REAP
from worker.connections.consent import warn_of_expiring_consents
from worker.fault_injection import point
from worker.runs.component_heartbeats import record_heartbeat
from worker.runs.reaper import PAGE, recover, silent_runs
from worker.runs.retention import RetentionPolicy, expire_deferred, prune_old, remove_old_rows
from worker.runtime import process_runtime
from worker.stop_flag import STOP
from worker.telemetry.logs import get_logger

log = get_logger(__name__)


@app.task(name=REAP)
def reap() -> int:
    """Recover every run whose worker went silent, each in a transaction of its own; return how many."""
    runtime = process_runtime()
    recovered, after = 0, None
    while True:
        with runtime.sessions() as session:
            page = silent_runs(session, after=after)
        for silent in page:
            with runtime.sessions() as session:
                became = recover(session, silent, max_attempts=runtime.settings.max_attempts)
            point("after_reap")
            if became:
                recovered += 1
                log.warning("run.recovered", run_id=str(silent.run_id), attempt=silent.attempt, became=became)
        if len(page) < PAGE:
            return recovered
        after = page[-1].run_id


@app.task(name=CANARY)
def canary(queue: str) -> None:
    """Say that somebody consumes this queue: a worker that lives but no longer takes messages is caught by this."""
    with process_runtime().sessions() as session:
        record_heartbeat(session, f"queue:{queue}")


@app.task(name=PRUNE)
def prune() -> None:
    """Close runs that were deferred for too long, and remove what nobody needs any more."""
    runtime = process_runtime()
    with runtime.sessions() as session:
        expire_deferred(session)
        prune_old(session)
    settings = runtime.settings
    policy = RetentionPolicy(run_days=settings.run_retention_days, audit_days=settings.audit_retention_days)
    removed = remove_old_rows(runtime.sessions, policy, stop_requested=lambda: STOP.is_set)
    if any(removed.values()):
        log.info("old_rows.removed", **removed)


@app.task(name=CONSENT)
def warn_of_consents() -> int:
    """Announce every consent that comes within 14, 7 or 1 days of its end; return how many."""
    with process_runtime().sessions() as session:
        return warn_of_expiring_consents(session)

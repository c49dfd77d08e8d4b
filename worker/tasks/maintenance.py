"""Maintenance tasks: recover silent runs, record canaries of queues, delete old rows, warn of ending consents."""

from worker.app import app
from worker.broker import CANARY, CONSENT, OBSERVE_BANKS, PRUNE, REAP, REMOVE_FILES
from worker.connections.statement_folders import remove_files_of_gone_users
from worker.process.fault_injection import point
from worker.process.stop_flag import STOP
from worker.recordings.store import prune_recordings
from worker.reminders.consent import warn_of_expiring_consents
from worker.runs.activity import write_ended_hours
from worker.runs.component_heartbeats import record_heartbeat
from worker.runs.providers.outage_records import observe
from worker.runs.reaper import PAGE, recover, silent_runs
from worker.runs.retention.old_rows import RetentionPolicy, expire_deferred, prune_heartbeats, remove_old_rows
from worker.runs.retention.pace import RemovalPace
from worker.runs.retention.partitions import make_coming_partitions
from worker.runtime import process_runtime
from worker.telemetry.logs import get_logger

log = get_logger(__name__)

_EXPIRE_FOR_S = 60.0
"""How long a pass fails runs that were deferred for too long (s): each costs more than a row that is removed."""


@app.task(name=REAP)
def reap() -> int:
    """Recover every run with an expired lease, each in its own transaction; return how many."""
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
    """Record that this queue has a consumer, which shows when a living worker no longer takes messages."""
    with process_runtime().sessions() as session:
        record_heartbeat(session, f"queue:{queue}")


@app.task(name=PRUNE)
def prune() -> None:
    """Make coming partitions, fail runs that were deferred for too long, count ended hours, and delete old rows."""
    runtime = process_runtime()
    make_coming_partitions(runtime.sessions)
    expire_deferred(runtime.sessions, RemovalPace(stop_after_s=_EXPIRE_FOR_S, stop_requested=lambda: STOP.is_set))
    with runtime.sessions() as session:
        prune_heartbeats(session)
    with runtime.sessions() as session:
        write_ended_hours(session)
        prune_recordings(session)
    settings = runtime.settings
    policy = RetentionPolicy(run_days=settings.run_retention_days, audit_days=settings.audit_retention_days)
    removed = remove_old_rows(runtime.sessions, policy, RemovalPace(stop_requested=lambda: STOP.is_set))
    if any(removed.values()):
        log.info("old_rows.removed", **removed)


@app.task(name=REMOVE_FILES)
def remove_files() -> int:
    """Delete the statement files of users whom FinMind deleted; return how many users' folders went."""
    runtime = process_runtime()
    removed = remove_files_of_gone_users(runtime.sessions, runtime.settings.statement_folder)
    if removed:
        log.info("statement_files.removed", users=removed)
    return removed


@app.task(name=CONSENT)
def warn_of_consents() -> int:
    """Announce every consent that ends soon; return how many."""
    with process_runtime().sessions() as session:
        return warn_of_expiring_consents(session)


@app.task(name=OBSERVE_BANKS)
def observe_banks() -> int:
    """Take into account how the newest runs ended at each bank; return how many."""
    with process_runtime().sessions() as session:
        return observe(session)

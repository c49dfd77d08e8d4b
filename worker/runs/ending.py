"""Ending a run: its row, what it means for its connection, and the events that announce it, in one transaction."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import Uuid, bindparam, func, select, text
from sqlalchemy.orm import Session

from worker import outbox
from worker.models import BankConnection, BankImportRunAccount
from worker.runs import circuit
from worker.runs.lease import count_values, finish
from worker.runs.schedule import backoff
from worker.runs.states import CLOSED, Counts, EndedRun, Lease, Outcome, RunStatus

PERMANENT = frozenset({"connector_not_found", "credential_unreadable", "configuration"})
"""Codes that no later attempt can mend: the connection leaves the schedule until somebody acts."""


def close(session: Session, lease: Lease, outcome: Outcome) -> None:
    """End the run and draw the consequences. Raises: LostLeaseError, and then nothing was written."""
    if outcome.counts == Counts():
        outcome = replace(outcome, counts=committed_counts(session, lease))
    settle(session, finish(session, lease, outcome), outcome)


def settle(session: Session, run: EndedRun, outcome: Outcome) -> None:
    """Write what an ended run means for its connection and for those who listen."""
    if outcome.status is RunStatus.SUCCEEDED:
        _succeeded(session, run)
    else:
        _fell_behind(session, run, outcome)
    if outcome.status in CLOSED and not run.dry_run:
        _announce(session, run, outcome)


def _fell_behind(session: Session, run: EndedRun, outcome: Outcome) -> None:
    connection = session.get_one(BankConnection, run.connection_id, with_for_update=True)
    connection.updated_at = func.now()
    match outcome.status:
        case RunStatus.PARTIAL:
            _fell_short(session, connection, outcome)
        case RunStatus.DEFERRED:
            _deferred(connection, outcome)
        case RunStatus.FAILED:
            _failed(connection, outcome)
            _fell_short(session, connection, outcome)
        case _:
            pass
    session.flush()


def committed_counts(session: Session, lease: Lease) -> Counts:
    """Add up what the accounts of the run committed: the truth about a run that ended before it could count."""
    names = list(Counts.__dataclass_fields__)
    sums = [func.coalesce(func.sum(getattr(BankImportRunAccount, name)), 0) for name in names]
    row = session.execute(select(*sums).where(BankImportRunAccount.run_id == lease.run_id)).one()
    return Counts(**dict(zip(names, row, strict=True)))


# A dry run leaves its connection as it was; that the provider answered is true all the same.
_GOOD = text(
    f"""
    WITH good AS (
        UPDATE bank_connections
        SET updated_at = now(), rate_limited_until = NULL, rate_limit_code = NULL, consecutive_failures = 0,
            status = CASE WHEN status IN ('error', 'needs_user') THEN 'active' ELSE status END,
            status_code = CASE WHEN status NOT IN ('error', 'needs_user') THEN status_code END,
            status_message = CASE WHEN status NOT IN ('error', 'needs_user') THEN status_message END,
            last_good_run_id = :run_id, last_good_at = now()
        WHERE id = :connection_id AND NOT :dry_run
    )
    {circuit.CLOSE} (SELECT connector_name FROM bank_connections WHERE id = :connection_id)
    """  # noqa: S608 - a constant of the circuit
).bindparams(bindparam("run_id", type_=Uuid))


def _succeeded(session: Session, run: EndedRun) -> None:
    values = {"connection_id": run.connection_id, "run_id": run.id, "dry_run": run.dry_run}
    session.execute(_GOOD, values)


def _deferred(connection: BankConnection, outcome: Outcome) -> None:
    if outcome.code == "rate_limited" and outcome.defer_s is not None:
        connection.rate_limited_until = func.now() + timedelta(seconds=outcome.defer_s)
        connection.rate_limit_code = outcome.code


def _failed(connection: BankConnection, outcome: Outcome) -> None:
    connection.consecutive_failures += 1
    connection.last_failure_code = outcome.code
    connection.last_failure_at = func.now()
    if connection.next_refresh_at is not None:
        rested = func.now() + backoff(connection.consecutive_failures)
        connection.next_refresh_at = func.greatest(connection.next_refresh_at, rested)


def _fell_short(session: Session, connection: BankConnection, outcome: Outcome) -> None:
    """Draw the consequences of why something is missing, whether all of it or a part."""
    if outcome.code == "needs_user":
        _needs_user(session, connection, outcome)
    elif outcome.code in PERMANENT:
        _leave_schedule(connection, "error", outcome)
    elif outcome.code == "provider_down":
        circuit.count_failure(session, connection.connector_name, outcome.code)


def _needs_user(session: Session, connection: BankConnection, outcome: Outcome) -> None:
    if connection.status != "needs_user":
        outbox.record(
            session,
            user_id=connection.user_id,
            event_type="connection.needs_user",
            data={
                "connection_id": str(connection.id),
                "display_name": connection.display_name,
                "code": outcome.code,
                "message": outcome.message and outcome.message[:500],
            },
        )
    _leave_schedule(connection, "needs_user", outcome)


def _leave_schedule(connection: BankConnection, status: str, outcome: Outcome) -> None:
    if connection.status in {"active", "error", "needs_user"}:
        connection.status = status
        connection.status_code = outcome.code
        connection.status_message = outcome.message and outcome.message[:500]


def _announce(session: Session, run: EndedRun, outcome: Outcome) -> None:
    if outcome.status == RunStatus.CANCELLED:
        return
    data: dict[str, Any] = {
        "run_id": str(run.id),
        "connection_id": str(run.connection_id),
        "kind": run.kind,
        "trigger": run.trigger,
        "code": outcome.code,
        "message": outcome.message,
    }
    completed = outcome.status in {RunStatus.SUCCEEDED, RunStatus.PARTIAL}
    if completed:
        data |= {"status": outcome.status.value, "counts": count_values(outcome.counts)}
    outbox.record(
        session,
        user_id=run.user_id,
        event_type="import.completed" if completed else "import.failed",
        data=data,
        dedup_key=str(run.id),
    )

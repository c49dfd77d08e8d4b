"""Ends a run: writes its row, the consequences for its connection, and its events, in one transaction.

How long a connection rests after failed runs is in `refresh_schedule`, after a rate limit in `rate_limit_wait`.
"""

import json
import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from worker import outbox
from worker.db.prepared import prepared
from worker.errors import LostLeaseError
from worker.models import BankConnection, BankImportRunAccount
from worker.outbox import LISTENS
from worker.process.fault_injection import point
from worker.redaction import redact_all
from worker.runs.dispatching.refresh_schedule import rest_after_failures
from worker.runs.providers import circuit
from worker.runs.states import (
    ANNOUNCED,
    CLOSED,
    COUNTED,
    WAITING,
    Counts,
    EndedRun,
    Lease,
    Outcome,
    RunStatus,
    count_values,
)
from worker.runs.warning import warn_person

PERMANENT = frozenset({"connector_not_found", "credential_unreadable", "configuration"})
"""Codes that no later attempt can mend: the connection is not scheduled until somebody acts."""


STOPPING = PERMANENT | {"needs_user"}
"""Codes that stop a connection when the whole run failed with them, not when only a part did."""


def close(session: Session, lease: Lease, outcome: Outcome) -> None:
    """End the run and apply the consequences. Raises: LostLeaseError; then nothing was written."""
    point("before_close")
    if outcome.counts == Counts():
        outcome = replace(outcome, counts=_committed_counts(session, lease))
    apply_consequences(session, _end(session, lease, outcome), outcome)


# Locks the user and the connection before the run, in the order of `db.user_lock`. Name it in a FROM list.
HELD = """held AS MATERIALIZED (
      SELECT c.id FROM bank_import_runs r
      JOIN users u ON u.id = r.user_id JOIN bank_connections c ON c.id = r.connection_id
      WHERE r.id = :run_id FOR KEY SHARE OF u FOR NO KEY UPDATE OF c)"""


def ending(*, source: str, totals: Mapping[str, str]) -> str:
    """Return CTEs that end a run whose lease we hold; the CTE `ended` is its row with the columns of EndedRun.

    Args:
        source: CTEs that precede them, of one row each; when one is empty, nothing ends.
        totals: SQL expression by column of the run.
    """
    # A dry run does not change its connection; its success still closes the circuits of the provider.
    return f"""
    ended AS (
      UPDATE bank_import_runs
      SET lease_token = NULL, lease_expires_at = NULL, status = :status, code = :code, message = :message,
        not_before = now() + make_interval(secs => :defer_s), finished_at = CASE WHEN :closed THEN now() END,
        attempt = attempt - CASE WHEN :waits THEN 1 ELSE 0 END,
        dispatched_at = CASE WHEN :waits THEN NULL ELSE dispatched_at END, report = CAST(:report AS jsonb),
        heartbeat_at = CASE WHEN :waits THEN now() ELSE heartbeat_at END, requests = CAST(:requests AS jsonb),
        {", ".join(f"{column} = {expression}" for column, expression in totals.items())}
      FROM {source}
      WHERE bank_import_runs.id = :run_id AND lease_token = :token
      RETURNING bank_import_runs.id, connection_id, user_id, kind, trigger, dry_run,
        {LISTENS.format(user_id="bank_import_runs.user_id")} AS listened
    ), good AS (
      UPDATE bank_connections c
      SET updated_at = now(), rate_limited_until = NULL, rate_limit_code = NULL, consecutive_failures = 0,
        status = CASE WHEN status IN ('error', 'needs_user') THEN 'active' ELSE status END,
        status_code = CASE WHEN status NOT IN ('error', 'needs_user') THEN status_code END,
        status_message = CASE WHEN status NOT IN ('error', 'needs_user') THEN status_message END,
        last_good_run_id = ended.id, last_good_at = now()
      FROM ended
      WHERE :succeeded AND c.id = ended.connection_id AND NOT ended.dry_run
    ), answered AS (
      {circuit.CLOSE}
    )"""  # noqa: S608 - constants


# The end of a run that changed nothing does not wait for the disk: after a crash of Postgres it simply runs again.
_END = prepared(
    f"""
    WITH how AS MATERIALIZED (SELECT set_config('synchronous_commit',
      CASE WHEN :code = 'nothing_new' THEN 'off' ELSE current_setting('synchronous_commit') END, true)),
    {HELD},
    {ending(source="how, held", totals={name: f":{name}" for name in COUNTED})}
    SELECT * FROM ended
    """  # noqa: S608 - constants
)


def _end(session: Session, lease: Lease, outcome: Outcome) -> EndedRun:
    """Close or defer the run; deferring counts as no failed attempt, and a success resets the connection's failures."""
    ended = session.execute(_END, end_values(lease, outcome) | count_values(outcome.counts)).mappings().one_or_none()
    if ended is None:
        raise LostLeaseError(f"run {lease.run_id} was taken over")
    return EndedRun(**ended)


def end_values(lease: Lease, outcome: Outcome) -> dict[str, Any]:
    """Return the values of the parameters of `ending`, except for the counts."""
    requests = lease.log.as_json()
    return {
        "run_id": lease.run_id,
        "token": lease.token,
        "status": outcome.status,
        "code": outcome.code,
        "message": outcome.message,
        "defer_s": outcome.defer_s,
        "succeeded": outcome.status is RunStatus.SUCCEEDED,
        "closed": outcome.status in CLOSED,
        "waits": outcome.status in WAITING,
        "report": json.dumps(redact_all(outcome.report)),
        "requests": None if requests is None else json.dumps(requests),
    }


def apply_consequences(session: Session, run: EndedRun, outcome: Outcome) -> None:
    """Update the connection of a run that did not succeed, and announce the end of any run."""
    if outcome.status is not RunStatus.SUCCEEDED:
        _record_unsuccessful(session, run, outcome)
    if outcome.status in CLOSED and run.listened and not run.dry_run:
        _announce(session, run, outcome)


_CLOSE_ACCOUNTS = text(
    "UPDATE bank_import_run_accounts SET status = 'partial', code = :code, message = :message"
    " WHERE run_id = :run_id AND code = 'in_progress'"
)


def _record_unsuccessful(session: Session, run: EndedRun, outcome: Outcome) -> None:
    if outcome.status in CLOSED:  # a run that was given up may have been in the middle of an account
        ended = {"run_id": run.id, "code": outcome.code, "message": outcome.message}
        session.execute(_CLOSE_ACCOUNTS, ended)
    connection = session.get_one(BankConnection, run.connection_id, with_for_update={"key_share": True})
    connection.updated_at = func.now()
    match outcome.status:
        case RunStatus.PARTIAL if outcome.code not in STOPPING:
            _apply_failure_code(session, connection, outcome)
        case RunStatus.DEFERRED:
            _defer(connection, outcome)
        case RunStatus.FAILED:
            _count_failure(connection, outcome)
            _apply_failure_code(session, connection, outcome)
        case _:
            pass
    session.flush()


def _committed_counts(session: Session, lease: Lease) -> Counts:
    """Add up what the accounts of the run committed, for a run that ended before it could report counts."""
    sums = [func.coalesce(func.sum(getattr(BankImportRunAccount, name)), 0) for name in COUNTED]
    row = session.execute(select(*sums).where(BankImportRunAccount.run_id == lease.run_id)).one()
    return Counts(**dict(zip(COUNTED, row, strict=True)))


def _defer(connection: BankConnection, outcome: Outcome) -> None:
    if outcome.code == "rate_limited" and outcome.defer_s is not None:
        connection.rate_limited_until = func.now() + timedelta(seconds=outcome.defer_s)
        connection.rate_limit_code = outcome.code


def _count_failure(connection: BankConnection, outcome: Outcome) -> None:
    connection.consecutive_failures += 1
    connection.last_failure_code = outcome.code
    connection.last_failure_at = func.now()
    if connection.next_refresh_at is not None:
        rested = func.now() + rest_after_failures(connection.consecutive_failures)
        connection.next_refresh_at = func.greatest(connection.next_refresh_at, rested)


def _apply_failure_code(session: Session, connection: BankConnection, outcome: Outcome) -> None:
    """Apply what the code of an unsuccessful run means: count an outage, ask the user, or stop refreshing."""
    if outcome.code == "needs_user":
        ask_user(session, connection, outcome)
    elif outcome.code in PERMANENT:
        _stop_refreshing(connection, "error", outcome)
    elif outcome.code in {"provider_down", "bank_down"}:
        server, bank = circuit.scopes_of(connection)
        scope = server if outcome.code == "provider_down" else bank
        if scope or outcome.code == "provider_down":
            circuit.count_failure(session, connection.connector_name, scope, connection.user_id, outcome.code)


def ask_user(session: Session, connection: BankConnection, outcome: Outcome) -> None:
    """Stop a connection until its user acts, and announce it once."""
    if connection.status != "needs_user":
        warn_person(
            session,
            connection_id=connection.id,
            user_id=connection.user_id,
            kind="needs_user",
            cause=f"needs_user:{connection.link_epoch}:{connection.last_good_run_id}",
        )
        announce_needs_user(
            session,
            connection_id=connection.id,
            user_id=connection.user_id,
            display_name=connection.display_name,
            code=outcome.code,
            message=outcome.message,
        )
    _stop_refreshing(connection, "needs_user", outcome)


def announce_needs_user(
    session: Session, *, connection_id: uuid.UUID, user_id: int, display_name: str, code: str, message: str | None
) -> None:
    """Announce that a connection, or a part of it, is not read until its user acts."""
    data = {
        "connection_id": str(connection_id),
        "display_name": display_name,
        "code": code,
        "message": message and message[:500],
    }
    outbox.record(session, user_id=user_id, event_type="connection.needs_user", data=data)


def _stop_refreshing(connection: BankConnection, status: str, outcome: Outcome) -> None:
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
        data |= {"status": outcome.status.value, "counts": {name: getattr(outcome.counts, name) for name in ANNOUNCED}}
    outbox.record(
        session,
        user_id=run.user_id,
        event_type="import.completed" if completed else "import.failed",
        data=data,
        dedup_key=str(run.id),
    )

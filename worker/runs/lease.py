"""The lease of a run: claim it, check it in every transaction that writes (fencing), extend it.

A lease lasts `LEASE_S` (`worker.settings`). All times are those of Postgres. Every function works in the caller's
transaction and neither begins nor ends one.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, func, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from worker.db.prepared import NO_DISK_WAIT, prepared
from worker.db.statements import first_row
from worker.errors import CancelRequestedError, LostLeaseError
from worker.models import BankImportRun
from worker.runs.dispatching.admission import AdmissionFacts
from worker.runs.dispatching.heavy import FOR_PROCESSES
from worker.runs.imported_accounts import IMPORTED_ACCOUNTS
from worker.runs.providers import circuit
from worker.runs.states import Lease

COUNT_UP_TO = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedRun:
    """A run that this worker holds.

    Attributes:
        facts: Facts that decide whether it may start now.
        row: Columns of the run, its connection and its user, for `worker.importer.job`; also its accounts, when the
            response may be unchanged.
    """

    lease: Lease
    facts: AdmissionFacts
    row: Mapping[str, Any]


# Until the commit no other unscheduled run of the user or of the connector is claimed, so that each claim counts those
# before it; the dispatcher bounds the runs of the schedule. The row comes first: who waits for it, because its former
# holder is in a transaction, keeps nobody else waiting.
_LOCK_CLAIMS = """
    WITH claimable AS MATERIALIZED (
      SELECT connection_id, user_id FROM bank_import_runs
      WHERE id = :run_id AND trigger <> 'schedule' AND (status <> 'running' OR lease_expires_at < now())
      FOR NO KEY UPDATE)
    SELECT pg_advisory_xact_lock(hashtext('finmind.claim'), r.user_id),
           pg_advisory_xact_lock(hashtext('finmind.claim_of_connector'), hashtext(c.connector_name))
    FROM claimable r JOIN bank_connections c ON c.id = r.connection_id"""

EARLIER_ATTEMPTS = 10
"""Attempts before the newest one that a run keeps, the last ones."""

_EARLIER_ATTEMPTS = f"""CASE WHEN r.claimed_at IS NULL THEN r.earlier_attempts ELSE
          CASE WHEN jsonb_array_length(r.earlier_attempts) >= {EARLIER_ATTEMPTS} THEN r.earlier_attempts - 0
            ELSE coalesce(r.earlier_attempts, '[]') END
          || jsonb_build_object('claimed_at', r.claimed_at, 'ended_at', r.heartbeat_at, 'worker_name', r.worker_name,
            'code', CASE WHEN r.status = 'running' THEN 'worker_lost' ELSE r.code END, 'requests', r.requests) END"""

# Does not wait for the disk: after a crash of Postgres that loses the claim the run still waits, and `fence` stops the
# worker.
_CLAIM = prepared(
    _LOCK_CLAIMS,
    f"""
    WITH {NO_DISK_WAIT}
    UPDATE bank_import_runs r
    SET status = 'running', attempt = r.attempt + 1, lease_token = :token,
        lease_expires_at = now() + make_interval(secs => :lease_s), heartbeat_at = now(),
        started_at = coalesce(r.started_at, now()), not_before = NULL,
        dispatched_at = coalesce(r.dispatched_at, now()), worker_name = :worker_name,
        claimed_at = now(), requests = NULL, earlier_attempts = {_EARLIER_ATTEMPTS}
    FROM no_disk_wait, bank_connections c JOIN users u ON u.id = c.user_id
    WHERE r.id = :run_id AND c.id = r.connection_id
      AND (r.status IN ('queued', 'deferred') AND (r.not_before IS NULL OR r.not_before <= now())
           OR r.status = 'running' AND r.lease_expires_at < now())
      AND NOT EXISTS (SELECT 1 FROM bank_import_runs o
                      WHERE o.connection_id = r.connection_id AND o.status = 'running' AND o.id <> r.id)
      AND NOT (CAST(:light AS boolean) AND r.status <> 'running' AND {FOR_PROCESSES})
    RETURNING r.attempt, r.trace_context, r.trigger = 'schedule' AS scheduled,
        r.trigger NOT IN ('schedule', 'webhook') AS person_waits, c.status AS connection_status,
        c.connector_name, greatest(0, extract(epoch FROM c.rate_limited_until - now()))::float AS rate_limited_s,
        EXISTS (SELECT 1 FROM bank_connector_circuits k
                WHERE {circuit.OF_CONNECTION} AND k.state <> 'closed') AS circuit_open,
        c.outage_scope, {circuit.BANK_SCOPE} AS bank_scope,
        (SELECT count(*) FROM (
           SELECT FROM bank_import_runs o
           WHERE o.status = 'running' AND o.user_id = r.user_id AND o.id <> r.id AND o.lease_expires_at >= now()
             AND (o.trigger = 'schedule') = (r.trigger = 'schedule') LIMIT :count_up_to) under_way) AS user_running,
        (SELECT count(*) FROM (
           SELECT FROM bank_import_runs o
           WHERE o.status = 'running' AND o.user_id = r.user_id AND o.id <> r.id AND o.lease_expires_at >= now()
             AND o.worker_name = :worker_name LIMIT :count_up_to) under_way) AS user_running_here,
        CASE WHEN r.trigger <> 'schedule' THEN (SELECT count(*) FROM (
           SELECT FROM bank_import_runs o JOIN bank_connections oc ON oc.id = o.connection_id
           WHERE o.status = 'running' AND oc.connector_name = c.connector_name AND o.id <> r.id
             AND o.lease_expires_at >= now() AND o.trigger <> 'schedule'
           LIMIT :count_up_to) under_way) ELSE 0 END AS connector_running,
        r.connection_id, c.user_id, r.kind, r.account_external_id, r.from_on, r.to_on, r.dry_run, r.reimport,
        r.target_run_id, c.options, u.preferred_currency AS currency, c.cursor, c.consent_expires_at,
        c.answer_digest, c.answer_run_id,
        EXISTS (SELECT FROM bank_recordings recording WHERE recording.run_id = r.id) AS is_recorded,
        r.part_days, r.code AS last_code,
        (SELECT coalesce(json_agg(a), '[]') FROM (
           SELECT account_id, status, from_on, to_on, cursor_after
           FROM bank_import_run_accounts WHERE run_id = r.id) a) AS earlier,
        CASE WHEN c.answer_digest IS NOT NULL THEN
          (SELECT json_agg(a ORDER BY a.id) FROM ({IMPORTED_ACCOUNTS} c.id) a) END AS accounts
    """,  # noqa: S608 - constants
)


def claim(
    connection: Session | Connection,
    run_id: uuid.UUID,
    *,
    worker_name: str,
    lease_s: float,
    count_up_to: int = COUNT_UP_TO,
    light: bool = False,
) -> ClaimedRun | None:
    """Lease a waiting run or one with an expired lease; None when it is closed, held, not due or its connection busy.

    Args:
        count_up_to: Stop counting the runs of the user and of the connector at this number.
        light: Leave a waiting run alone that processes are there for.

    Raises: LostLeaseError when another run of the connection was claimed at the same moment.
    """
    token = uuid.uuid4()
    values: dict[str, Any] = {"run_id": run_id, "token": token, "lease_s": lease_s, "worker_name": worker_name}
    values |= {"count_up_to": count_up_to, "light": light}
    try:
        row = first_row(connection, _CLAIM, values)
    except IntegrityError:  # of uq_bank_import_runs_running
        raise LostLeaseError(f"run {run_id}: another run of its connection was first") from None
    if row is None:
        return None
    facts = AdmissionFacts(
        connection_status=row["connection_status"],
        scheduled=row["scheduled"],
        person_waits=row["person_waits"],
        connector_name=row["connector_name"],
        rate_limited_s=row["rate_limited_s"] or 0,
        circuit_s=_circuit_s(connection, row) if row["circuit_open"] else 0,
        user_running=row["user_running"],
        user_running_here=row["user_running_here"],
        connector_running=row["connector_running"],
        trace_context=row["trace_context"],
        last_code=row["last_code"],
    )
    lease = Lease(run_id=run_id, token=token, attempt=row["attempt"])
    return ClaimedRun(lease=lease, facts=facts, row=row)


def _circuit_s(connection: Session | Connection, row: Mapping[str, Any]) -> float:
    """Return how long the run waits for its circuits (s), or make it their probe.

    A person's first attempt never waits.
    """
    if row["person_waits"] and row["attempt"] <= 1:
        return 0
    return circuit.take_probe_or_wait_s(connection, row["connector_name"], (row["outage_scope"], row["bank_scope"]))


# A removal cancels the runs that it sees; one that is claimed meanwhile learns of it here. The lock of the user keeps
# the transactions of both apart.
_FENCE = prepared(
    """SELECT r.cancel_requested_at IS NOT NULL AS is_cancelled, c.status = 'disconnected' AS is_removed
    FROM bank_import_runs r JOIN bank_connections c ON c.id = r.connection_id
    WHERE r.id = :run_id AND r.lease_token = :token FOR UPDATE OF r"""
)


def fence(session: Session, lease: Lease) -> None:
    """Check in the transaction that writes that the lease is still ours; the row stays locked until the commit.

    Raises: LostLeaseError, CancelRequestedError when the run was cancelled or its connection removed.
    """
    row = session.execute(_FENCE, {"run_id": lease.run_id, "token": lease.token}).one_or_none()
    if row is None:
        raise LostLeaseError(f"run {lease.run_id} was taken over")
    if row.is_cancelled or row.is_removed:
        raise CancelRequestedError(f"run {lease.run_id} was cancelled, or its connection removed")


def extend(session: Session, lease: Lease, *, lease_s: float) -> None:
    """Extend the lease. Raises: LostLeaseError, CancelRequestedError."""
    at = func.clock_timestamp()  # now() is when the transaction began, which may be long ago
    cancel_requested_at = session.execute(
        update(BankImportRun)
        .where(BankImportRun.id == lease.run_id, BankImportRun.lease_token == lease.token)
        .values(heartbeat_at=at, lease_expires_at=at + timedelta(seconds=lease_s), **columns_of_log(lease))
        .returning(BankImportRun.cancel_requested_at)
    ).one_or_none()
    if cancel_requested_at is None:
        raise LostLeaseError(f"run {lease.run_id} was taken over")
    if cancel_requested_at[0] is not None:
        raise CancelRequestedError(f"run {lease.run_id} was cancelled")


def columns_of_log(lease: Lease) -> dict[str, Any]:
    """Return the column that keeps what an attempt asked the bank so far, with its value; none before it asked."""
    requests = lease.log.as_json()
    return {} if requests is None else {"requests": requests}

"""Holding a run: claim it, prove at every write that it is still ours, keep it alive, and close it.

Only Postgres decides about time. Every function takes the caller's session and neither begins nor ends anything.
"""

import uuid
from datetime import timedelta
from typing import Any

from sqlalchemy import CursorResult, bindparam, func, text, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from worker.errors import CancelRequestedError, LostLeaseError
from worker.models import BankImportRun
from worker.redaction import redact_all
from worker.runs.states import CLOSED, WAITING, Counts, EndedRun, Lease, Outcome, RunStatus

# Not waited for on disk: a claim that a crash of Postgres forgets is a run that still waits, and its worker is fenced.
_CLAIM = text(
    """
    WITH lazily AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
    UPDATE bank_import_runs r
    SET status = 'running', attempt = r.attempt + 1, lease_token = :token,
        lease_expires_at = now() + make_interval(secs => :lease_s), heartbeat_at = now(),
        started_at = coalesce(r.started_at, now()), not_before = NULL,
        dispatched_at = coalesce(r.dispatched_at, now()), worker_name = :worker_name
    FROM lazily
    WHERE r.id = :run_id
      AND (r.status IN ('queued', 'deferred') AND (r.not_before IS NULL OR r.not_before <= now())
           OR r.status = 'running' AND r.lease_expires_at < now())
      AND NOT EXISTS (SELECT 1 FROM bank_import_runs o
                      WHERE o.connection_id = r.connection_id AND o.status = 'running' AND o.id <> r.id)
    RETURNING r.attempt
    """
)


def claim(session: Session, run_id: uuid.UUID, *, worker_name: str, lease_s: float) -> Lease | None:
    """Take a waiting run, or one whose lease ran out; None when it is closed, held, not due, or the connection busy.

    Raises: LostLeaseError when another run of the connection was claimed at the same moment.
    """
    token = uuid.uuid4()
    values = {"run_id": run_id, "token": token, "lease_s": lease_s, "worker_name": worker_name}
    try:
        attempt = session.execute(_CLAIM, values).scalar()
    except IntegrityError:  # of uq_bank_import_runs_running
        raise LostLeaseError(f"run {run_id}: another run of its connection was first") from None
    return None if attempt is None else Lease(run_id=run_id, token=token, attempt=attempt)


_FENCE = text("SELECT cancel_requested_at FROM bank_import_runs WHERE id = :run_id AND lease_token = :token FOR UPDATE")


def fence(session: Session, lease: Lease) -> None:
    """Prove, in the transaction that writes, that the run is still ours; the row stays locked until it ends.

    Raises: LostLeaseError, CancelRequestedError.
    """
    row = session.execute(_FENCE, {"run_id": lease.run_id, "token": lease.token}).one_or_none()
    if row is None:
        raise LostLeaseError(f"run {lease.run_id} was taken over")
    if row.cancel_requested_at is not None:
        raise CancelRequestedError(f"run {lease.run_id} was cancelled")


def heartbeat(session: Session, lease: Lease, *, lease_s: float) -> None:
    """Extend the lease. Raises: LostLeaseError, CancelRequestedError."""
    at = func.clock_timestamp()  # at the end of a long transaction, now() is long ago
    cancel_requested_at = session.execute(
        update(BankImportRun)
        .where(BankImportRun.id == lease.run_id, BankImportRun.lease_token == lease.token)
        .values(heartbeat_at=at, lease_expires_at=at + timedelta(seconds=lease_s))
        .returning(BankImportRun.cancel_requested_at)
    ).one_or_none()
    if cancel_requested_at is None:
        raise LostLeaseError(f"run {lease.run_id} was taken over")
    if cancel_requested_at[0] is not None:
        raise CancelRequestedError(f"run {lease.run_id} was cancelled")


# An end that changed nothing is not waited for on disk: if a crash of Postgres forgets it, the run finds as much again.
_FINISH = text(
    """
    WITH how AS MATERIALIZED (SELECT set_config('synchronous_commit',
      CASE WHEN :code = 'nothing_new' THEN 'off' ELSE current_setting('synchronous_commit') END, true))
    UPDATE bank_import_runs
    SET lease_token = NULL, lease_expires_at = NULL, status = :status, code = :code, message = :message,
        not_before = now() + make_interval(secs => :defer_s), finished_at = CASE WHEN :closed THEN now() END,
        attempt = attempt - CASE WHEN :waits THEN 1 ELSE 0 END,
        dispatched_at = CASE WHEN :waits THEN NULL ELSE dispatched_at END, report = :report, """  # noqa: S608 - constants
    + ", ".join(f"{name} = :{name}" for name in Counts.__dataclass_fields__)
    + """
    FROM how
    WHERE id = :run_id AND lease_token = :token
    RETURNING id, connection_id, user_id, kind, trigger, dry_run
    """
).bindparams(bindparam("report", type_=JSONB))


def finish(session: Session, lease: Lease, outcome: Outcome) -> EndedRun:
    """Close the run, or defer it, which is no failed attempt. Raises: LostLeaseError."""
    values = {
        "run_id": lease.run_id,
        "token": lease.token,
        "status": outcome.status,
        "code": outcome.code,
        "message": outcome.message,
        "defer_s": outcome.defer_s,
        "closed": outcome.status in CLOSED,
        "waits": outcome.status in WAITING,
        "report": redact_all(outcome.report),
    }
    row = session.execute(_FINISH, values | count_values(outcome.counts)).one_or_none()
    if row is None:
        raise LostLeaseError(f"run {lease.run_id} was taken over")
    return EndedRun(*row)


def hand_back(session: Session, lease: Lease, *, counted: bool = False) -> None:
    """Queue the run again, to go on from what is committed. Raises: LostLeaseError.

    counted: this was a failed attempt: its time was up, or the database gone, before anything was committed. Neither a
    shutdown is one, nor a long import that goes on in slices.
    """
    attempt = BankImportRun.attempt if counted else BankImportRun.attempt - 1
    try:
        with session.begin_nested():
            _release(session, lease, {"status": RunStatus.QUEUED, "code": "stopped", "attempt": attempt} | _UNPUBLISHED)
    except IntegrityError:
        # uq_bank_import_runs_waiting: another run waits behind this one, which keeps its place with an expired lease.
        session.execute(
            update(BankImportRun)
            .where(BankImportRun.id == lease.run_id, BankImportRun.lease_token == lease.token)
            .values(attempt=attempt, lease_expires_at=func.now() - timedelta(seconds=1), **_UNPUBLISHED)
        )


_UNPUBLISHED = {"dispatched_at": None}


def count_values(counts: Counts) -> dict[str, Any]:
    """Return the counts as column values of `bank_import_runs` and `bank_import_run_accounts`."""
    return {name: getattr(counts, name) for name in counts.__dataclass_fields__}


def _release(session: Session, lease: Lease, values: dict[str, Any]) -> None:
    result = session.execute(
        update(BankImportRun)
        .where(BankImportRun.id == lease.run_id, BankImportRun.lease_token == lease.token)
        .values(lease_token=None, lease_expires_at=None, **values)
    )
    assert isinstance(result, CursorResult)
    if result.rowcount != 1:
        raise LostLeaseError(f"run {lease.run_id} was taken over")

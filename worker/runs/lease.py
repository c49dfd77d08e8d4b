"""Holding a run: claim it, prove at every write that it is still ours, keep it alive, and close it.

Only Postgres decides about time. Every function takes the caller's session and neither begins nor ends anything.
"""

import uuid
from datetime import timedelta
from typing import Any

from sqlalchemy import CursorResult, and_, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from worker.errors import CancelRequestedError, LostLeaseError
from worker.models import BankImportRun
from worker.redaction import redact_all
from worker.runs.states import CLOSED, WAITING, Counts, Lease, Outcome, RunStatus


def claim(session: Session, run_id: uuid.UUID, *, worker_name: str, lease_s: float) -> Lease | None:
    """Take a waiting run, or one whose lease ran out; None when it is closed, held, not due, or the connection busy."""
    token = uuid.uuid4()
    now = func.now()
    takeable = or_(
        and_(
            BankImportRun.status.in_(WAITING),
            or_(BankImportRun.not_before.is_(None), BankImportRun.not_before <= now),
        ),
        and_(BankImportRun.status == RunStatus.RUNNING, BankImportRun.lease_expires_at < now),
    )
    try:
        with session.begin_nested():
            attempt = session.execute(
                update(BankImportRun)
                .where(BankImportRun.id == run_id, takeable)
                .values(
                    status=RunStatus.RUNNING,
                    attempt=BankImportRun.attempt + 1,
                    lease_token=token,
                    lease_expires_at=now + timedelta(seconds=lease_s),
                    heartbeat_at=now,
                    started_at=func.coalesce(BankImportRun.started_at, now),
                    not_before=None,
                    dispatched_at=func.coalesce(BankImportRun.dispatched_at, now),
                    worker_name=worker_name,
                )
                .returning(BankImportRun.attempt)
            ).scalar()
    except IntegrityError:
        # uq_bank_import_runs_running: another run of this connection holds it.
        return None
    return None if attempt is None else Lease(run_id=run_id, token=token, attempt=attempt)


def fence(session: Session, lease: Lease) -> None:
    """Prove, in the transaction that writes, that the run is still ours; the row stays locked until it ends.

    Raises: LostLeaseError, CancelRequestedError.
    """
    row = session.execute(
        select(BankImportRun.cancel_requested_at)
        .where(BankImportRun.id == lease.run_id, BankImportRun.lease_token == lease.token)
        .with_for_update()
    ).one_or_none()
    if row is None:
        raise LostLeaseError(f"run {lease.run_id} was taken over")
    if row.cancel_requested_at is not None:
        raise CancelRequestedError(f"run {lease.run_id} was cancelled")


def heartbeat(session: Session, lease: Lease, *, lease_s: float) -> None:
    """Extend the lease. Raises: LostLeaseError, CancelRequestedError."""
    cancel_requested_at = session.execute(
        update(BankImportRun)
        .where(BankImportRun.id == lease.run_id, BankImportRun.lease_token == lease.token)
        .values(heartbeat_at=func.now(), lease_expires_at=func.now() + timedelta(seconds=lease_s))
        .returning(BankImportRun.cancel_requested_at)
    ).one_or_none()
    if cancel_requested_at is None:
        raise LostLeaseError(f"run {lease.run_id} was taken over")
    if cancel_requested_at[0] is not None:
        raise CancelRequestedError(f"run {lease.run_id} was cancelled")


def finish(session: Session, lease: Lease, outcome: Outcome) -> None:
    """Close the run, or defer it, which is no failed attempt. Raises: LostLeaseError."""
    _release(
        session,
        lease,
        {
            "status": outcome.status,
            "code": outcome.code,
            "message": outcome.message,
            "not_before": None if outcome.defer_s is None else func.now() + timedelta(seconds=outcome.defer_s),
            "finished_at": func.now() if outcome.status in CLOSED else None,
            "report": redact_all(outcome.report),
            **({"attempt": BankImportRun.attempt - 1} | _UNPUBLISHED if outcome.status in WAITING else {}),
            **count_values(outcome.counts),
        },
    )


def hand_back(session: Session, lease: Lease, *, counted: bool = False) -> None:
    """Queue the run again, to go on from what is committed. Raises: LostLeaseError.

    counted: this was a failed attempt (the run ran into its time limit); a shutdown is none.
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

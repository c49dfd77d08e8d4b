"""Hands a run back that its worker cannot finish now: at a shutdown, when its time is up, or when it has to wait."""

from datetime import timedelta
from typing import Any

from sqlalchemy import CursorResult, func, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from worker.errors import LostLeaseError
from worker.models import BankImportRun
from worker.runs.lease import columns_of_log
from worker.runs.states import Lease, RunStatus

SHORTEST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(minutes=15)

# As long again as it has been tried: it asks its bank in each attempt.
_WAIT = func.greatest(SHORTEST_WAIT, func.least(LONGEST_WAIT, func.now() - BankImportRun.started_at))


def hand_back(
    session: Session,
    lease: Lease,
    *,
    counted: bool = False,
    passed_on: bool = False,
    waits: bool = False,
    started: bool = True,
) -> None:
    """Give the lease back and queue the run again; it will continue from what is committed.

    Args:
        counted: Whether this was a failed attempt: it ran out of time or lost the database before it committed
            anything. A shutdown is none, nor is a long import that committed a part.
        passed_on: Whether the caller publishes the run itself.
        waits: Whether it goes on after a while only, which is longer the longer it has been tried.
        started: Whether it began; an attempt that only found that it is not its turn is none to be told of.

    Raises:
        LostLeaseError: Another worker took the run over.
    """
    published = {"dispatched_at": func.now() if passed_on else None}
    not_before = func.now() + _WAIT if waits else None
    attempt = BankImportRun.attempt if counted else BankImportRun.attempt - 1
    told = {"heartbeat_at": func.now(), **columns_of_log(lease)} if started else {"claimed_at": None}
    try:
        with session.begin_nested():
            queued = {"status": RunStatus.QUEUED, "code": "stopped", "attempt": attempt, "not_before": not_before}
            _release(session, lease, queued | published | told)
    except IntegrityError:
        # uq_bank_import_runs_waiting: another run of the connection waits; this one stays running, its lease expired.
        expired = not_before if waits else func.now() - timedelta(seconds=1)
        session.execute(
            update(BankImportRun)
            .where(BankImportRun.id == lease.run_id, BankImportRun.lease_token == lease.token)
            .values(attempt=attempt, lease_expires_at=expired, dispatched_at=None, **told)
        )


def _release(session: Session, lease: Lease, values: dict[str, Any]) -> None:
    result = session.execute(
        update(BankImportRun)
        .where(BankImportRun.id == lease.run_id, BankImportRun.lease_token == lease.token)
        .values(lease_token=None, lease_expires_at=None, **values)
    )
    assert isinstance(result, CursorResult)
    if result.rowcount != 1:
        raise LostLeaseError(f"run {lease.run_id} was taken over")

"""Claims for tests that want the lease alone."""

import uuid

from sqlalchemy.orm import Session

from worker.runs import lease
from worker.runs.states import Lease


def claim(session: Session, run_id: uuid.UUID, *, worker_name: str = "w", lease_s: float = 60) -> Lease | None:
    """Claim the run and leave aside whether it may go on."""
    claimed = lease.claim(session, run_id, worker_name=worker_name, lease_s=lease_s)
    return claimed and claimed.lease

"""Which runs compute much: they are worked on by processes, so that runs that only wait are not slowed down by them.

A worker with a pool of threads passes a heavy run on to the queue of the processes, if somebody consumes that.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.orm import Session

from worker.db.prepared import prepared

LIGHT_ROWS = 5000
"""More rows than this in one delivery are heavy work."""

CONSUMER = "queue:heavy"
"""The component whose heartbeat says that somebody consumes the queue of heavy runs."""

_IS_HEAVY = prepared(
    """
    SELECT r.kind <> 'refresh' OR c.last_good_at IS NULL OR c.connector_name = 'file'
    FROM bank_import_runs r JOIN bank_connections c ON c.id = r.connection_id
    WHERE r.id = :run_id AND r.status IN ('queued', 'deferred')
    """
)
_IS_CONSUMED = prepared(
    "SELECT 1 FROM worker_heartbeats WHERE component = :component AND seen_at > now() - INTERVAL '2 minutes'"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LightWorker:
    """A worker that executes light runs only. pass_on: sends a run to the queue of heavy ones."""

    pass_on: Callable[[uuid.UUID], None]


def is_heavy(session: Session, run_id: uuid.UUID) -> bool:
    """Say whether a waiting run is heavy: an import, a replay, a revert, a first refresh, or a statement file."""
    return bool(session.scalar(_IS_HEAVY, {"run_id": run_id}))


def is_consumed(session: Session) -> bool:
    """Say whether somebody consumes the queue of heavy runs."""
    return session.scalar(_IS_CONSUMED, {"component": CONSUMER}) is not None

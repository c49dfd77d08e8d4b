"""Decides which runs are CPU-heavy; a pool of processes executes them, so that they do not slow down waiting runs.

A worker with a pool of threads passes a heavy run on to the queue of the processes, if that has a consumer.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from worker.db.prepared import prepared

LIGHT_ROWS = 5000
"""A delivery of more rows makes a run heavy."""

CONSUMER = "queue:heavy"
"""The component whose heartbeat says that the queue of heavy runs has a consumer."""

HEAVY_RUN = "(r.kind NOT IN ('import', 'refresh') OR c.connector_name = 'file')"
"""Condition on a run `r` of a connection `c`."""

_IS_HEAVY = prepared(
    f"""
    SELECT {HEAVY_RUN} FROM bank_import_runs r JOIN bank_connections c ON c.id = r.connection_id
    WHERE r.id = :run_id AND r.status IN ('queued', 'deferred')
    """  # noqa: S608 - a constant
)
_IS_CONSUMED = prepared(
    "SELECT 1 FROM worker_heartbeats WHERE component = :component AND seen_at > now() - INTERVAL '2 minutes'"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LightWorker:
    """A worker that executes light runs only.

    Attributes:
        pass_on: Sends a run to the queue of heavy ones.
    """

    pass_on: Callable[[uuid.UUID], None]


def is_heavy(connection: Session | Connection, run_id: uuid.UUID) -> bool:
    """Say whether a waiting run is heavy: a replay, a revert, or statement files.

    An import waits for a bank first, which a thread does without taking a place from others; it turns out heavy with
    what the bank delivers.
    """
    return bool(connection.scalar(_IS_HEAVY, {"run_id": run_id}))


def is_consumed(connection: Session | Connection) -> bool:
    """Say whether the queue of heavy runs has a consumer."""
    return connection.scalar(_IS_CONSUMED, {"component": CONSUMER}) is not None

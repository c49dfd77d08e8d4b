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

_IS_CONSUMED = f"""EXISTS (SELECT FROM worker_heartbeats
    WHERE component = '{CONSUMER}' AND seen_at > now() - INTERVAL '2 minutes')"""
FOR_PROCESSES = f"({HEAVY_RUN} AND {_IS_CONSUMED})"
"""Condition on a run `r` of a connection `c`: it is heavy, and the queue of heavy runs has a consumer."""

_WAITS_FOR_PROCESSES = prepared(
    f"""
    SELECT {FOR_PROCESSES} FROM bank_import_runs r JOIN bank_connections c ON c.id = r.connection_id
    WHERE r.id = :run_id AND r.status IN ('queued', 'deferred')
    """  # noqa: S608 - a constant
)
_CONSUMED = prepared(f"SELECT {_IS_CONSUMED}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LightWorker:
    """A worker that executes light runs only.

    Attributes:
        pass_on: Sends a run to the queue of heavy ones.
    """

    pass_on: Callable[[uuid.UUID], None]


def waits_for_processes(connection: Session | Connection, run_id: uuid.UUID) -> bool:
    """Say whether a waiting run is heavy (a replay, a revert, or statement files) and may be passed on.

    An import waits for a bank first, which a thread does without taking a place from others; it turns out heavy with
    what the bank delivers.
    """
    return bool(connection.scalar(_WAITS_FOR_PROCESSES, {"run_id": run_id}))


def is_consumed(connection: Session | Connection) -> bool:
    """Say whether the queue of heavy runs has a consumer."""
    return bool(connection.scalar(_CONSUMED))

"""Finds the run that waits longest for its message, so that a message of no use does the work of a lost or late one."""

import uuid

from sqlalchemy.orm import Session

from worker.db.prepared import prepared
from worker.runs.heavy import HEAVY_RUN

_LONGEST_WAITING = prepared(
    f"""
    SELECT r.id FROM bank_import_runs r JOIN bank_connections c ON c.id = r.connection_id
    WHERE r.status IN ('queued', 'deferred') AND r.dispatched_at IS NOT NULL
      AND (r.trigger = 'schedule') = :scheduled AND (r.not_before IS NULL OR r.not_before <= now())
      AND NOT (:light AND {HEAVY_RUN})
      AND NOT EXISTS (SELECT FROM bank_import_runs o WHERE o.connection_id = r.connection_id AND o.status = 'running')
    ORDER BY r.dispatched_at LIMIT 1
    """  # noqa: S608 - a constant
)


def longest_waiting_run(session: Session, *, scheduled: bool, light: bool) -> uuid.UUID | None:
    """Return the run that was published first of those that nobody claimed; None when there is none.

    Args:
        scheduled: Whether one of the schedule, or one that a person waits for.
        light: Leave heavy runs out.
    """
    found: uuid.UUID | None = session.scalar(_LONGEST_WAITING, {"scheduled": scheduled, "light": light})
    return found

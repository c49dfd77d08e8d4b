"""Heartbeats of the worker's components in Postgres."""

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from worker.models import WorkerHeartbeat


def record_heartbeat(session: Session, component: str) -> None:
    """Record that `component` is alive now, by the database's clock."""
    session.execute(
        insert(WorkerHeartbeat)
        .values(component=component)
        .on_conflict_do_update(index_elements=[WorkerHeartbeat.component], set_={"seen_at": func.now()})
    )

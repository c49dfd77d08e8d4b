"""The channel of Postgres through which a request wakes the dispatcher without a broker."""

from sqlalchemy import text
from sqlalchemy.orm import Session

CHANNEL = "finmind_worker_runs"

_NOTIFY = text(f"SELECT pg_notify('{CHANNEL}', '')")


def wake_at_commit(session: Session) -> None:
    """Wake the dispatcher when the caller's transaction commits; a rollback wakes nobody."""
    session.execute(_NOTIFY)

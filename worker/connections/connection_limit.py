"""How many connections a user may have, and may add in a day."""

from datetime import timedelta

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from worker.errors import ConflictError
from worker.models import BankConnection

ADDED_A_DAY = 4
"""So many times the connections that a user may have can be added in a day: removed ones leave rows that stay."""

_LOCK_ADDING = text("SELECT pg_advisory_xact_lock(hashtext('finmind.connections'), :user_id)")


class TooManyConnectionsError(ConflictError):
    """The user has as many connections as one may have."""

    code = "too_many_connections"


def check_room(session: Session, user_id: int, *, most: int | None) -> None:
    """Refuse a connection beyond those that a user may have; others that are added at this moment are counted.

    Args:
        most: How many connections a user may have; None for any number.

    Raises: TooManyConnectionsError.
    """
    if most is None:
        return
    session.execute(_LOCK_ADDING, {"user_id": user_id})
    mine = select(func.count()).where(BankConnection.user_id == user_id)
    if (session.scalar(mine.where(BankConnection.status != "disconnected")) or 0) >= most:
        raise TooManyConnectionsError(f"a user has at most {most} connections: remove one first")
    today = BankConnection.created_at > func.now() - timedelta(days=1)
    if (session.scalar(mine.where(today)) or 0) >= ADDED_A_DAY * most:
        raise TooManyConnectionsError(f"a user adds at most {ADDED_A_DAY * most} connections a day, with those removed")

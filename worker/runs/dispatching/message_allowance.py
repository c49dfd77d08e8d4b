"""Limits how many runs may be requested by messages alone, because anybody with access to the broker can send them.

Runs that are requested with a row (the API, `worker.client`) have limits of their own. They are counted here, but not
refused.
"""

import uuid

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.errors import ConflictError

PER_CONNECTION = 20
PER_USER = 100
"""Most runs per hour of one connection, and of all connections of its user."""

_COUNT = text(
    """
    SELECT count(*) FILTER (WHERE r.connection_id = c.id) AS of_connection, count(*) AS of_user
    FROM bank_connections c JOIN bank_import_runs r ON r.user_id = c.user_id
    WHERE c.id = :connection_id AND r.queued_at > now() - interval '1 hour' AND r.trigger <> 'schedule'
    """
)


class TooManyRunsError(ConflictError):
    """Too many runs were requested by messages within an hour."""

    code = "too_many_runs"


def check_message_allowance(session: Session, connection_id: uuid.UUID) -> None:
    """Refuse a run that is requested by a message alone when the limit is reached. Raises: TooManyRunsError."""
    counted = session.execute(_COUNT, {"connection_id": connection_id}).one()
    if counted.of_connection >= PER_CONNECTION or counted.of_user >= PER_USER:
        raise TooManyRunsError(f"connection {connection_id}: more runs within an hour than messages may ask for")

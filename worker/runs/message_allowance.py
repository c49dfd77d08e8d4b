"""How many runs messages alone may cause: whoever writes to the broker asks no bank without end.

Runs that are asked for with a row (the API, `worker.client`) are bounded by the API's own limit and are not refused
here; they count.
"""

import uuid

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.errors import ConflictError

PER_CONNECTION = 20
PER_USER = 100
"""Runs of one connection, and of all connections of its user, within an hour."""

_ASKED = text(
    """
    SELECT count(*) FILTER (WHERE r.connection_id = c.id) AS of_connection, count(*) AS of_user
    FROM bank_connections c JOIN bank_import_runs r ON r.user_id = c.user_id
    WHERE c.id = :connection_id AND r.queued_at > now() - interval '1 hour' AND r.trigger <> 'schedule'
    """
)


class TooManyRunsError(ConflictError):
    """Messages asked for more runs than anybody needs."""

    code = "too_many_runs"


def check_message_allowance(session: Session, connection_id: uuid.UUID) -> None:
    """Refuse a run that only a message asks for when there were many within an hour. Raises: TooManyRunsError."""
    asked = session.execute(_ASKED, {"connection_id": connection_id}).one()
    if asked.of_connection >= PER_CONNECTION or asked.of_user >= PER_USER:
        raise TooManyRunsError(f"connection {connection_id}: more runs within an hour than messages may ask for")

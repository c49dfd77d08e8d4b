"""Asks for an e-mail to a person about a connection, once for each cause; `worker.reminders` sends it."""

import uuid
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

_WARN = text(
    """
    INSERT INTO connection_warnings (connection_id, user_id, kind, cause, consent_expires_at)
    SELECT :connection_id, :user_id, :kind, :cause, :consent_expires_at
    WHERE NOT EXISTS (SELECT FROM user_preferences p WHERE p.user_id = :user_id AND NOT p.warn_by_mail)
    ON CONFLICT (connection_id, cause) DO NOTHING
    """
)


def warn_person(
    session: Session,
    *,
    connection_id: uuid.UUID,
    user_id: int,
    kind: str,
    cause: str,
    consent_expires_at: datetime | None = None,
) -> None:
    """Ask for an e-mail to the person, unless there was one of this cause or they do not want mail.

    Args:
        kind: `consent_ends` or `needs_user`.
        cause: What one mail is enough for.
        consent_expires_at: The end that a mail about a consent names; the mail is dropped when it no longer holds.
    """
    session.execute(
        _WARN,
        {
            "connection_id": connection_id,
            "user_id": user_id,
            "kind": kind,
            "cause": cause,
            "consent_expires_at": consent_expires_at,
        },
    )

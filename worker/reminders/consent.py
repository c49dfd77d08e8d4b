"""Warns users some days before a consent expires. Runs store when it expires."""

import uuid
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from worker.outbox import record
from worker.runs.warning import warn_person

CONSENT_DAYS = (14, 7, 1)
"""How many days before a consent ends its user is warned, by event and by e-mail."""

EVENT_TYPE = "connection.consent_expiring"

# One statement selects and marks, so that two ticks at once warn only once. A renewed consent is warned about again.
_DUE = text(
    """
    WITH nearing AS (
      SELECT id,
             (SELECT min(day) FROM unnest(CAST(:days AS integer[])) day
              WHERE consent_expires_at <= now() + make_interval(days => day)) AS warning_days
      FROM bank_connections
      WHERE status IN ('active', 'paused', 'error') AND consent_expires_at > now()
        AND (CAST(:only AS uuid) IS NULL OR id = CAST(:only AS uuid))
    )
    UPDATE bank_connections c SET consent_warned_days = nearing.warning_days
    FROM nearing
    WHERE c.id = nearing.id AND c.consent_warned_days IS DISTINCT FROM nearing.warning_days
      AND (nearing.warning_days IS NULL OR c.consent_warned_days IS NULL
           OR nearing.warning_days < c.consent_warned_days)
    RETURNING c.id, c.user_id, c.display_name, c.consent_expires_at, nearing.warning_days,
              floor(extract(epoch FROM c.consent_expires_at - now()) / 86400)::int AS days_left
    """
)


def warn_of_expiring_consents(session: Session, *, only: uuid.UUID | None = None) -> int:
    """Write one event for every consent that came within so many days since the last call; return how many.

    only: of this connection.
    """
    warnings = _mark_as_warned(session, only)
    for row in warnings:
        record(
            session,
            user_id=row.user_id,
            event_type=EVENT_TYPE,
            data={
                "connection_id": str(row.id),
                "display_name": row.display_name,
                "expires_at": row.consent_expires_at.isoformat(),
                "days_left": row.days_left,
            },
            dedup_key=f"{row.id}:{row.consent_expires_at:%Y%m%dT%H%M%S}:{row.warning_days}",
        )
        warn_person(
            session,
            connection_id=row.id,
            user_id=row.user_id,
            kind="consent_ends",
            cause=f"consent:{row.consent_expires_at:%Y%m%dT%H%M%S}:{row.warning_days}",
            consent_expires_at=row.consent_expires_at,
        )
    return len(warnings)


def pass_over_consent_warnings(session: Session) -> int:
    """Count what is due to be warned of as warned, without a word; return how many."""
    return len(_mark_as_warned(session, None))


def _mark_as_warned(session: Session, only: uuid.UUID | None) -> list[Row[Any]]:
    rows = session.execute(_DUE, {"only": only and str(only), "days": list(CONSENT_DAYS)})
    return [row for row in rows if row.warning_days is not None]

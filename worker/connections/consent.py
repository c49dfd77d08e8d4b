"""Warns users 14, 7 and 1 days before a consent expires. Runs store when it expires."""

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.outbox import record

EVENT_TYPE = "connection.consent_expiring"

# One statement decides and marks, so that two ticks at once warn once. A consent that was renewed starts anew.
_DUE = text(
    """
    WITH nearing AS (
      SELECT id,
             CASE WHEN consent_expires_at <= now() + interval '1 day' THEN 1
                  WHEN consent_expires_at <= now() + interval '7 days' THEN 7
                  WHEN consent_expires_at <= now() + interval '14 days' THEN 14 END AS warning_days
      FROM bank_connections
      WHERE status IN ('active', 'paused', 'error') AND consent_expires_at > now()
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


def warn_of_expiring_consents(session: Session) -> int:
    """Write one event for every consent that came within 14, 7 or 1 days since the last call; return how many."""
    warnings = [row for row in session.execute(_DUE) if row.warning_days is not None]
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
    return len(warnings)

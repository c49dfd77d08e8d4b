"""`connection.consent_expiring`: a warning 14, 7, 3 and 1 days before a bank stops answering, once each."""

from sqlalchemy import CursorResult, text
from sqlalchemy.orm import Session

from worker.events import API_VERSION
from worker.outbox import filters_for

EVENT_TYPE = "connection.consent_expiring"
WARN_DAYS = (14, 7, 3, 1)

# After downtime only the nearest threshold is announced: nobody needs "14 days" and "3 days" in one minute.
_WARN = text(
    """
    WITH near AS (
      SELECT c.id, (SELECT min(t) FROM unnest(CAST(:warn_days AS smallint[])) AS t
                    WHERE c.consent_expires_at <= now() + make_interval(days => t)) AS threshold
      FROM bank_connections c
      WHERE c.status IN ('active', 'paused') AND c.consent_expires_at > now()
        AND c.consent_expires_at <= now() + make_interval(days => :furthest)
      ORDER BY c.id FOR UPDATE SKIP LOCKED
    ), warned AS (
      UPDATE bank_connections c SET consent_warned_days = near.threshold FROM near
      WHERE c.id = near.id AND (c.consent_warned_days IS NULL OR c.consent_warned_days > near.threshold)
      RETURNING c.id, c.user_id, c.display_name, c.consent_expires_at, c.consent_warned_days
    )
    INSERT INTO webhook_events (user_id, type, api_version, data, dedup_key)
    SELECT w.user_id, :type, :api_version, jsonb_build_object(
        'connection_id', w.id, 'display_name', w.display_name, 'expires_at', w.consent_expires_at,
        'days_left', floor(extract(epoch FROM w.consent_expires_at - now()) / 86400)::integer),
      w.id || ':' || w.consent_expires_at::date || ':' || w.consent_warned_days
    FROM warned w
    WHERE EXISTS (
      SELECT 1 FROM webhook_subscriptions s
      WHERE s.user_id = w.user_id AND s.status IN ('active', 'paused') AND s.event_types && CAST(:filters AS text[]))
    ON CONFLICT ON CONSTRAINT uq_webhook_events_dedup_key DO NOTHING
    """
)


def warn_of_expiring_consents(session: Session) -> int:
    """Write the warnings that are due and return how many were written."""
    result = session.execute(
        _WARN,
        {
            "type": EVENT_TYPE,
            "api_version": API_VERSION,
            "warn_days": list(WARN_DAYS),
            "furthest": max(WARN_DAYS),
            "filters": filters_for(EVENT_TYPE),
        },
    )
    assert isinstance(result, CursorResult)
    return result.rowcount

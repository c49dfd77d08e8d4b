"""Queries of webhook deliveries for operators: waiting ones and dead letters, with their receivers."""

import uuid
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

_DEAD_LETTERS = """
    SELECT d.id, d.event_id, d.subscription_id, s.user_id, s.url, e.type, e.occurred_at, d.attempt, d.last_code,
           d.last_status_code, d.finished_at, s.status AS subscription_status
    FROM webhook_deliveries d JOIN webhook_events e ON e.id = d.event_id
    JOIN webhook_subscriptions s ON s.id = d.subscription_id
    WHERE d.state = 'dead' AND NOT EXISTS (
      SELECT 1 FROM webhook_deliveries later WHERE later.event_id = d.event_id
        AND later.subscription_id = d.subscription_id AND later.replay > d.replay)
      AND (CAST(:subscription_id AS uuid) IS NULL OR d.subscription_id = :subscription_id)
      AND (CAST(:event_id AS uuid) IS NULL OR d.event_id = :event_id)
      AND (CAST(:sendable AS boolean) IS NULL OR (s.status = 'active') = :sendable)
      AND (CAST(:before_id AS bigint) IS NULL OR d.id < :before_id)
    ORDER BY d.id DESC LIMIT :limit"""
_RECEIVERS = """
    WITH waiting AS (
      SELECT subscription_id, count(*) AS deliveries, min(created_at) AS since_at
      FROM (SELECT subscription_id, created_at FROM webhook_deliveries WHERE state = 'pending'
            UNION ALL SELECT subscription_id, created_at FROM webhook_deliveries WHERE state = 'leased') open_ones
      GROUP BY subscription_id)
    SELECT s.id, s.user_id, s.url, s.status, s.status_code, s.breaker_until > now() AS breaker_open, s.breaker_until,
      s.last_success_at, s.last_failure_at, s.consecutive_failures, coalesce(waiting.deliveries, 0) AS waiting,
      waiting.since_at
    FROM webhook_subscriptions s LEFT JOIN waiting ON waiting.subscription_id = s.id
    WHERE s.status <> 'removed' AND (waiting.deliveries > 0 OR s.consecutive_failures > 0 OR s.status <> 'active')
    ORDER BY s.breaker_until DESC NULLS LAST, waiting DESC, s.id LIMIT 100"""


def dead_letters(
    session: Session,
    *,
    subscription_id: uuid.UUID | None = None,
    event_id: uuid.UUID | None = None,
    sendable: bool | None = None,
    before_id: int | None = None,
    limit: int = 50,
) -> list[dict[str, Any]]:
    """Return deliveries that were given up and not sent again since, newest first.

    Args:
        sendable: Only those to subscriptions that are active, or that are not.
        before_id: The page before.
    """
    values = {"subscription_id": subscription_id, "event_id": event_id, "before_id": before_id, "limit": limit}
    values["sendable"] = sendable
    return [dict(row) for row in session.execute(text(_DEAD_LETTERS), values).mappings()]


def receivers(session: Session) -> list[dict[str, Any]]:
    """Return the subscriptions that something waits for or that do not simply work, the worst first."""
    return [dict(row) for row in session.execute(text(_RECEIVERS)).mappings()]

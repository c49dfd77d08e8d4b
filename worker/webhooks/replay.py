"""Sends events again: one event to one subscription, or everything that a subscription missed since a moment.

A replay is a new delivery with the same event id, so that receivers recognise events that they have seen.
"""

import uuid
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.errors import ConflictError, NotFoundError
from worker.webhooks.subscriptions import subscription_of

MAX_REPLAYS = 10_000

_REPLAY_ONE = text(
    """
    INSERT INTO webhook_deliveries (event_id, subscription_id, replay, next_attempt_at)
    SELECT e.id, :subscription_id, coalesce(max(d.replay) + 1, 0), now()
    FROM webhook_events e
    LEFT JOIN webhook_deliveries d ON d.event_id = e.id AND d.subscription_id = :subscription_id
    WHERE e.id = :event_id AND e.user_id = :user_id
      AND (e.subscription_id IS NULL OR e.subscription_id = :subscription_id)
    GROUP BY e.id
    RETURNING id
    """
)

# Missed: the filter matches, the event was never delivered, and no delivery of it waits. Oldest first.
_REPLAY_SINCE = text(
    """
    INSERT INTO webhook_deliveries (event_id, subscription_id, replay, next_attempt_at)
    SELECT e.id, s.id,
      coalesce((SELECT max(d.replay) + 1 FROM webhook_deliveries d
                WHERE d.event_id = e.id AND d.subscription_id = s.id), 0),
      now()
    FROM webhook_subscriptions s JOIN webhook_events e ON e.user_id = s.user_id
    WHERE s.id = :subscription_id AND e.occurred_at >= :since AND e.fanned_out_at IS NOT NULL
      AND (e.subscription_id IS NULL OR e.subscription_id = s.id)
      AND (e.subscription_id = s.id
           OR s.event_types && ARRAY['*', CAST(e.type AS text), split_part(e.type, '.', 1) || '.*'])
      AND NOT EXISTS (
        SELECT 1 FROM webhook_deliveries d WHERE d.event_id = e.id AND d.subscription_id = s.id
          AND d.state IN ('pending', 'leased', 'delivered'))
    ORDER BY e.sequence LIMIT :limit
    """
)


def replay_event(session: Session, user_id: int, subscription_id: uuid.UUID, event_id: uuid.UUID) -> int:
    """Send one event again, delivered before or not, and return the new delivery's id.

    Raises: NotFoundError, ConflictError when the subscription is not active.
    """
    _require_active(session, user_id, subscription_id)
    parameters = {"subscription_id": subscription_id, "event_id": event_id, "user_id": user_id}
    delivery_id = session.execute(_REPLAY_ONE, parameters).scalar_one_or_none()
    if delivery_id is None:
        raise NotFoundError(f"user {user_id} has no event {event_id} for subscription {subscription_id}")
    return int(delivery_id)


def replay_since(session: Session, user_id: int, subscription_id: uuid.UUID, since: datetime) -> int:
    """Queue what the subscription missed since a moment, once each, and return how many; `MAX_REPLAYS` at a time.

    Raises: NotFoundError, ConflictError when the subscription is not active.
    """
    _require_active(session, user_id, subscription_id)
    parameters = {"subscription_id": subscription_id, "since": since, "limit": MAX_REPLAYS}
    return session.execute(_REPLAY_SINCE, parameters).rowcount  # type: ignore[attr-defined, no-any-return]  # an INSERT


_REPLAY_DEAD = text(
    """
    INSERT INTO webhook_deliveries (event_id, subscription_id, replay, next_attempt_at)
    SELECT d.event_id, d.subscription_id, d.replay + 1, now()
    FROM webhook_deliveries d JOIN webhook_subscriptions s ON s.id = d.subscription_id AND s.status = 'active'
    WHERE d.state = 'dead' AND (CAST(:subscription_id AS uuid) IS NULL OR d.subscription_id = :subscription_id)
      AND NOT EXISTS (
        SELECT 1 FROM webhook_deliveries later WHERE later.event_id = d.event_id
          AND later.subscription_id = d.subscription_id AND later.replay > d.replay)
    ORDER BY d.id LIMIT :limit
    ON CONFLICT DO NOTHING
    """
)


def replay_dead(session: Session, subscription_id: uuid.UUID | None) -> int:
    """Queue dead letters again, the oldest `MAX_REPLAYS`, and return how many, for an operator.

    Args:
        subscription_id: Only of this subscription; None for all. Subscriptions that are not active are left out.
    """
    parameters = {"subscription_id": subscription_id, "limit": MAX_REPLAYS}
    return session.execute(_REPLAY_DEAD, parameters).rowcount  # type: ignore[attr-defined, no-any-return]  # an INSERT


def _require_active(session: Session, user_id: int, subscription_id: uuid.UUID) -> None:
    row = subscription_of(session, user_id, subscription_id, locked=True)
    if row.status != "active":
        raise ConflictError(f"subscription {subscription_id} is {row.status}; resume it first")

"""Queries of a user's events, their deliveries and attempts."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from worker.errors import NotFoundError
from worker.events import event_id
from worker.models import WebhookAttempt, WebhookDelivery, WebhookEvent, WebhookSubscription
from worker.webhooks.retry import DeliveryState

MAX_ROWS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFilter:
    """Which deliveries to list. None leaves a condition out.

    Attributes:
        older_than: Only deliveries with a smaller id.
    """

    state: DeliveryState | None = None
    subscription_id: uuid.UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    older_than: int | None = None


def events(
    session: Session, user_id: int, *, event_type: str | None = None, since: datetime | None = None, limit: int = 50
) -> list[dict[str, Any]]:
    """Return a user's events, newest first, as receivers would get them; `id` is what `replay` takes."""
    query = select(WebhookEvent).where(WebhookEvent.user_id == user_id)
    if event_type is not None:
        query = query.where(WebhookEvent.type == event_type)
    if since is not None:
        query = query.where(WebhookEvent.occurred_at >= since)
    rows = session.scalars(query.order_by(WebhookEvent.sequence.desc()).limit(min(limit, MAX_ROWS)))
    return [
        {
            "id": event_id(row.id),
            "sequence": row.sequence,
            "type": row.type,
            "occurred_at": row.occurred_at,
            "fanned_out_at": row.fanned_out_at,
            "data": row.data,
        }
        for row in rows
    ]


def deliveries(
    session: Session, user_id: int | None, wanted: DeliveryFilter, *, limit: int = 50
) -> list[dict[str, Any]]:
    """Return deliveries, newest first. `next_attempt_at` is set while one waits.

    Args:
        user_id: Whose deliveries; None returns everybody's, for an operator.
    """
    query = _narrow(_deliveries_of(user_id), wanted)
    rows = session.execute(query.order_by(WebhookDelivery.id.desc()).limit(min(limit, MAX_ROWS)))
    return [
        {
            "id": delivery.id,
            "event_id": event_id(delivery.event_id),
            "type": event.type,
            "subscription_id": delivery.subscription_id,
            "state": delivery.state,
            "attempt": delivery.attempt,
            "replay": delivery.replay,
            "code": delivery.last_code,
            "next_attempt_at": delivery.next_attempt_at if delivery.finished_at is None else None,
            "finished_at": delivery.finished_at,
        }
        for delivery, event in rows
    ]


def owner_of(session: Session, delivery_id: int) -> int:
    """Return whose delivery it is, for an operator who has only its id. Raises: NotFoundError."""
    query = select(WebhookSubscription.user_id).join(WebhookDelivery).where(WebhookDelivery.id == delivery_id)
    user_id = session.execute(query).scalar_one_or_none()
    if user_id is None:
        raise NotFoundError(f"there is no delivery {delivery_id}")
    return user_id


def attempts(session: Session, user_id: int, delivery_id: int) -> list[dict[str, Any]]:
    """Return every attempt of one delivery, oldest first; an attempt without `finished_at` has no known result.

    Raises: NotFoundError.
    """
    if session.execute(_deliveries_of(user_id).where(WebhookDelivery.id == delivery_id)).first() is None:
        raise NotFoundError(f"user {user_id} has no delivery {delivery_id}")
    rows: Sequence[WebhookAttempt] = session.scalars(
        select(WebhookAttempt).where(WebhookAttempt.delivery_id == delivery_id).order_by(WebhookAttempt.id)
    ).all()
    return [
        {
            "attempt": row.attempt,
            "started_at": row.started_at,
            "finished_at": row.finished_at,
            "code": row.code,
            "status_code": row.status_code,
            "duration_ms": row.duration_ms,
            "response_head": row.response_head,
        }
        for row in rows
    ]


def _deliveries_of(user_id: int | None) -> Select[WebhookDelivery, WebhookEvent]:
    query = (
        select(WebhookDelivery, WebhookEvent)
        .join(WebhookEvent, WebhookEvent.id == WebhookDelivery.event_id)
        .join(WebhookSubscription, WebhookSubscription.id == WebhookDelivery.subscription_id)
    )
    return query if user_id is None else query.where(WebhookSubscription.user_id == user_id)


def _narrow(
    query: Select[WebhookDelivery, WebhookEvent], wanted: DeliveryFilter
) -> Select[WebhookDelivery, WebhookEvent]:
    if wanted.state is not None:
        query = query.where(WebhookDelivery.state == wanted.state)
    if wanted.subscription_id is not None:
        query = query.where(WebhookDelivery.subscription_id == wanted.subscription_id)
    if wanted.since is not None:
        query = query.where(WebhookDelivery.created_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(WebhookDelivery.created_at < wanted.until)
    if wanted.older_than is not None:
        query = query.where(WebhookDelivery.id < wanted.older_than)
    return query

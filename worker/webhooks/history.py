"""Reading what happened: events, their deliveries, and every attempt. One user's at a time."""

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
class Narrowing:
    """Which deliveries to show; None leaves a question open."""

    state: DeliveryState | None = None
    subscription_id: uuid.UUID | None = None
    since: datetime | None = None
    until: datetime | None = None


def events(
    session: Session, user_id: int, *, event_type: str | None = None, since: datetime | None = None, limit: int = 50
) -> list[dict[str, Any]]:
    """Return a user's events, newest first, as receivers would get them; `id` is what `replay` takes."""
    question = select(WebhookEvent).where(WebhookEvent.user_id == user_id)
    if event_type is not None:
        question = question.where(WebhookEvent.type == event_type)
    if since is not None:
        question = question.where(WebhookEvent.occurred_at >= since)
    rows = session.scalars(question.order_by(WebhookEvent.sequence.desc()).limit(min(limit, MAX_ROWS)))
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


def deliveries(session: Session, user_id: int | None, narrowing: Narrowing, *, limit: int = 50) -> list[dict[str, Any]]:
    """Return a user's deliveries, newest first; everybody's for an operator, who names no user.

    `next_attempt_at` is set while one waits.
    """
    question = _narrowed(_deliveries_of(user_id), narrowing)
    rows = session.execute(question.order_by(WebhookDelivery.id.desc()).limit(min(limit, MAX_ROWS)))
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
    question = select(WebhookSubscription.user_id).join(WebhookDelivery).where(WebhookDelivery.id == delivery_id)
    user_id = session.execute(question).scalar_one_or_none()
    if user_id is None:
        raise NotFoundError(f"there is no delivery {delivery_id}")
    return user_id


def attempts(session: Session, user_id: int, delivery_id: int) -> list[dict[str, Any]]:
    """Return every attempt of one delivery, oldest first; an open one was never heard of again.

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
    question = (
        select(WebhookDelivery, WebhookEvent)
        .join(WebhookEvent, WebhookEvent.id == WebhookDelivery.event_id)
        .join(WebhookSubscription, WebhookSubscription.id == WebhookDelivery.subscription_id)
    )
    return question if user_id is None else question.where(WebhookSubscription.user_id == user_id)


def _narrowed(
    question: Select[WebhookDelivery, WebhookEvent], narrowing: Narrowing
) -> Select[WebhookDelivery, WebhookEvent]:
    if narrowing.state is not None:
        question = question.where(WebhookDelivery.state == narrowing.state)
    if narrowing.subscription_id is not None:
        question = question.where(WebhookDelivery.subscription_id == narrowing.subscription_id)
    if narrowing.since is not None:
        question = question.where(WebhookDelivery.created_at >= narrowing.since)
    if narrowing.until is not None:
        question = question.where(WebhookDelivery.created_at < narrowing.until)
    return question

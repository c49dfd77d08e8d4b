"""Webhook subscriptions, events, deliveries and attempts; reminder deliveries."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Identity, SmallInteger, String, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from worker.models.base import Base, FromZero, Now, SerialId, UserRef


class WebhookSubscription(Base):
    """A subscriber's URL, filter and sealed secret."""

    __tablename__ = "webhook_subscriptions"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UserRef]
    url: Mapped[str] = mapped_column(String(2048))
    description: Mapped[str | None] = mapped_column(String(500))
    event_types: Mapped[list[str]] = mapped_column(ARRAY(Text))
    api_version: Mapped[str] = mapped_column(String(20))
    status: Mapped[str] = mapped_column(String(10), server_default="active")
    status_code: Mapped[str | None] = mapped_column(String(40))
    secret_encrypted: Mapped[bytes]
    secret_version: Mapped[int] = mapped_column(server_default=text("1"))
    secret_key_id: Mapped[str] = mapped_column(String(64))
    secret_sealed_at: Mapped[Now]
    rate_limit_per_s: Mapped[int | None]
    rate_next_at: Mapped[datetime | None]
    breaker_until: Mapped[datetime | None]
    breaker_trips: Mapped[FromZero]
    consecutive_failures: Mapped[FromZero]
    first_failure_at: Mapped[datetime | None]
    last_failure_at: Mapped[datetime | None]
    last_success_at: Mapped[datetime | None]
    created_at: Mapped[Now]
    updated_at: Mapped[Now]


class WebhookEvent(Base):
    """Something that happened, written in the transaction that made it true."""

    __tablename__ = "webhook_events"

    id: Mapped[uuid.UUID] = mapped_column(server_default=text("finmind_uuid7()"), primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger, Identity())
    user_id: Mapped[UserRef]
    subscription_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("webhook_subscriptions.id", ondelete="CASCADE")
    )
    type: Mapped[str] = mapped_column(String(60))
    api_version: Mapped[str] = mapped_column(String(20))
    data: Mapped[dict[str, Any]]
    dedup_key: Mapped[str | None] = mapped_column(String(200))
    occurred_at: Mapped[Now]
    fanned_out_at: Mapped[datetime | None]


class WebhookInbox(Base):
    """An event another program wrote, before it is taken over.

    Attributes:
        refused_reason: Why it does not fit its type.
    """

    __tablename__ = "webhook_inbox"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, server_default=text("finmind_uuid7()"))
    user_id: Mapped[UserRef]
    type: Mapped[str] = mapped_column(String(60))
    data: Mapped[dict[str, Any]]
    dedup_key: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[Now]
    refused_reason: Mapped[str | None] = mapped_column(String(500))


class WebhookDelivery(Base):
    """One event for one subscription."""

    __tablename__ = "webhook_deliveries"

    id: Mapped[SerialId]
    event_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("webhook_events.id", ondelete="CASCADE"))
    subscription_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("webhook_subscriptions.id", ondelete="CASCADE"))
    replay: Mapped[FromZero]
    state: Mapped[str] = mapped_column(String(10), server_default="pending")
    attempt: Mapped[FromZero]
    next_attempt_at: Mapped[datetime | None]
    lease_token: Mapped[uuid.UUID | None]
    lease_expires_at: Mapped[datetime | None]
    last_status_code: Mapped[int | None] = mapped_column(SmallInteger)
    last_code: Mapped[str | None] = mapped_column(String(40))
    created_at: Mapped[Now]
    finished_at: Mapped[datetime | None]


class WebhookAttempt(Base):
    """One HTTP try of a delivery; written before the request."""

    __tablename__ = "webhook_attempts"

    id: Mapped[SerialId]
    delivery_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("webhook_deliveries.id", ondelete="CASCADE"))
    event_id: Mapped[uuid.UUID | None]
    attempt: Mapped[int]
    started_at: Mapped[Now]
    finished_at: Mapped[datetime | None]
    status_code: Mapped[int | None] = mapped_column(SmallInteger)
    code: Mapped[str | None] = mapped_column(String(40))
    duration_ms: Mapped[int | None]
    response_head: Mapped[str | None]

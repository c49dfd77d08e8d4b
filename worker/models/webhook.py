"""Webhook subscriptions, events, deliveries and attempts; reminder deliveries."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    desc,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from worker.models.base import Base, FromZero, Now, SerialId, UserRef


class WebhookSubscription(Base):
    """A subscriber's URL, filter and sealed secret."""

    __tablename__ = "webhook_subscriptions"
    __table_args__ = (
        CheckConstraint(
            "status IN ('active', 'paused', 'disabled', 'removed')", name="ck_webhook_subscriptions_status"
        ),
        CheckConstraint("rate_limit_per_s IS NULL OR rate_limit_per_s > 0", name="ck_webhook_subscriptions_rate"),
        CheckConstraint("cardinality(event_types) > 0", name="ck_webhook_subscriptions_event_types"),
        Index("idx_webhook_subscriptions_user", "user_id"),
        Index("idx_webhook_subscriptions_key", "secret_key_id"),
    )

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
    __table_args__ = (
        Index(
            "uq_webhook_events_dedup_key",
            "user_id",
            "type",
            "dedup_key",
            unique=True,
            postgresql_where=text("dedup_key IS NOT NULL"),
        ),
        Index("idx_webhook_events_relay", "sequence", postgresql_where=text("fanned_out_at IS NULL")),
        Index("idx_webhook_events_user", "user_id", "sequence"),
        Index("idx_webhook_events_age", "occurred_at", postgresql_using="brin"),
        Index(
            "idx_webhook_events_subscription", "subscription_id", postgresql_where=text("subscription_id IS NOT NULL")
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(server_default=text("finmind_uuid7()"), primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger, Identity(), unique=True)
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
    __table_args__ = (
        Index("idx_webhook_inbox_user", "user_id"),
        Index("idx_webhook_inbox_waiting", "created_at", postgresql_where=text("refused_reason IS NULL")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, server_default=text("finmind_uuid7()"))
    user_id: Mapped[UserRef]
    type: Mapped[str] = mapped_column(String(60))
    data: Mapped[dict[str, Any]]
    dedup_key: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[Now]
    refused_reason: Mapped[str | None] = mapped_column(String(500))


class WebhookEventBatch(Base):
    """The events of many expenses, written as one row and unpacked by the relay."""

    __tablename__ = "webhook_event_batches"
    __table_args__ = (Index("idx_webhook_event_batches_user", "user_id"),)

    id: Mapped[SerialId]
    user_id: Mapped[UserRef]
    type: Mapped[str] = mapped_column(String(60))
    api_version: Mapped[str] = mapped_column(String(20))
    items: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    occurred_at: Mapped[Now]


class WebhookDelivery(Base):
    """One event for one subscription."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        CheckConstraint(
            "state IN ('pending', 'leased', 'delivered', 'dead', 'cancelled')", name="ck_webhook_deliveries_state"
        ),
        CheckConstraint(
            "state NOT IN ('pending', 'leased') OR next_attempt_at IS NOT NULL", name="ck_webhook_deliveries_due"
        ),
        CheckConstraint(
            "(state = 'leased') = (lease_token IS NOT NULL) AND (lease_token IS NULL) = (lease_expires_at IS NULL)",
            name="ck_webhook_deliveries_lease",
        ),
        CheckConstraint(
            "(state IN ('delivered', 'dead', 'cancelled')) = (finished_at IS NOT NULL)",
            name="ck_webhook_deliveries_finished",
        ),
        UniqueConstraint("event_id", "subscription_id", "replay", name="uq_webhook_deliveries_event"),
        Index(
            "idx_webhook_deliveries_turn",
            "subscription_id",
            "next_attempt_at",
            "id",
            postgresql_where=text("state = 'pending'"),
        ),
        Index(
            "idx_webhook_deliveries_leased",
            "subscription_id",
            "lease_expires_at",
            postgresql_where=text("state = 'leased'"),
        ),
        Index("idx_webhook_deliveries_dead", "id", postgresql_where=text("state = 'dead'")),
        Index("idx_webhook_deliveries_subscription", "subscription_id", desc("id")),
    )

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
    __table_args__ = (Index("idx_webhook_attempts_delivery", "delivery_id", "id"),)

    id: Mapped[SerialId]
    delivery_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("webhook_deliveries.id", ondelete="CASCADE"))
    attempt: Mapped[int]
    started_at: Mapped[Now]
    finished_at: Mapped[datetime | None]
    status_code: Mapped[int | None] = mapped_column(SmallInteger)
    code: Mapped[str | None] = mapped_column(String(40))
    duration_ms: Mapped[int | None]
    response_head: Mapped[str | None]


class ReminderDelivery(Base):
    """The sending of one reminder by e-mail."""

    __tablename__ = "reminder_deliveries"
    __table_args__ = (
        CheckConstraint("state IN ('pending', 'leased', 'sent', 'dead')", name="ck_reminder_deliveries_state"),
        CheckConstraint("(state = 'sent') = (sent_at IS NOT NULL)", name="ck_reminder_deliveries_sent"),
        Index(
            "idx_reminder_deliveries_due", "next_attempt_at", postgresql_where=text("state IN ('pending', 'leased')")
        ),
    )

    reminder_id: Mapped[int] = mapped_column(
        ForeignKey("reminders.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    state: Mapped[str] = mapped_column(String(10), server_default="pending")
    attempt: Mapped[FromZero]
    next_attempt_at: Mapped[datetime | None]
    lease_token: Mapped[uuid.UUID | None]
    lease_expires_at: Mapped[datetime | None]
    last_code: Mapped[str | None] = mapped_column(String(40))
    sent_at: Mapped[datetime | None]
    created_at: Mapped[Now]

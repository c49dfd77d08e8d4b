"""The tables of notices that providers sent by webhook, of their keys, and of mails that warn people."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    PrimaryKeyConstraint,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from worker.models.base import Base, ConnectionRef, FromZero, Now, SerialId, UserRef


class ReceivedNotice(Base):
    """One verified webhook of a provider, until it is old.

    Attributes:
        secret_encrypted: One-time tokens of a finished link.
    """

    __tablename__ = "provider_notices"
    __table_args__ = (
        UniqueConstraint("delivery_digest", name="uq_provider_notices_delivery"),
        CheckConstraint(
            "action IN ('refresh', 'needs_user', 'access_ending', 'new_accounts', 'account_revoked', 'link_finished',"
            " 'none')",
            name="ck_provider_notices_action",
        ),
        CheckConstraint("(handled_at IS NULL) = (result IS NULL)", name="ck_provider_notices_handled"),
        CheckConstraint(
            "(secret_encrypted IS NULL) = (secret_key_id IS NULL)"
            " AND (secret_encrypted IS NULL OR user_id IS NOT NULL AND handled_at IS NULL)",
            name="ck_provider_notices_secret",
        ),
        Index("idx_provider_notices_waiting", "not_before", postgresql_where=text("handled_at IS NULL")),
        Index(
            "idx_provider_notices_login",
            "connector_name",
            "login_ref",
            "action",
            postgresql_where=text("handled_at IS NULL"),
        ),
        Index("idx_provider_notices_handled", "handled_at", postgresql_where=text("handled_at IS NOT NULL")),
        Index("idx_provider_notices_user", "user_id", postgresql_where=text("user_id IS NOT NULL")),
        Index("idx_provider_notices_key", "secret_key_id", postgresql_where=text("secret_key_id IS NOT NULL")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))
    connector_name: Mapped[str] = mapped_column(String(50))
    login_ref: Mapped[str] = mapped_column(String(255))
    action: Mapped[str] = mapped_column(String(20))
    code: Mapped[str] = mapped_column(String(100))
    account_external_id: Mapped[str | None] = mapped_column(String(255))
    reason: Mapped[str | None] = mapped_column(String(40))
    repaired: Mapped[bool] = mapped_column(server_default=text("false"))
    works_until: Mapped[datetime | None]
    delivery_digest: Mapped[bytes]
    issued_at: Mapped[datetime]
    received_at: Mapped[Now]
    not_before: Mapped[Now]
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    secret_encrypted: Mapped[bytes | None]
    secret_version: Mapped[int] = mapped_column(server_default=text("1"))
    secret_key_id: Mapped[str | None] = mapped_column(String(64))
    secret_sealed_at: Mapped[datetime | None]
    handled_at: Mapped[datetime | None]
    result: Mapped[str | None] = mapped_column(String(20))
    run_id: Mapped[uuid.UUID | None]


class ProviderWebhookKey(Base):
    """A public key with which a provider signs its webhooks."""

    __tablename__ = "provider_webhook_keys"
    __table_args__ = (PrimaryKeyConstraint("connector_name", "key_id", name="pk_provider_webhook_keys"),)

    connector_name: Mapped[str] = mapped_column(String(50))
    key_id: Mapped[str] = mapped_column(String(100))
    key: Mapped[dict[str, Any]]
    fetched_at: Mapped[datetime]


class ConnectionWarning(Base):
    """One e-mail to a person about a connection."""

    __tablename__ = "connection_warnings"
    __table_args__ = (
        UniqueConstraint("connection_id", "cause", name="uq_connection_warnings_cause"),
        CheckConstraint("kind IN ('consent_ends', 'needs_user')", name="ck_connection_warnings_kind"),
        CheckConstraint(
            "state IN ('pending', 'leased', 'sent', 'dead', 'obsolete')", name="ck_connection_warnings_state"
        ),
        CheckConstraint("(state = 'sent') = (sent_at IS NOT NULL)", name="ck_connection_warnings_sent"),
        Index(
            "idx_connection_warnings_due",
            "next_attempt_at",
            postgresql_where=text("state IN ('pending', 'leased')"),
        ),
        Index("idx_connection_warnings_user", "user_id"),
    )

    id: Mapped[SerialId]
    connection_id: Mapped[ConnectionRef]
    user_id: Mapped[UserRef]
    kind: Mapped[str] = mapped_column(String(20))
    cause: Mapped[str] = mapped_column(String(120))
    consent_expires_at: Mapped[datetime | None]
    state: Mapped[str] = mapped_column(String(10), server_default="pending")
    attempt: Mapped[FromZero]
    next_attempt_at: Mapped[Now]
    lease_token: Mapped[uuid.UUID | None]
    last_code: Mapped[str | None] = mapped_column(String(40))
    sent_at: Mapped[datetime | None]
    created_at: Mapped[Now]

"""Connections and their accounts."""

import uuid
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, DATEMULTIRANGE
from sqlalchemy.orm import Mapped, mapped_column

from worker.models.base import Base, ConnectionRef, FromZero, Now, SerialId, UserRef


class BankConnection(Base):
    """One user's authorised link through a connector, with its sealed config and its schedule."""

    __tablename__ = "bank_connections"
    __table_args__ = (
        CheckConstraint(
            "status IN ('active', 'needs_user', 'paused', 'error', 'disconnected')", name="ck_bank_connections_status"
        ),
        CheckConstraint("(config_encrypted IS NULL) = (status = 'disconnected')", name="ck_bank_connections_config"),
        CheckConstraint("(config_encrypted IS NULL) = (config_key_id IS NULL)", name="ck_bank_connections_key"),
        CheckConstraint("(problem_code IS NULL) = (problem_since_at IS NULL)", name="ck_bank_connections_problem"),
        CheckConstraint("(answer_digest IS NULL) = (answer_run_id IS NULL)", name="ck_bank_connections_answer"),
        CheckConstraint(
            "refresh_interval IS NULL OR refresh_interval >= INTERVAL '1 minute'",
            name="ck_bank_connections_refresh_interval",
        ),
        CheckConstraint(
            "(refresh_from_hour IS NULL) = (refresh_until_hour IS NULL)"
            " AND refresh_from_hour BETWEEN 0 AND 23 AND refresh_until_hour BETWEEN 0 AND 23",
            name="ck_bank_connections_refresh_hours",
        ),
        Index("idx_bank_connections_user", "user_id"),
        Index(
            "idx_bank_connections_bank",
            "institution_name",
            "connector_name",
            postgresql_where=text("institution_name IS NOT NULL"),
        ),
        Index("idx_bank_connections_in_order", "created_at", "id"),
        Index(
            "idx_bank_connections_trouble",
            "created_at",
            "id",
            postgresql_where=text(
                "status IN ('needs_user', 'error') OR consecutive_failures > 0"
                " OR (problem_code IS NOT NULL AND status <> 'disconnected')"
            ),
        ),
        Index(
            "idx_bank_connections_ready",
            "connector_name",
            text("(GREATEST(next_refresh_at, rate_limited_until))"),
            "id",
            postgresql_where=text("status = 'active' AND next_refresh_at IS NOT NULL"),
        ),
        Index(
            "idx_bank_connections_login_ref",
            "connector_name",
            "login_ref",
            postgresql_where=text("login_ref IS NOT NULL"),
        ),
        Index("idx_bank_connections_key", "config_key_id", postgresql_where=text("config_key_id IS NOT NULL")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UserRef]
    connector_name: Mapped[str] = mapped_column(String(50))
    display_name: Mapped[str] = mapped_column(String(200))
    institution_name: Mapped[str | None] = mapped_column(String(200))
    institution_chosen: Mapped[bool] = mapped_column(server_default=text("false"))
    outage_scope: Mapped[str] = mapped_column(String(200), server_default=text("''"))
    login_ref: Mapped[str | None] = mapped_column(String(255))
    linked_at: Mapped[Now]
    webhook_url: Mapped[str | None] = mapped_column(String(2048))
    webhook_seen_at: Mapped[datetime | None]
    new_accounts_at: Mapped[datetime | None]
    status: Mapped[str] = mapped_column(String(20), server_default="active")
    status_code: Mapped[str | None] = mapped_column(String(40))
    status_message: Mapped[str | None] = mapped_column(String(500))
    config_encrypted: Mapped[bytes | None]
    config_version: Mapped[int] = mapped_column(server_default=text("1"))
    config_key_id: Mapped[str | None] = mapped_column(String(64))
    config_sealed_at: Mapped[datetime | None]
    options: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    link_epoch: Mapped[int] = mapped_column(server_default=text("1"))
    cursor: Mapped[str | None]
    refresh_interval: Mapped[timedelta | None] = mapped_column(server_default=text("'24:00:00'::interval"))
    refresh_from_hour: Mapped[int | None] = mapped_column(SmallInteger)
    refresh_until_hour: Mapped[int | None] = mapped_column(SmallInteger)
    next_refresh_at: Mapped[datetime | None]
    rate_limited_until: Mapped[datetime | None]
    rate_limit_code: Mapped[str | None] = mapped_column(String(40))
    consent_expires_at: Mapped[datetime | None]
    consent_warned_days: Mapped[int | None] = mapped_column(SmallInteger)
    consecutive_failures: Mapped[FromZero]
    last_failure_code: Mapped[str | None] = mapped_column(String(40))
    last_failure_at: Mapped[datetime | None]
    last_good_run_id: Mapped[uuid.UUID | None]
    last_good_at: Mapped[datetime | None]
    answer_digest: Mapped[bytes | None]
    answer_run_id: Mapped[uuid.UUID | None]
    problem_code: Mapped[str | None] = mapped_column(String(40))
    problem_message: Mapped[str | None] = mapped_column(String(1000))
    problem_since_at: Mapped[datetime | None]
    created_at: Mapped[Now]
    updated_at: Mapped[Now]


class BankAccount(Base):
    """One account of a person, above the accounts of connections that are its sources."""

    __tablename__ = "bank_accounts"
    __table_args__ = (Index("idx_bank_accounts_user", "user_id"),)

    id: Mapped[SerialId]
    user_id: Mapped[UserRef]
    name: Mapped[str] = mapped_column(String(200))
    institution_name: Mapped[str | None] = mapped_column(String(200))
    account_type: Mapped[str] = mapped_column(String(20), server_default="unknown")
    mask: Mapped[str | None] = mapped_column(String(10))
    currency: Mapped[str | None] = mapped_column(String(10))
    anchors: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'::text[]"))
    created_at: Mapped[Now]


class BankConnectionAccount(Base):
    """One account as a connection lists it: a source of a person's account, with cursor, watermark and balance."""

    __tablename__ = "bank_connection_accounts"
    __table_args__ = (
        CheckConstraint(
            "status IN ('active', 'waiting', 'missing', 'unsupported', 'closed')",
            name="ck_bank_connection_accounts_status",
        ),
        CheckConstraint(
            "id_class IS NULL OR id_class IN ('stable', 'session', 'positional', 'delivery', 'none')",
            name="ck_bank_connection_accounts_id_class",
        ),
        CheckConstraint("(opening_amount IS NULL) = (opening_on IS NULL)", name="ck_bank_connection_accounts_opening"),
        CheckConstraint(
            "(problem_code IS NULL) = (problem_since_at IS NULL)", name="ck_bank_connection_accounts_problem"
        ),
        CheckConstraint("lateness_days >= 0", name="ck_bank_connection_accounts_lateness"),
        UniqueConstraint("connection_id", "external_id", name="uq_bank_connection_accounts_external_id"),
        UniqueConstraint("connection_id", "anchor", "currency", name="uq_bank_connection_accounts_anchor"),
        Index(
            "idx_bank_connection_accounts_same_as",
            "same_as_account_id",
            postgresql_where=text("same_as_account_id IS NOT NULL"),
        ),
        Index("idx_bank_connection_accounts_user", "user_id"),
        Index("idx_bank_connection_accounts_bank_account", "bank_account_id"),
    )

    id: Mapped[SerialId]
    connection_id: Mapped[ConnectionRef]
    user_id: Mapped[UserRef]
    external_id: Mapped[str] = mapped_column(String(255))
    former_external_ids: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'::text[]"))
    anchor: Mapped[str | None] = mapped_column(String(100))
    id_class: Mapped[str | None] = mapped_column(String(12))
    name: Mapped[str] = mapped_column(String(200))
    institution_name: Mapped[str | None] = mapped_column(String(200))
    account_type: Mapped[str] = mapped_column(String(20), server_default="unknown")
    mask: Mapped[str | None] = mapped_column(String(10))
    currency: Mapped[str | None] = mapped_column(String(10))
    status: Mapped[str] = mapped_column(String(20), server_default="active")
    status_code: Mapped[str | None] = mapped_column(String(40))
    included: Mapped[bool] = mapped_column(server_default=text("true"))
    inverted: Mapped[bool] = mapped_column(server_default=text("false"))
    problem_code: Mapped[str | None] = mapped_column(String(40))
    problem_message: Mapped[str | None] = mapped_column(String(1000))
    problem_since_at: Mapped[datetime | None]
    balance_amount: Mapped[Decimal | None]
    balance_kind: Mapped[str | None] = mapped_column(String(20))
    balance_at: Mapped[datetime | None]
    opening_amount: Mapped[Decimal | None]
    opening_on: Mapped[date | None]
    opening_balance: Mapped[Decimal | None]
    opening_balance_on: Mapped[date | None]
    opening_pending: Mapped[Decimal] = mapped_column(server_default=text("0"))
    cursor: Mapped[str | None]
    watermark_on: Mapped[date | None]
    history_from_on: Mapped[date | None]
    history_complete: Mapped[bool] = mapped_column(server_default=text("false"))
    lateness_days: Mapped[FromZero]
    same_as_account_id: Mapped[int | None] = mapped_column(
        BigInteger, ForeignKey("bank_connection_accounts.id", ondelete="SET NULL")
    )
    days_at: Mapped[time | None]
    bank_account_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("bank_accounts.id", ondelete="SET NULL"))
    leads_from_on: Mapped[date | None]
    unread_days: Mapped[str] = mapped_column(DATEMULTIRANGE, server_default=text("'{}'"), deferred=True)
    currency_assumed: Mapped[str | None] = mapped_column(String(3))
    last_seen_at: Mapped[datetime | None]
    created_at: Mapped[Now]
    updated_at: Mapped[Now]

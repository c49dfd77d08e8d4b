"""Allowances, circuits, heartbeats and the credential audit."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Double,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from worker.models.base import Base, FromZero, Now, SerialId


class BankQuotaUsage(Base):
    """Calls used of a provider's allowance in one window."""

    __tablename__ = "bank_quota_usage"
    __table_args__ = (
        CheckConstraint("calls_used >= 0 AND calls_limit >= 0", name="ck_bank_quota_usage_calls"),
        CheckConstraint("window_s > 0 AND window_ends_at > window_started_at", name="ck_bank_quota_usage_window"),
        UniqueConstraint(
            "connector_name",
            "connection_id",
            "account_external_id",
            "endpoint",
            "window_s",
            "window_started_at",
            name="uq_bank_quota_usage_window",
            postgresql_nulls_not_distinct=True,
        ),
        Index("idx_bank_quota_usage_connection", "connection_id", "window_ends_at"),
    )

    id: Mapped[SerialId]
    connector_name: Mapped[str] = mapped_column(String(50))
    connection_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("bank_connections.id", ondelete="CASCADE"))
    account_external_id: Mapped[str | None] = mapped_column(String(255))
    endpoint: Mapped[str] = mapped_column(String(50))
    window_s: Mapped[int]
    window_started_at: Mapped[datetime]
    window_ends_at: Mapped[datetime]
    calls_limit: Mapped[int]
    calls_used: Mapped[FromZero]
    updated_at: Mapped[Now]


class BankConnectorCircuit(Base):
    """Whether a provider, a bank of it, or a server of one's own is down for everyone.

    Attributes:
        scope: The bank or the server; empty: the provider itself.
        failed_users: Users for whom it failed since it last answered.
    """

    __tablename__ = "bank_connector_circuits"
    __table_args__ = (
        CheckConstraint("state IN ('closed', 'open', 'half_open')", name="ck_bank_connector_circuits_state"),
        CheckConstraint("state = 'closed' OR open_until IS NOT NULL", name="ck_bank_connector_circuits_open"),
        PrimaryKeyConstraint("connector_name", "scope", name="pk_bank_connector_circuits"),
    )

    connector_name: Mapped[str] = mapped_column(String(50))
    scope: Mapped[str] = mapped_column(String(200), server_default=text("''"))
    state: Mapped[str] = mapped_column(String(10), server_default="closed")
    consecutive_failures: Mapped[FromZero]
    failed_users: Mapped[list[int]] = mapped_column(ARRAY(Integer), server_default=text("'{}'"))
    opened_at: Mapped[datetime | None]
    open_until: Mapped[datetime | None]
    trips: Mapped[FromZero]
    last_code: Mapped[str | None] = mapped_column(String(40))
    updated_at: Mapped[Now]


class WorkerHeartbeat(Base):
    """The last heartbeat of a component of the worker."""

    __tablename__ = "worker_heartbeats"

    component: Mapped[str] = mapped_column(String(100), primary_key=True)
    detail: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    seen_at: Mapped[Now]


class RunActivity(Base):
    """What happened in one hour; without a connector name: of all connectors together."""

    __tablename__ = "run_activity"
    __table_args__ = (PrimaryKeyConstraint("hour_at", "connector_name", name="pk_run_activity"),)

    hour_at: Mapped[datetime]
    connector_name: Mapped[str] = mapped_column(String(50))
    succeeded: Mapped[FromZero]
    partial: Mapped[FromZero]
    failed: Mapped[FromZero]
    cancelled: Mapped[FromZero]
    rows_changed: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    wait_p95_s: Mapped[float | None] = mapped_column(Double)
    run_p50_s: Mapped[float | None] = mapped_column(Double)
    run_p95_s: Mapped[float | None] = mapped_column(Double)
    connections: Mapped[int | None]
    fresh: Mapped[int | None]


class CredentialAudit(Base):
    """Who touched a credential, and what operators did; append-only."""

    __tablename__ = "credential_audit"
    __table_args__ = (
        CheckConstraint(
            "action IN ('sealed', 'opened', 'replaced', 'rotated', 'removed', 'revoked', 'refused',"
            " 'operated', 'viewed')",
            name="ck_credential_audit_action",
        ),
        Index("idx_credential_audit_subject", "row_id"),
        Index("idx_credential_audit_age", "at", postgresql_using="brin"),
        Index(
            "idx_credential_audit_openings",
            "row_id",
            postgresql_where=text("action = 'opened' AND starts_with(actor, 'run:')"),
        ),
    )

    id: Mapped[SerialId]
    at: Mapped[Now]
    actor: Mapped[str] = mapped_column(String(100))
    action: Mapped[str] = mapped_column(String(20))
    table_name: Mapped[str] = mapped_column(String(63))
    row_id: Mapped[str] = mapped_column(String(64))
    user_id: Mapped[int | None]
    key_id: Mapped[str | None] = mapped_column(String(64))
    detail: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))

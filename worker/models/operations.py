"""Allowances, circuits, heartbeats and the credential audit."""

from datetime import datetime
from typing import Any

from sqlalchemy import Integer, String, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from worker.models.base import Base, ConnectionRef, FromZero, Now, SerialId


class BankQuotaUsage(Base):
    """Calls used of a provider's allowance in one window."""

    __tablename__ = "bank_quota_usage"

    id: Mapped[SerialId]
    connector_name: Mapped[str] = mapped_column(String(50))
    connection_id: Mapped[ConnectionRef | None]
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

    connector_name: Mapped[str] = mapped_column(String(50), primary_key=True)
    scope: Mapped[str] = mapped_column(String(200), primary_key=True, server_default=text("''"))
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


class CredentialAudit(Base):
    """Who touched a credential, and what operators did; append-only."""

    __tablename__ = "credential_audit"

    id: Mapped[SerialId]
    at: Mapped[Now]
    actor: Mapped[str] = mapped_column(String(100))
    action: Mapped[str] = mapped_column(String(20))
    table_name: Mapped[str] = mapped_column(String(63))
    row_id: Mapped[str] = mapped_column(String(64))
    user_id: Mapped[int | None]
    key_id: Mapped[str | None] = mapped_column(String(64))
    detail: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))

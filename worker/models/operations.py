"""Allowances, circuits, heartbeats and the credential audit."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Double, Integer, String, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
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


class RunActivity(Base):
    """What happened in one hour; without a connector name: of all connectors together.

    Attributes:
        outcomes, run_seconds, wait_seconds: Of all connectors together: the rows of the queries of these names in
            `worker.runs.activity`.
    """

    __tablename__ = "run_activity"

    hour_at: Mapped[datetime] = mapped_column(primary_key=True)
    connector_name: Mapped[str] = mapped_column(String(50), primary_key=True)
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
    outcomes: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB)
    run_seconds: Mapped[list[dict[str, int]] | None] = mapped_column(JSONB)
    wait_seconds: Mapped[list[dict[str, int]] | None] = mapped_column(JSONB)


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

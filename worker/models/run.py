"""Import runs and what they did per account."""

import uuid
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    SmallInteger,
    String,
    UniqueConstraint,
    desc,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from worker.models.base import Base, ConnectionRef, FromZero, Now, SerialId, UserRef


class CountColumns:
    """The columns of `worker.runs.states.Counts`."""

    pages: Mapped[FromZero]
    fetched: Mapped[FromZero]
    created: Mapped[FromZero]
    updated: Mapped[FromZero]
    unchanged: Mapped[FromZero]
    linked: Mapped[FromZero]
    removed: Mapped[FromZero]
    rejected: Mapped[FromZero]
    suggested: Mapped[FromZero]
    delivered: Mapped[FromZero]
    accounted: Mapped[FromZero]


class BankImportRun(CountColumns, Base):
    """One execution for one connection: its request, its lease and its result.

    Attributes:
        claimed_at: When the newest attempt began.
        requests: What the newest attempt asked the bank, as `worker.runs.attempt_log` writes it.
        earlier_attempts: The attempts before it.
    """

    __tablename__ = "bank_import_runs"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('import', 'refresh', 'revert', 'replay', 'unmatch', 'move', 'dismiss')",
            name="ck_bank_import_runs_kind",
        ),
        CheckConstraint("trigger IN ('user', 'schedule', 'webhook', 'retry')", name="ck_bank_import_runs_trigger"),
        CheckConstraint(
            "status IN ('queued', 'running', 'succeeded', 'partial', 'deferred', 'failed', 'cancelled')",
            name="ck_bank_import_runs_status",
        ),
        CheckConstraint(
            "(status = 'running') = (lease_token IS NOT NULL) AND (lease_token IS NULL) = (lease_expires_at IS NULL)",
            name="ck_bank_import_runs_lease",
        ),
        CheckConstraint(
            "(status IN ('succeeded', 'partial', 'failed', 'cancelled')) = (finished_at IS NOT NULL)"
            " AND (finished_at IS NULL OR code IS NOT NULL)",
            name="ck_bank_import_runs_closed",
        ),
        CheckConstraint("status <> 'deferred' OR not_before IS NOT NULL", name="ck_bank_import_runs_deferred"),
        CheckConstraint("from_on IS NULL OR to_on IS NULL OR from_on <= to_on", name="ck_bank_import_runs_window"),
        CheckConstraint(
            "kind NOT IN ('revert', 'replay') OR target_run_id IS NOT NULL", name="ck_bank_import_runs_target"
        ),
        UniqueConstraint("connection_id", "scheduled_for", name="uq_bank_import_runs_slot"),
        Index("uq_bank_import_runs_running", "connection_id", unique=True, postgresql_where=text("status = 'running'")),
        Index(
            "uq_bank_import_runs_waiting",
            "connection_id",
            unique=True,
            postgresql_where=text("status IN ('queued', 'deferred')"),
        ),
        Index("idx_bank_import_runs_connection", "connection_id", desc("queued_at")),
        Index("idx_bank_import_runs_user", "user_id", desc("queued_at")),
        Index("idx_bank_import_runs_in_order", "queued_at", "id"),
        Index(
            "idx_bank_import_runs_trouble",
            "code",
            "queued_at",
            "id",
            postgresql_where=text("code NOT IN ('ok', 'nothing_new')"),
        ),
        Index("idx_bank_import_runs_kind", "kind", "queued_at", "id", postgresql_where=text("kind <> 'refresh'")),
        Index(
            "idx_bank_import_runs_longest",
            text("(EXTRACT(EPOCH FROM finished_at - started_at))"),
            "queued_at",
            "id",
            postgresql_where=text("EXTRACT(EPOCH FROM finished_at - started_at) > 5"),
        ),
        Index("idx_bank_import_runs_message", "queued_at", "id", postgresql_where=text("message IS NOT NULL")),
        Index(
            "idx_bank_import_runs_most_changed",
            text("(created + updated + linked + removed)"),
            "queued_at",
            "id",
            postgresql_where=text("created + updated + linked + removed > 0"),
        ),
        Index(
            "idx_bank_import_runs_due",
            text("(CASE trigger WHEN 'schedule' THEN 0 ELSE 1 END)"),
            text("(COALESCE(not_before, queued_at))"),
            postgresql_where=text("status IN ('queued', 'deferred') AND dispatched_at IS NULL"),
        ),
        Index(
            "idx_bank_import_runs_published",
            "dispatched_at",
            postgresql_where=text("status IN ('queued', 'deferred') AND dispatched_at IS NOT NULL"),
        ),
        Index("idx_bank_import_runs_running", "user_id", postgresql_where=text("status = 'running'")),
        Index("idx_bank_import_runs_finished", "finished_at", postgresql_where=text("finished_at IS NOT NULL")),
        Index(
            "idx_bank_import_runs_quiet",
            "finished_at",
            postgresql_where=text(
                "finished_at IS NOT NULL AND created + updated + linked + removed + rejected + suggested = 0"
                " AND NOT dry_run"
            ),
        ),
        Index("idx_bank_import_runs_dry", "finished_at", postgresql_where=text("dry_run")),
        Index("idx_bank_import_runs_target", "target_run_id", postgresql_where=text("target_run_id IS NOT NULL")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    connection_id: Mapped[ConnectionRef]
    user_id: Mapped[UserRef]
    kind: Mapped[str] = mapped_column(String(10))
    trigger: Mapped[str] = mapped_column(String(12))
    account_external_id: Mapped[str | None] = mapped_column(String(255))
    from_on: Mapped[date | None]
    to_on: Mapped[date | None]
    dry_run: Mapped[bool] = mapped_column(server_default=text("false"))
    reimport: Mapped[bool] = mapped_column(server_default=text("false"))
    target_run_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("bank_import_runs.id", ondelete="CASCADE"))
    scheduled_for: Mapped[datetime | None]
    status: Mapped[str] = mapped_column(String(10), server_default="queued")
    code: Mapped[str | None] = mapped_column(String(40))
    message: Mapped[str | None] = mapped_column(String(1000))
    attempt: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    queued_at: Mapped[Now]
    not_before: Mapped[datetime | None]
    dispatched_at: Mapped[datetime | None]
    dispatch_count: Mapped[FromZero]
    started_at: Mapped[datetime | None]
    heartbeat_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    cancel_requested_at: Mapped[datetime | None]
    lease_token: Mapped[uuid.UUID | None]
    lease_expires_at: Mapped[datetime | None]
    worker_name: Mapped[str | None] = mapped_column(String(200))
    accounts_total: Mapped[FromZero]
    accounts_done: Mapped[FromZero]
    read_from_on: Mapped[date | None]
    read_to_on: Mapped[date | None]
    part_days: Mapped[int | None]
    report: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    trace_context: Mapped[str | None] = mapped_column(String(512))
    claimed_at: Mapped[datetime | None]
    requests: Mapped[dict[str, Any] | None] = mapped_column(deferred=True)
    earlier_attempts: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB, deferred=True)


class BankRecording(Base):
    """A run whose exchanges with the bank are kept.

    Attributes:
        scrub_key: The secret by which they are scrubbed, the same for all recordings of a connection.
        content: The recording's file, gzip.
        problem: Why there is none.
    """

    __tablename__ = "bank_recordings"
    __table_args__ = (
        CheckConstraint(
            "(finished_at IS NOT NULL) = ((content IS NULL) <> (problem IS NULL))", name="ck_bank_recordings_finished"
        ),
        Index("idx_bank_recordings_connection", "connection_id", desc("requested_at")),
        Index("idx_bank_recordings_user", "user_id"),
    )

    run_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("bank_import_runs.id", ondelete="CASCADE"), primary_key=True)
    connection_id: Mapped[ConnectionRef]
    user_id: Mapped[UserRef]
    scrub_key: Mapped[bytes]
    content: Mapped[bytes | None]
    problem: Mapped[str | None] = mapped_column(String(200))
    requested_at: Mapped[Now]
    finished_at: Mapped[datetime | None]


class BankImportRunAccount(CountColumns, Base):
    """What one run did for one account."""

    __tablename__ = "bank_import_run_accounts"
    __table_args__ = (
        CheckConstraint("status IN ('succeeded', 'partial', 'failed')", name="ck_bank_import_run_accounts_status"),
        UniqueConstraint("run_id", "account_id", name="uq_bank_import_run_accounts"),
        Index("idx_bank_import_run_accounts_latest", "account_id", "id"),
    )

    id: Mapped[SerialId]
    run_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("bank_import_runs.id", ondelete="CASCADE"))
    account_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("bank_connection_accounts.id", ondelete="CASCADE"))
    from_on: Mapped[date | None]
    to_on: Mapped[date | None]
    status: Mapped[str] = mapped_column(String(10))
    code: Mapped[str] = mapped_column(String(40))
    message: Mapped[str | None] = mapped_column(String(1000))
    cursor_before: Mapped[str | None]
    cursor_after: Mapped[str | None]
    balance_proof: Mapped[dict[str, Any] | None]
    finished_at: Mapped[Now]

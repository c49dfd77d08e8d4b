"""Import runs and what they did per account."""

import uuid
from datetime import date, datetime
from typing import Any

from sqlalchemy import SmallInteger, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from worker.models.base import Base, ConnectionRef, FromZero, Now, RunRef, SerialId, SourceRef, UserRef


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
        connector_name: That of the connection, so that each connector's runs wait apart; none on runs of before r0048.
    """

    __tablename__ = "bank_import_runs"

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
    target_run_id: Mapped[RunRef | None]
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
    connector_name: Mapped[str | None] = mapped_column(String(50))


class BankImportRunAccount(CountColumns, Base):
    """What one run did for one account."""

    __tablename__ = "bank_import_run_accounts"

    id: Mapped[SerialId]
    run_id: Mapped[RunRef]
    account_id: Mapped[SourceRef]
    from_on: Mapped[date | None]
    to_on: Mapped[date | None]
    status: Mapped[str] = mapped_column(String(10))
    code: Mapped[str] = mapped_column(String(40))
    message: Mapped[str | None] = mapped_column(String(1000))
    cursor_before: Mapped[str | None] = mapped_column(deferred=True)
    cursor_after: Mapped[str | None]
    balance_proof: Mapped[dict[str, Any] | None]
    finished_at: Mapped[Now]

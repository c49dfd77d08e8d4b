"""Attempts to link a bank through the user's browser."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from worker.models.base import Base, Now, UserRef


class BankLinkAttempt(Base):
    """One attempt to link a bank through its pages, for a new connection or to renew one in place."""

    __tablename__ = "bank_link_attempts"
    __table_args__ = (
        CheckConstraint("status IN ('started', 'exchanging', 'linked', 'failed')", name="ck_bank_link_attempts_status"),
        CheckConstraint("status <> 'linked' OR connection_id IS NOT NULL", name="ck_bank_link_attempts_linked"),
        CheckConstraint(
            "(status IN ('linked', 'failed')) = (finished_at IS NOT NULL)", name="ck_bank_link_attempts_finished"
        ),
        UniqueConstraint("state_hash", name="uq_bank_link_attempts_state"),
        Index("idx_bank_link_attempts_user", "user_id"),
        Index("idx_bank_link_attempts_connection", "connection_id", postgresql_where=text("connection_id IS NOT NULL")),
        Index(
            "idx_bank_link_attempts_provider_ref",
            "connector_name",
            "provider_ref",
            postgresql_where=text("provider_ref IS NOT NULL"),
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UserRef]
    connector_name: Mapped[str] = mapped_column(String(50))
    connection_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("bank_connections.id", ondelete="CASCADE"))
    renews: Mapped[bool] = mapped_column(server_default=text("false"))
    state_hash: Mapped[bytes]
    status: Mapped[str] = mapped_column(String(12), server_default="started")
    provider_ref: Mapped[str | None] = mapped_column(String(255))
    details: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    created_at: Mapped[Now]
    expires_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]

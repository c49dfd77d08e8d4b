"""Attempts to link a bank through the user's browser."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import String, text
from sqlalchemy.orm import Mapped, mapped_column

from worker.models.base import Base, ConnectionRef, Now, UserRef


class BankLinkAttempt(Base):
    """One attempt to link a bank through its pages, for a new connection or to renew one in place."""

    __tablename__ = "bank_link_attempts"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UserRef]
    connector_name: Mapped[str] = mapped_column(String(50))
    connection_id: Mapped[ConnectionRef | None]
    renews: Mapped[bool] = mapped_column(server_default=text("false"))
    state_hash: Mapped[bytes]
    status: Mapped[str] = mapped_column(String(12), server_default="started")
    provider_ref: Mapped[str | None] = mapped_column(String(255))
    details: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    created_at: Mapped[Now]
    expires_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]

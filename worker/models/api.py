"""Tables of the HTTP API."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ForeignKey, SmallInteger, String, text
from sqlalchemy.orm import Mapped, mapped_column

from worker.models.base import Base, Now

IDEMPOTENCY_KEY_LASTS = timedelta(hours=24)
"""For so long a request with the same key is answered by the first one's answer."""


class IdempotencyKey(Base):
    """A request seen before, and its answer."""

    __tablename__ = "idempotency_keys"

    user_id: Mapped[int] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    fingerprint: Mapped[bytes]
    status_code: Mapped[int | None] = mapped_column(SmallInteger)
    headers: Mapped[dict[str, Any] | None]
    body: Mapped[dict[str, Any] | None]
    created_at: Mapped[Now]


class UserPreference(Base):
    """Settings of a user that FinMind has no column for."""

    __tablename__ = "user_preferences"

    user_id: Mapped[int] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    timezone: Mapped[str] = mapped_column(String(64), server_default="UTC")
    warn_by_mail: Mapped[bool] = mapped_column(server_default=text("true"))
    last_seen_at: Mapped[datetime | None]
    updated_at: Mapped[Now]

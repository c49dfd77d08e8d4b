"""The tables of notices that providers sent by webhook, of their keys, and of mails that warn people."""

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, String, text
from sqlalchemy.orm import Mapped, mapped_column

from worker.models.base import Base, Now


class ReceivedNotice(Base):
    """One verified webhook of a provider, until it is old.

    Attributes:
        secret_encrypted: One-time tokens of a finished link.
    """

    __tablename__ = "provider_notices"

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

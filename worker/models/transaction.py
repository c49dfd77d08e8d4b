"""Bank transactions, their lineage, rejections and suggestions."""

import uuid
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Identity, Numeric, String, text
from sqlalchemy.orm import Mapped, mapped_column

from worker.models.base import (
    Base,
    ConnectionRef,
    FromZero,
    Now,
    RunRef,
    SerialId,
    SourceRef,
    TransactionRef,
    UserRef,
)


class BankTransaction(Base):
    """The bank's line, its identities, and the base copy of what was written to its expense."""

    __tablename__ = "bank_transactions"

    id: Mapped[int] = mapped_column(BigInteger, Identity(cache=1000), primary_key=True)
    account_id: Mapped[SourceRef]
    user_id: Mapped[UserRef]
    identity: Mapped[bytes]
    external_id: Mapped[str | None] = mapped_column(String(255))
    content_key: Mapped[bytes]
    occurrence: Mapped[FromZero]
    fingerprint: Mapped[bytes]
    state: Mapped[str] = mapped_column(String(10))
    absent_since_at: Mapped[datetime | None]
    stated_on: Mapped[date | None]
    effective_on: Mapped[date]
    booking_on: Mapped[date | None]
    value_on: Mapped[date | None]
    transaction_on: Mapped[date | None]
    amount: Mapped[Decimal]
    currency: Mapped[str] = mapped_column(String(10))
    description: Mapped[str]
    counterparty: Mapped[str | None] = mapped_column(String(500))
    counterparty_account: Mapped[str | None] = mapped_column(String(100))
    kind: Mapped[str | None] = mapped_column(String(20))
    pending_external_id: Mapped[str | None] = mapped_column(String(255))
    reference: Mapped[str | None] = mapped_column(String(255))
    stated_amounts: Mapped[dict[str, str] | None]
    transfer_peer_id: Mapped[int | None] = mapped_column(
        BigInteger, ForeignKey("bank_transactions.id", ondelete="SET NULL")
    )
    twin_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("bank_transactions.id", ondelete="SET NULL"))
    raw: Mapped[dict[str, Any] | None]
    expense_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("expenses.id", ondelete="SET NULL"))
    expense_state: Mapped[str] = mapped_column(String(10))
    base_amount: Mapped[Decimal | None] = mapped_column(Numeric(12, 2))
    base_currency: Mapped[str | None] = mapped_column(String(10))
    base_type: Mapped[str | None] = mapped_column(String(20))
    base_notes: Mapped[str | None] = mapped_column(String(500))
    base_spent_on: Mapped[date | None]
    base_category_id: Mapped[int | None]
    base_cost: Mapped[dict[str, Any] | None]
    first_run_id: Mapped[uuid.UUID | None]
    first_decision: Mapped[str] = mapped_column(String(12))
    first_reason: Mapped[str] = mapped_column(String(40))
    last_run_id: Mapped[uuid.UUID | None]
    created_at: Mapped[Now]
    updated_at: Mapped[Now]


REJECTION_IS_OPEN = "resolved_at IS NULL AND dismissed_at IS NULL"
REJECTION_IS_DISMISSED = "resolved_at IS NULL AND dismissed_at IS NOT NULL"


class BankImportRejection(Base):
    """A row that could not be imported, with its reason and its raw text.

    It is open, until it arrives (`resolved_at`) or a person leaves it out (`dismissed_at`).
    """

    __tablename__ = "bank_import_rejections"

    id: Mapped[SerialId]
    run_id: Mapped[RunRef]
    connection_id: Mapped[ConnectionRef]
    account_id: Mapped[SourceRef | None]
    identity: Mapped[bytes]
    external_id: Mapped[str | None] = mapped_column(String(255))
    code: Mapped[str] = mapped_column(String(40))
    message: Mapped[str] = mapped_column(String(1000))
    raw: Mapped[str]
    resolved_at: Mapped[datetime | None]
    resolved_run_id: Mapped[uuid.UUID | None]
    created_at: Mapped[Now]
    dismissed_at: Mapped[datetime | None]
    dismissed_by: Mapped[str | None] = mapped_column(String(100))
    dismissed_why: Mapped[str | None] = mapped_column(String(500))
    dismissed_run_id: Mapped[uuid.UUID | None]


class BankMatchSuggestion(Base):
    """An ambiguous match, offered to the user instead of merged.

    Attributes:
        replaced: What accepting it replaced: rows and expenses, each as it was before and after.
    """

    __tablename__ = "bank_match_suggestions"

    id: Mapped[SerialId]
    user_id: Mapped[UserRef]
    kind: Mapped[str] = mapped_column(String(12))
    transaction_id: Mapped[TransactionRef | None]
    expense_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("expenses.id", ondelete="CASCADE"))
    other_transaction_id: Mapped[TransactionRef | None]
    account_id: Mapped[SourceRef | None]
    other_account_id: Mapped[SourceRef | None]
    run_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("bank_import_runs.id", ondelete="SET NULL"))
    reason: Mapped[str] = mapped_column(String(40))
    detail: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    replaced: Mapped[dict[str, Any] | None] = mapped_column(deferred=True)
    status: Mapped[str] = mapped_column(String(10), server_default="open")
    decided_at: Mapped[datetime | None]
    created_at: Mapped[Now]

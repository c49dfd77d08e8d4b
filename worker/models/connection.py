"""Connections and their accounts."""

import uuid
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Numeric, SmallInteger, String, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, DATEMULTIRANGE
from sqlalchemy.orm import Mapped, mapped_column

from worker.models.base import Base, ConnectionRef, FromZero, Now, SerialId, UserRef


class BankConnection(Base):
    """One user's authorised link through a connector, with its sealed config and its schedule."""

    __tablename__ = "bank_connections"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UserRef]
    connector_name: Mapped[str] = mapped_column(String(50))
    display_name: Mapped[str] = mapped_column(String(200))
    institution_name: Mapped[str | None] = mapped_column(String(200))
    institution_chosen: Mapped[bool] = mapped_column(server_default=text("false"))
    outage_scope: Mapped[str] = mapped_column(String(200), server_default=text("''"))
    login_ref: Mapped[str | None] = mapped_column(String(255))
    linked_at: Mapped[Now]
    webhook_url: Mapped[str | None] = mapped_column(String(2048))
    webhook_seen_at: Mapped[datetime | None]
    new_accounts_at: Mapped[datetime | None]
    status: Mapped[str] = mapped_column(String(20), server_default="active")
    status_code: Mapped[str | None] = mapped_column(String(40))
    status_message: Mapped[str | None] = mapped_column(String(500))
    config_encrypted: Mapped[bytes | None]
    config_version: Mapped[int] = mapped_column(server_default=text("1"))
    config_key_id: Mapped[str | None] = mapped_column(String(64))
    config_sealed_at: Mapped[datetime | None]
    options: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    link_epoch: Mapped[int] = mapped_column(server_default=text("1"))
    cursor: Mapped[str | None]
    refresh_interval: Mapped[timedelta | None] = mapped_column(server_default=text("'24:00:00'::interval"))
    refresh_from_hour: Mapped[int | None] = mapped_column(SmallInteger)
    refresh_until_hour: Mapped[int | None] = mapped_column(SmallInteger)
    next_refresh_at: Mapped[datetime | None]
    rate_limited_until: Mapped[datetime | None]
    rate_limit_code: Mapped[str | None] = mapped_column(String(40))
    consent_expires_at: Mapped[datetime | None]
    consent_warned_days: Mapped[int | None] = mapped_column(SmallInteger)
    consecutive_failures: Mapped[FromZero]
    last_failure_code: Mapped[str | None] = mapped_column(String(40))
    last_failure_at: Mapped[datetime | None]
    last_good_run_id: Mapped[uuid.UUID | None]
    last_good_at: Mapped[datetime | None]
    answer_digest: Mapped[bytes | None]
    answer_run_id: Mapped[uuid.UUID | None]
    problem_code: Mapped[str | None] = mapped_column(String(40))
    problem_message: Mapped[str | None] = mapped_column(String(1000))
    problem_since_at: Mapped[datetime | None]
    created_at: Mapped[Now]
    updated_at: Mapped[Now]


class BankAccount(Base):
    """One account of a person, above the accounts of connections that are its sources."""

    __tablename__ = "bank_accounts"

    id: Mapped[SerialId]
    user_id: Mapped[UserRef]
    name: Mapped[str] = mapped_column(String(200))
    institution_name: Mapped[str | None] = mapped_column(String(200))
    account_type: Mapped[str] = mapped_column(String(20), server_default="unknown")
    mask: Mapped[str | None] = mapped_column(String(10))
    currency: Mapped[str | None] = mapped_column(String(10))
    anchors: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'::text[]"))
    created_at: Mapped[Now]


class BankConnectionAccount(Base):
    """One account as a connection lists it: a source of a person's account, with cursor, watermark and balance."""

    __tablename__ = "bank_connection_accounts"

    id: Mapped[SerialId]
    connection_id: Mapped[ConnectionRef]
    user_id: Mapped[UserRef]
    external_id: Mapped[str] = mapped_column(String(255))
    former_external_ids: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'::text[]"))
    anchor: Mapped[str | None] = mapped_column(String(100))
    id_class: Mapped[str | None] = mapped_column(String(12))
    name: Mapped[str] = mapped_column(String(200))
    institution_name: Mapped[str | None] = mapped_column(String(200))
    account_type: Mapped[str] = mapped_column(String(20), server_default="unknown")
    mask: Mapped[str | None] = mapped_column(String(10))
    currency: Mapped[str | None] = mapped_column(String(10))
    status: Mapped[str] = mapped_column(String(20), server_default="active")
    status_code: Mapped[str | None] = mapped_column(String(40))
    included: Mapped[bool] = mapped_column(server_default=text("true"))
    inverted: Mapped[bool] = mapped_column(server_default=text("false"))
    problem_code: Mapped[str | None] = mapped_column(String(40))
    problem_message: Mapped[str | None] = mapped_column(String(1000))
    problem_since_at: Mapped[datetime | None]
    balance_amount: Mapped[Decimal | None]
    balance_kind: Mapped[str | None] = mapped_column(String(20))
    balance_at: Mapped[datetime | None]
    opening_amount: Mapped[Decimal | None]
    opening_on: Mapped[date | None]
    opening_balance: Mapped[Decimal | None]
    opening_balance_on: Mapped[date | None]
    opening_pending: Mapped[Decimal] = mapped_column(server_default=text("0"))
    opening_last_days: Mapped[list[Decimal] | None] = mapped_column(ARRAY(Numeric))
    cursor: Mapped[str | None]
    watermark_on: Mapped[date | None]
    history_from_on: Mapped[date | None]
    history_complete: Mapped[bool] = mapped_column(server_default=text("false"))
    lateness_days: Mapped[FromZero]
    same_as_account_id: Mapped[int | None] = mapped_column(
        BigInteger, ForeignKey("bank_connection_accounts.id", ondelete="SET NULL")
    )
    days_at: Mapped[time | None]
    bank_account_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("bank_accounts.id", ondelete="SET NULL"))
    leads_from_on: Mapped[date | None]
    unread_days: Mapped[str] = mapped_column(DATEMULTIRANGE, server_default=text("'{}'"), deferred=True)
    currency_assumed: Mapped[str | None] = mapped_column(String(3))
    longest_reach_days: Mapped[int | None]
    shortest_reach_days: Mapped[int | None]
    last_seen_at: Mapped[datetime | None]
    created_at: Mapped[Now]
    updated_at: Mapped[Now]

"""Queries for connections. With a user id, connections of other users are not found."""

import uuid
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from worker.errors import NotFoundError
from worker.models import BankConnection, BankConnectionAccount
from worker.runs.providers.outage_records import outage_sentences

_PUBLIC = (
    "id",
    "user_id",
    "connector_name",
    "display_name",
    "institution_name",
    "status",
    "status_code",
    "status_message",
    "problem_code",
    "problem_message",
    "problem_since_at",
    "options",
    "refresh_interval",
    "refresh_from_hour",
    "refresh_until_hour",
    "next_refresh_at",
    "rate_limited_until",
    "consent_expires_at",
    "webhook_seen_at",
    "new_accounts_at",
    "consecutive_failures",
    "last_failure_code",
    "last_failure_at",
    "last_good_run_id",
    "last_good_at",
    "created_at",
    "updated_at",
)
_PUBLIC_OF_ACCOUNT = (
    "id",
    "bank_account_id",
    "external_id",
    "name",
    "institution_name",
    "account_type",
    "mask",
    "currency",
    "status",
    "status_code",
    "included",
    "inverted",
    "problem_code",
    "problem_message",
    "problem_since_at",
    "balance_amount",
    "balance_kind",
    "balance_at",
    "watermark_on",
    "history_from_on",
    "history_complete",
    "last_seen_at",
)


def find(
    session: Session, connection_id: uuid.UUID, *, user_id: int | None = None, lock: bool = False
) -> BankConnection:
    """Return one connection.

    Args:
        user_id: Its owner; None is for an operator.

    Raises: NotFoundError.
    """
    query = select(BankConnection).where(BankConnection.id == connection_id)
    if user_id is not None:
        query = query.where(BankConnection.user_id == user_id)
    row = session.scalar(query.with_for_update(key_share=True) if lock else query)
    if row is None:
        raise NotFoundError(f"no connection {connection_id}")
    return row


def list_connections(session: Session, *, user_id: int | None = None) -> list[dict[str, Any]]:
    """Return connections, oldest first, without their credentials.

    Args:
        user_id: Their owner; None returns those of all users, for an operator.
    """
    query = select(BankConnection).order_by(BankConnection.created_at, BankConnection.id)
    if user_id is not None:
        query = query.where(BankConnection.user_id == user_id)
    rows = session.scalars(query).all()
    outages = outage_sentences(session, [row.id for row in rows])
    return [describe(row) | {"bank_outage": outages.get(row.id)} for row in rows]


def describe_with_bank(session: Session, row: BankConnection) -> dict[str, Any]:
    """Return what `describe` does, and what its user is told when the bank answers nobody."""
    return describe(row) | {"bank_outage": outage_sentences(session, [row.id]).get(row.id)}


def list_accounts(session: Session, connection_id: uuid.UUID) -> list[dict[str, Any]]:
    """Return the accounts of a connection. The caller has checked whose connection it is."""
    query = select(BankConnectionAccount).where(BankConnectionAccount.connection_id == connection_id)
    return [_describe_account(row) for row in session.scalars(query.order_by(BankConnectionAccount.id))]


def find_account(session: Session, connection_id: uuid.UUID, account_id: int) -> dict[str, Any]:
    """Return one account. The caller has checked whose connection it is. Raises: NotFoundError."""
    row = session.get(BankConnectionAccount, account_id)
    if row is None or row.connection_id != connection_id:
        raise NotFoundError(f"connection {connection_id} has no account {account_id}")
    return _describe_account(row)


def _describe_account(row: BankConnectionAccount) -> dict[str, Any]:
    return {name: getattr(row, name) for name in _PUBLIC_OF_ACCOUNT}


def describe(row: BankConnection) -> dict[str, Any]:
    """Return the fields of a connection that may be shown: all except its credentials and cursors."""
    return {name: getattr(row, name) for name in _PUBLIC} | {"has_credentials": row.config_encrypted is not None}

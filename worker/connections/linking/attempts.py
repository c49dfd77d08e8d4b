"""Stores link attempts; each has a secret state and can be claimed once."""

import hashlib
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, func, select, update
from sqlalchemy.orm import Session

from worker.db.uuid7 import uuid7
from worker.errors import ConflictError, InvalidRequestError
from worker.models import BankLinkAttempt

LIFE = timedelta(hours=1)
"""How long the user may take at the bank, if the provider does not say longer."""

LONGEST_LIFE = timedelta(days=1)
REPORTED_WITHIN = timedelta(minutes=30)
"""So long after its page closed a provider may report that the user came to the end: tokens live no longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A claimed link attempt, which only this caller may finish.

    Attributes:
        connection_id: The connection to renew; None for a new one.
        linked_id: The connection that it already led to; then there is nothing to exchange.
        details: What the flow stored at the start.
    """

    id: uuid.UUID
    user_id: int
    connection_id: uuid.UUID | None
    provider_ref: str | None
    linked_id: uuid.UUID | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


def new_state() -> str:
    """Return a random state, which the browser carries to the bank and back."""
    return secrets.token_urlsafe(32)


def open_attempt(
    session: Session,
    *,
    user_id: int,
    connector_name: str,
    state: str,
    connection_id: uuid.UUID | None,
    page_expires_at: datetime | None = None,
    **rest: Any,  # noqa: ANN401 - columns
) -> uuid.UUID:
    """Store an attempt, with only a hash of its state.

    Args:
        page_expires_at: How long the provider's page stays open; the attempt lives as long.
        rest: Further columns of the attempt.
    """
    attempt = BankLinkAttempt(
        id=uuid7(),
        user_id=user_id,
        connector_name=connector_name,
        connection_id=connection_id,
        renews=connection_id is not None,
        state_hash=_hash(state),
        expires_at=func.now() + LIFE if page_expires_at is None else _end_of_life(page_expires_at),
        **rest,
    )
    session.add(attempt)
    session.flush()
    return attempt.id


def _end_of_life(page_expires_at: datetime) -> Any:  # noqa: ANN401 - SQL for a moment
    longest = func.least(page_expires_at + REPORTED_WITHIN, func.now() + LONGEST_LIFE)
    return func.greatest(func.now() + LIFE, longest)


def claim(session: Session, *, user_id: int, connector_name: str, state: str) -> Attempt:
    """Claim the attempt of a state; for one that is finished, return it with its `linked_id`.

    Raises: InvalidRequestError when no attempt of this user has the state or it has expired; ConflictError when another
    request is finishing it, or when its response was lost, so that the user has to start again.
    """
    mine = (
        BankLinkAttempt.state_hash == _hash(state),
        BankLinkAttempt.user_id == user_id,
        BankLinkAttempt.connector_name == connector_name,
    )
    open_one = (BankLinkAttempt.status == "started", BankLinkAttempt.expires_at > func.now())
    claimed = session.scalar(
        update(BankLinkAttempt).where(*mine, *open_one).values(status="exchanging").returning(BankLinkAttempt)
    )
    row = claimed or session.scalar(select(BankLinkAttempt).where(*mine))
    if row is None or (claimed is None and row.status == "started"):
        raise InvalidRequestError("this link was not started by this user, or too long ago: start again")
    if row.status == "failed":
        raise ConflictError("this link attempt failed: start again")
    if claimed is None and row.status == "exchanging":
        raise ConflictError("this link is being finished, or its answer was lost: look again, then start again")
    return _attempt(row)


def claim_by_reference(session: Session, *, connector_name: str, provider_ref: str) -> Attempt | None:
    """Take the open attempt whose link the provider calls by this reference, once; None where there is none."""
    newest = _open_by_reference(connector_name, provider_ref).with_for_update(skip_locked=True)
    row = session.scalar(newest)
    if row is None:
        return None
    row.status = "exchanging"
    return _attempt(row)


def _attempt(row: BankLinkAttempt) -> Attempt:
    return Attempt(
        id=row.id,
        user_id=row.user_id,
        connection_id=row.connection_id,
        provider_ref=row.provider_ref,
        linked_id=row.connection_id if row.status == "linked" else None,
        details=row.details,
    )


def owner_of(session: Session, *, connector_name: str, provider_ref: str) -> int | None:
    """Return the user of the open attempt with this reference."""
    row = session.scalar(_open_by_reference(connector_name, provider_ref))
    return None if row is None else row.user_id


def _open_by_reference(connector_name: str, provider_ref: str) -> Select[BankLinkAttempt]:
    return (
        select(BankLinkAttempt)
        .where(BankLinkAttempt.connector_name == connector_name, BankLinkAttempt.provider_ref == provider_ref)
        .where(BankLinkAttempt.status == "started", BankLinkAttempt.expires_at > func.now())
        .order_by(BankLinkAttempt.created_at.desc())
        .limit(1)
    )


def close_linked(session: Session, attempt: Attempt, connection_id: uuid.UUID, provider_ref: str | None = None) -> None:
    """Record the linked connection.

    Args:
        provider_ref: The provider's id of the login, which its webhooks name.
    """
    provider_ref = provider_ref or attempt.provider_ref
    _close(session, attempt, status="linked", connection_id=connection_id, provider_ref=provider_ref)


def reopen(session: Session, attempt: Attempt) -> None:
    """Let a claimed attempt be claimed again, because the provider was not reached."""
    session.execute(
        update(BankLinkAttempt).where(BankLinkAttempt.id == attempt.id).values(status="started", finished_at=None)
    )


def open_again(session: Session, attempt: Attempt, *, connector_name: str) -> None:
    """Open an attempt for what is left of one that was linked: further banks of it, which were not reached."""
    open_attempt(
        session,
        user_id=attempt.user_id,
        connector_name=connector_name,
        state=new_state(),
        connection_id=None,
        provider_ref=attempt.provider_ref,
        details=dict(attempt.details),
    )


def close_failed(session: Session, attempt: Attempt) -> None:
    """Record that the provider refused; the one-time code cannot be used again."""
    _close(session, attempt, status="failed")


def _close(session: Session, attempt: Attempt, **values: Any) -> None:  # noqa: ANN401 - columns
    session.execute(
        update(BankLinkAttempt).where(BankLinkAttempt.id == attempt.id).values(finished_at=func.now(), **values)
    )


def _hash(state: str) -> bytes:
    return hashlib.sha256(state.encode()).digest()

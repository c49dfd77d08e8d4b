"""Link attempts: a state that names one of them, and the one claim that allows one exchange."""

import hashlib
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from worker.errors import ConflictError, InvalidRequestError
from worker.models import BankLinkAttempt

LIFE = timedelta(hours=1)
"""How long the user may take at the bank."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """An attempt that this caller alone may finish. connection_id: the connection it renews; None for a new one.

    linked_id: the connection it led to already; then there is nothing left to exchange.
    """

    id: uuid.UUID
    user_id: int
    connection_id: uuid.UUID | None
    provider_ref: str | None
    linked_id: uuid.UUID | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


def new_state() -> str:
    """Return what the browser carries to the bank and back; nobody can guess it."""
    return secrets.token_urlsafe(32)


def open_attempt(
    session: Session,
    *,
    user_id: int,
    connector_name: str,
    state: str,
    connection_id: uuid.UUID | None,
    **rest: Any,  # noqa: ANN401 - columns
) -> uuid.UUID:
    """Write down that this user went to the bank; only a hash of the state is kept. rest: columns of the attempt."""
    attempt = BankLinkAttempt(
        id=uuid.uuid4(),
        user_id=user_id,
        connector_name=connector_name,
        connection_id=connection_id,
        renews=connection_id is not None,
        state_hash=_hash(state),
        expires_at=func.now() + LIFE,
        **rest,
    )
    session.add(attempt)
    session.flush()
    return attempt.id


def claim(session: Session, *, user_id: int, connector_name: str, state: str) -> Attempt:
    """Take the attempt this state names, once; a second call with the same state gets its outcome instead.

    Raises: InvalidRequestError when no attempt of this user has the state or it has expired; ConflictError when
    somebody is exchanging it right now, or did and the answer was lost: the user starts again.
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
    linked_id = row.connection_id if row.status == "linked" else None
    return Attempt(
        id=row.id,
        user_id=user_id,
        connection_id=row.connection_id,
        provider_ref=row.provider_ref,
        linked_id=linked_id,
        details=row.details,
    )


def close_linked(session: Session, attempt: Attempt, connection_id: uuid.UUID, provider_ref: str | None = None) -> None:
    """Record the linked connection. provider_ref: the provider's id of the login, which its webhooks name."""
    _close(
        session,
        attempt,
        status="linked",
        connection_id=connection_id,
        provider_ref=provider_ref or attempt.provider_ref,
    )


def close_failed(session: Session, attempt: Attempt) -> None:
    """Record that the provider refused; the one-time code is spent."""
    _close(session, attempt, status="failed")


def connection_of(session: Session, connector_name: str, provider_ref: str) -> uuid.UUID | None:
    """Return the connection whose login has this id at the provider, as its webhooks name it."""
    return session.scalar(
        select(BankLinkAttempt.connection_id)
        .where(BankLinkAttempt.connector_name == connector_name, BankLinkAttempt.provider_ref == provider_ref)
        .where(BankLinkAttempt.status == "linked")
        .order_by(BankLinkAttempt.finished_at.desc())
        .limit(1)
    )


def _close(session: Session, attempt: Attempt, **values: Any) -> None:  # noqa: ANN401 - columns
    session.execute(
        update(BankLinkAttempt).where(BankLinkAttempt.id == attempt.id).values(finished_at=func.now(), **values)
    )


def _hash(state: str) -> bytes:
    return hashlib.sha256(state.encode()).digest()

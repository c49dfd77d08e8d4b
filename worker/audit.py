"""The audit trail: every use of a credential, and what operators did. It is append-only and contains no secrets.

A row is written in the transaction of the action that it records.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from worker.models import CredentialAudit
from worker.redaction import secrets_in_use

_ACTOR: ContextVar[str] = ContextVar("actor")
_ACTOR_LENGTH = 100


class Action(StrEnum):
    """The audited actions.

    `opened` is written before a credential is decrypted, `refused` when that failed; `operated` is a command of an
    operator, `viewed` means that an operator read a user's data.
    """

    SEALED = "sealed"
    OPENED = "opened"
    REPLACED = "replaced"
    ROTATED = "rotated"
    REMOVED = "removed"
    REVOKED = "revoked"
    REFUSED = "refused"
    OPERATED = "operated"
    VIEWED = "viewed"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditedCredential:
    """The row of an audited credential.

    Attributes:
        key_id: The key that sealed it; None when it was deleted.
    """

    table: str
    row_id: str
    user_id: int
    key_id: str | None = None


@contextmanager
def acting_as(actor: str) -> Iterator[None]:
    """Set the actor of a block: `cli:<user>`, `ops:<operator>`, `api:<subject>`, `run:<id>` or `task:<name>`.

    Secrets that are decrypted inside the block are removed from its errors and log lines.
    """
    token = _ACTOR.set(actor[:_ACTOR_LENGTH])
    try:
        with secrets_in_use():
            yield
    finally:
        _ACTOR.reset(token)


def current_actor() -> str:
    """Return the current actor; without one, the user id of the process."""
    return _ACTOR.get(f"process:uid={os.getuid()}")


def record(session: Session, action: Action, subject: AuditedCredential, **detail: Any) -> None:  # noqa: ANN401 - JSON
    """Write one row in the caller's transaction.

    Args:
        detail: Ids and reasons, never content.
    """
    session.execute(
        insert(CredentialAudit).values(
            actor=current_actor(),
            action=action,
            table_name=subject.table,
            row_id=subject.row_id,
            user_id=subject.user_id,
            key_id=subject.key_id,
            detail=detail,
        )
    )


def record_operation(
    session: Session,
    command: str,
    *,
    table: str,
    row_id: str,
    user_id: int | None = None,
    **detail: Any,  # noqa: ANN401 - JSON
) -> None:
    """Record a command of an operator about a row.

    Args:
        command: Name of the command.
    """
    session.execute(
        insert(CredentialAudit).values(
            actor=current_actor(),
            action=Action.OPERATED,
            table_name=table,
            row_id=row_id,
            user_id=user_id,
            detail={"command": command, **detail},
        )
    )


_VIEW = text(
    """
    INSERT INTO credential_audit (actor, action, table_name, row_id, user_id)
    SELECT :actor, 'viewed', :table, :row_id, :user_id
    WHERE NOT EXISTS (
      SELECT 1 FROM credential_audit
      WHERE table_name = :table AND row_id = :row_id AND actor = :actor AND action = 'viewed'
        AND at > now() - interval '1 hour')
    """
)


def record_view(session: Session, *, table: str, row_id: str, user_id: int) -> None:
    """Record that an operator viewed a user's data, once per hour and row, because pages reload themselves."""
    session.execute(_VIEW, {"actor": current_actor(), "table": table, "row_id": row_id, "user_id": user_id})

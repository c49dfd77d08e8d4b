"""Who touched a credential: one append-only line each, written in the transaction that touched it. Never a secret."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from worker.models import CredentialAudit
from worker.redaction import secrets_in_use

_ACTOR: ContextVar[str] = ContextVar("actor")
_ACTOR_LENGTH = 100


class Action(StrEnum):
    """What happened to a credential. `opened` is written before it is opened, `refused` when it did not open."""

    SEALED = "sealed"
    OPENED = "opened"
    REPLACED = "replaced"
    ROTATED = "rotated"
    REMOVED = "removed"
    REVOKED = "revoked"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditedCredential:
    """The row whose credential it was. key_id: the key that sealed it, None when it was taken away."""

    table: str
    row_id: str
    user_id: int
    key_id: str | None = None


@contextmanager
def acting_as(actor: str) -> Iterator[None]:
    """Name who acts inside the block: `cli:<user>`, `api:<subject>`, `run:<id>` or `task:<name>`.

    The secrets that are opened meanwhile are cut out of errors and log lines until the block ends.
    """
    token = _ACTOR.set(actor[:_ACTOR_LENGTH])
    try:
        with secrets_in_use():
            yield
    finally:
        _ACTOR.reset(token)


def current_actor() -> str:
    """Return who acts now; a process that never said so is named by its user id."""
    return _ACTOR.get(f"process:uid={os.getuid()}")


def record(session: Session, action: Action, subject: AuditedCredential, **detail: Any) -> None:  # noqa: ANN401 - JSON
    """Write one line in the caller's transaction. detail: ids and reasons, never content."""
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

"""Credentials that no key opens any more: found, and given up when an operator says so."""

import json
import secrets
from collections import Counter
from collections.abc import Iterator

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.audit import Action, record
from worker.credentials import Vault
from worker.db.engine import Sessions
from worker.keys.sealed_columns import SEALED_COLUMNS, SealedColumn, SealedRow, in_batches
from worker.keys.verification import problem_with
from worker.models import BankConnection
from worker.runs.ending import ask_user
from worker.runs.states import Outcome, RunStatus

LOST = "credentials_lost"
"""The code of connections and subscriptions whose credentials were given up."""

_BATCH = 500
_MESSAGE = "the stored log-in was lost; please log in to the bank again"


def lost_credentials(sessions: Sessions, vault: Vault, *, give_up: bool) -> Iterator[tuple[str, bool]]:
    """Yield a sentence for each kind of sealed value that does not open, and whether it was mended.

    Args:
        sessions: The database.
        vault: The keys there are now.
        give_up: Replace what does not open: connections ask their person, webhooks are paused.

    Raises:
        KeyProviderUnavailableError: A key service does not answer, which says nothing about credentials.
    """
    for column in SEALED_COLUMNS:
        keys = Counter[str]()
        for row in _unreadable(sessions, vault, column):
            keys[row.key_id] += 1
            if give_up:
                with sessions() as session:
                    _give_up(session, vault, row)
        for key_id, count in sorted(keys.items()):
            known = "the key" if key_id in vault.key_ids else "the missing key"
            what = f"{count} rows of {column.table} do not open with {known} {key_id!r}"
            yield (f"{what}: {_DONE[column.table]}", True) if give_up else (f"{what}: {_ADVICE}", False)


_ADVICE = "put that key back into the keys, or give them up with --give-up-credentials"
_DONE = {
    "bank_connections": f"their people are asked to log in again ({LOST})",
    "webhook_subscriptions": f"they are paused ({LOST}) until their secret is rotated",
    "provider_notices": "they are removed",
}


def _unreadable(sessions: Sessions, vault: Vault, column: SealedColumn) -> Iterator[SealedRow]:
    for rows in in_batches(sessions, column, _BATCH):
        yield from (row for row in rows if problem_with(vault, row) is not None)


def _give_up(session: Session, vault: Vault, row: SealedRow) -> None:
    """Put a value that opens, and holds nothing, in the place of one that does not."""
    if row.column.table == "provider_notices":
        session.execute(text("DELETE FROM provider_notices WHERE id = :id"), {"id": row.row_id})
        return
    next_row = SealedRow(
        column=row.column,
        row_id=row.row_id,
        user_id=row.user_id,
        version=row.version + 1,
        key_id=vault.primary_key_id,
        blob=b"",
    )
    empty = (
        {"current": f"whsec_{secrets.token_urlsafe(32)}", "old": []} if row.column.table != "bank_connections" else {}
    )
    sealed = vault.seal(json.dumps(empty).encode(), next_row.place)
    column = row.column
    session.execute(
        text(
            f"UPDATE {column.table} SET {column.blob} = :blob, {column.key_id} = :key_id, {column.version} = :version,"  # noqa: S608 - names of SEALED_COLUMNS
            f" {column.sealed_at} = now() WHERE id = :id AND {column.version} = :before"
        ),
        {
            "blob": sealed.blob,
            "key_id": sealed.key_id,
            "version": next_row.version,
            "id": row.row_id,
            "before": row.version,
        },
    )
    record(session, Action.REPLACED, row.subject, reason=LOST)
    if column.table == "bank_connections":
        connection = session.get_one(BankConnection, row.row_id)
        ask_user(session, connection, Outcome(status=RunStatus.FAILED, code=LOST, message=_MESSAGE))
    else:
        session.execute(
            text("UPDATE webhook_subscriptions SET status = 'paused', status_code = :code WHERE id = :id"),
            {"code": LOST, "id": row.row_id},
        )

"""Counts the sealed values of each key, says since when it is in use, and whether it can be removed."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.credentials import Vault
from worker.errors import ConflictError, NotFoundError
from worker.keys.sealed_columns import SEALED_COLUMNS


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyUsage:
    """What one key seals.

    Attributes:
        configured: Whether this process has the key.
        oldest_sealed_at: When the oldest of its values was sealed (UTC).
    """

    key_id: str
    primary: bool
    configured: bool
    sealed: int
    per_column: dict[str, int]
    oldest_sealed_at: datetime | None


def key_usage(session: Session, vault: Vault) -> list[KeyUsage]:
    """Return every key that is configured or needed, the primary one first."""
    counts: dict[str, dict[str, int]] = {key_id: {} for key_id in vault.key_ids}
    oldest: dict[str, datetime] = {}
    for column in SEALED_COLUMNS:
        rows = session.execute(
            text(
                f"SELECT {column.key_id} AS key_id, count(*) AS sealed, min({column.sealed_at}) AS oldest"  # noqa: S608
                f" FROM {column.table} WHERE {column.blob} IS NOT NULL GROUP BY 1"
            )
        )
        for row in rows:
            counts.setdefault(row.key_id, {})[str(column)] = row.sealed
            if row.oldest is not None:
                oldest[row.key_id] = min(row.oldest, oldest.get(row.key_id, row.oldest))
    usages = [
        KeyUsage(
            key_id=key_id,
            primary=key_id == vault.primary_key_id,
            configured=key_id in vault.key_ids,
            sealed=sum(per_column.values()),
            per_column=per_column,
            oldest_sealed_at=oldest.get(key_id),
        )
        for key_id, per_column in counts.items()
    ]
    return sorted(usages, key=lambda usage: (not usage.primary, usage.key_id))


def check_unneeded(session: Session, vault: Vault, key_id: str) -> None:
    """Check that no stored value is sealed with a key and that it does not seal new ones.

    Raises:
        ConflictError: The key seals new values, or stored values are sealed with it.
        NotFoundError: No such key is configured.
    """
    usage = next((usage for usage in key_usage(session, vault) if usage.key_id == key_id), None)
    if usage is None:
        raise NotFoundError(f"no credential key {key_id!r} is configured")
    if usage.primary:
        raise ConflictError(f"the key {key_id!r} seals new values: put another one first, then rotate")
    if usage.sealed:
        where = ", ".join(f"{count} of {column}" for column, count in usage.per_column.items())
        raise ConflictError(f"the key {key_id!r} is still needed ({where}): run `finmind-worker keys rotate` first")

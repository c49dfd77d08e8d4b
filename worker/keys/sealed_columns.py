"""The columns that hold sealed values. A new kind of secret is added to `SEALED_COLUMNS`."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.audit import AuditedCredential
from worker.credentials import CredentialPlace
from worker.db.engine import Sessions


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedColumn:
    """One column of blobs and the columns beside it. The row's id is a UUID called `id`, its owner `user_id`."""

    table: str
    blob: str
    version: str
    key_id: str
    sealed_at: str

    def __str__(self) -> str:
        return f"{self.table}.{self.blob}"


SEALED_COLUMNS: tuple[SealedColumn, ...] = (
    SealedColumn(
        table="bank_connections",
        blob="config_encrypted",
        version="config_version",
        key_id="config_key_id",
        sealed_at="config_sealed_at",
    ),
    SealedColumn(
        table="webhook_subscriptions",
        blob="secret_encrypted",
        version="secret_version",
        key_id="secret_key_id",
        sealed_at="secret_sealed_at",
    ),
    SealedColumn(
        table="provider_notices",
        blob="secret_encrypted",
        version="secret_version",
        key_id="secret_key_id",
        sealed_at="secret_sealed_at",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedRow:
    """One sealed value, with the columns needed to open it and to replace it safely."""

    column: SealedColumn
    row_id: uuid.UUID
    user_id: int
    version: int
    key_id: str
    blob: bytes = field(repr=False)

    @property
    def place(self) -> CredentialPlace:
        """What the blob is bound to."""
        return CredentialPlace(
            table=self.column.table,
            column=self.column.blob,
            user_id=self.user_id,
            row_id=str(self.row_id),
            version=self.version,
        )

    @property
    def subject(self) -> AuditedCredential:
        """The row, for the audit."""
        return AuditedCredential(
            table=self.column.table, row_id=str(self.row_id), user_id=self.user_id, key_id=self.key_id
        )


def in_batches(
    sessions: Sessions, column: SealedColumn, size: int, *, where: str = "true", **parameters: object
) -> Iterator[Sequence[SealedRow]]:
    """Yield the sealed rows that match, `size` at a time in the order of their ids, each batch read by itself.

    Args:
        where: Constant SQL, never user input.
    """
    after = uuid.UUID(int=0)
    while True:
        with sessions() as session:
            rows = read_rows(session, column, where=f"id > :after AND ({where})", limit=size, after=after, **parameters)
        if not rows:
            return
        after = rows[-1].row_id
        yield rows


def read_rows(
    session: Session, column: SealedColumn, *, where: str = "true", limit: int | None = None, **parameters: object
) -> Sequence[SealedRow]:
    """Return the sealed rows that match, in the order of their ids.

    Args:
        where: Constant SQL, never user input.
    """
    rows = session.execute(
        text(
            f"SELECT id, user_id, {column.version} AS version, {column.key_id} AS key_id, {column.blob} AS blob"  # noqa: S608 - names from SEALED_COLUMNS
            f" FROM {column.table} WHERE {column.blob} IS NOT NULL AND ({where}) ORDER BY id LIMIT :limit"
        ),
        {"limit": limit, **parameters},
    )
    return [
        SealedRow(
            column=column,
            row_id=row.id,
            user_id=row.user_id,
            version=row.version,
            key_id=row.key_id,
            blob=bytes(row.blob),
        )
        for row in rows
    ]


def count_rows(session: Session, column: SealedColumn, *, where: str = "true", **parameters: object) -> int:
    """Count the sealed rows that match."""
    return int(
        session.execute(
            text(f"SELECT count(*) FROM {column.table} WHERE {column.blob} IS NOT NULL AND ({where})"),  # noqa: S608
            parameters,
        ).scalar_one()
    )


def each_key(session: Session, column: SealedColumn) -> Iterator[tuple[str, SealedRow]]:
    """Yield one blob for every key that seals anything in this column."""
    keys = session.scalars(
        text(f"SELECT DISTINCT {column.key_id} FROM {column.table} WHERE {column.key_id} IS NOT NULL")  # noqa: S608
    ).all()
    for key_id in sorted(keys):
        for row in read_rows(session, column, where=f"{column.key_id} = :key_id", limit=1, key_id=key_id):
            yield key_id, row

"""Seals every stored value under the primary key again while imports run and tokens are refreshed.

    read a batch (tx)  →  open and seal it (no tx: a key service may be far away)  →  write it (tx)

A row whose credentials were replaced in the meantime, or that is locked, is left for the next pass.
The content and its version do not change, so a token refresh under way does not conflict. Progress is stored in the
rows, so after a crash the next call continues with the rows that are left.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from worker.audit import Action, current_actor
from worker.credentials import SealedValue, Vault
from worker.db.engine import Sessions
from worker.errors import CredentialError, KeyProviderUnavailableError
from worker.keys.sealed_columns import SEALED_COLUMNS, SealedColumn, SealedRow, count_rows, in_batches

DEFAULT_BATCH = 500
_PASSES = 20


@dataclass(slots=True, kw_only=True)
class RotationReport:
    """What a rotation did.

    Attributes:
        remaining: Rows that were not resealed, because they do not open or stayed locked.
    """

    primary_key_id: str
    rotated: int = 0
    remaining: int = 0
    failures: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """Which rows are resealed: those under another key and, with `before`, those sealed before that moment."""

    sessions: Sessions
    vault: Vault
    batch: int
    before: datetime | None

    @property
    def parameters(self) -> dict[str, object]:
        """The parameters of `_where`."""
        return {"primary": self.vault.primary_key_id, "before": self.before}

    def rows_left(self) -> int:
        """Count the rows that are still to be resealed."""
        with self.sessions() as session:
            return sum(
                count_rows(session, column, where=_where(column), **self.parameters) for column in SEALED_COLUMNS
            )

    def reseal(self, column: SealedColumn, failures: dict[str, str]) -> Iterator[int]:
        """Reseal a column, a batch per transaction; yield how many rows of each moved. Adds to `failures`."""
        for rows in in_batches(self.sessions, column, self.batch, where=_where(column), **self.parameters):
            sealed = [(row, value) for row in rows if (value := self._resealed(row, failures)) is not None]
            with self.sessions() as session:
                moved = _write(session, column, sealed)
            yield moved

    def _resealed(self, row: SealedRow, failures: dict[str, str]) -> SealedValue | None:
        try:
            return self.vault.seal(self.vault.open(row.blob, row.place), row.place)
        except KeyProviderUnavailableError:
            raise
        except CredentialError as error:
            failures[str(row.place)] = str(error)
            return None


def rotate(
    sessions: Sessions,
    vault: Vault,
    *,
    batch: int = DEFAULT_BATCH,
    everything: bool = False,
    on_progress: Callable[[int], None] = lambda _rows: None,
) -> RotationReport:
    """Seal every value again under the primary key; a call after a crash continues.

    Args:
        sessions: Opens transactions.
        vault: Opens the stored values and seals them.
        batch: Rows per transaction.
        everything: Also reseal values that the primary key sealed before this call, for new data keys.
        on_progress: Called after each batch with the number of rows it resealed.

    Raises:
        KeyProviderUnavailableError: Rows resealed until then stay so.
    """
    rotation = _begin(sessions, vault, batch=batch, everything=everything)
    report = RotationReport(primary_key_id=vault.primary_key_id)
    for _ in range(_PASSES):
        for column in SEALED_COLUMNS:
            for moved in rotation.reseal(column, report.failures):
                report.rotated += moved
                on_progress(moved)
        report.remaining = rotation.rows_left()
        if report.remaining <= len(report.failures):
            break
    return report


def rows_to_rotate(sessions: Sessions, vault: Vault, *, everything: bool = False) -> int:
    """Count the rows that `rotate` would reseal."""
    return _begin(sessions, vault, batch=DEFAULT_BATCH, everything=everything).rows_left()


def _begin(sessions: Sessions, vault: Vault, *, batch: int, everything: bool) -> Rotation:
    with sessions() as session:
        before = session.scalar(select(func.now())) if everything else None
    return Rotation(sessions=sessions, vault=vault, batch=batch, before=before)


def _where(column: SealedColumn) -> str:
    return f"{column.key_id} <> :primary OR {column.sealed_at} < CAST(:before AS timestamptz)"


def _write(session: Session, column: SealedColumn, sealed: Sequence[tuple[SealedRow, SealedValue]]) -> int:
    """Update the rows that are unchanged and not locked, with their audit lines; never waits for a lock."""
    if not sealed:
        return 0
    statement = text(
        f"""
        WITH resealed AS (
          SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:versions AS int[]), CAST(:old_keys AS text[]),
                               CAST(:blobs AS bytea[]), CAST(:new_keys AS text[]))
                        AS resealed(id, version, old_key, blob, new_key)
        ), locked AS (
          SELECT t.id FROM {column.table} t JOIN resealed USING (id)
          WHERE t.{column.version} = resealed.version AND t.{column.key_id} = resealed.old_key
          FOR NO KEY UPDATE OF t SKIP LOCKED
        ), moved AS (
          UPDATE {column.table} t
          SET {column.blob} = resealed.blob, {column.key_id} = resealed.new_key, {column.sealed_at} = now()
          FROM resealed JOIN locked USING (id)
          WHERE t.id = resealed.id AND t.{column.version} = resealed.version AND t.{column.blob} IS NOT NULL
          RETURNING t.id, t.user_id, resealed.old_key, resealed.new_key
        )
        INSERT INTO credential_audit (actor, action, table_name, row_id, user_id, key_id, detail)
        SELECT :actor, :action, :table_name, id::text, user_id, new_key, jsonb_build_object('from_key_id', old_key)
        FROM moved RETURNING 1
        """  # noqa: S608 - names from SEALED_COLUMNS
    )
    rows = [row for row, _ in sealed]
    values = [value for _, value in sealed]
    return len(session.execute(statement, _parameters(column, rows, values)).all())


def _parameters(column: SealedColumn, rows: Sequence[SealedRow], values: Sequence[SealedValue]) -> dict[str, object]:
    return {
        "ids": [str(row.row_id) for row in rows],
        "versions": [row.version for row in rows],
        "old_keys": [row.key_id for row in rows],
        "blobs": [value.blob for value in values],
        "new_keys": [value.key_id for value in values],
        "actor": current_actor(),
        "action": Action.ROTATED,
        "table_name": column.table,
    }

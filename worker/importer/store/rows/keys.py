"""Finds the stored rows that the rows of a delivery may be, by their days and ids, in the caller's transaction."""

from collections.abc import Collection, Sequence
from datetime import date
from functools import lru_cache
from typing import Any

from sqlalchemy import Row, TextClause, text
from sqlalchemy.orm import Session

from worker.importer.decide.ids.duplicates import possibly_shared_ids
from worker.importer.decide.read.clean_text import id_text
from worker.importer.decide.row_days import RowDays
from worker.importer.decide.slice_rows import StoredKeys
from worker.importer.decide.stored_row import StoredKey
from worker.importer.fetch.slices import Slice
from worker.importer.store.rows.seen import SeenRows

_KEY_COLUMNS = """id, identity, external_id, content_key, occurrence,
    CASE WHEN :reimport AND expense_state = 'reverted' THEN ''::bytea ELSE fingerprint END AS fingerprint, state,
    CAST((stated_on, effective_on, transaction_on, value_on) AS text) AS days, absent_since_at IS NOT NULL AS absent"""

_KEYS = text(
    f"""SELECT {_KEY_COLUMNS} FROM bank_transactions
    WHERE account_id = :account_id AND (effective_on BETWEEN :from_on AND :to_on OR state = 'pending')"""  # noqa: S608 - constant columns
)
_KEYS_BY_IDENTITY = text(
    f"""SELECT {_KEY_COLUMNS} FROM bank_transactions
    WHERE account_id = :account_id AND identity = ANY(:identities)"""  # noqa: S608 - constant columns
)
_KEYS_BY_ID = text(
    f"""SELECT {_KEY_COLUMNS} FROM bank_transactions WHERE account_id = :account_id AND id = ANY(:ids)"""  # noqa: S608 - constant columns
)
# LATERAL and OFFSET 0 force a lookup of each. The planner else reads a table of a million rows for a few hundred ids.
# It is not shown which account: of a new one it knows no rows, and would read all of them for each id.
_STORED = text(
    """SELECT w.identity FROM unnest(:identities) AS w(identity), LATERAL (
        SELECT 1 FROM bank_transactions t
        WHERE t.account_id = (SELECT CAST(:account_id AS bigint)) AND t.identity = w.identity OFFSET 0) t"""
)
_HAS = text(
    """SELECT EXISTS (SELECT 1 FROM bank_transactions WHERE account_id = :account_id) AS has_rows,
        EXISTS (SELECT 1 FROM bank_transaction_aliases WHERE account_id = :account_id) AS has_aliases"""
)
_ALIASES = text(
    "SELECT identity, transaction_id FROM bank_transaction_aliases"
    " WHERE account_id = :account_id AND identity = ANY(:identities)"
)
# That a former id is removed says nothing of a row that has another one now.
_REMOVABLE = text(
    """SELECT id FROM bank_transactions WHERE account_id = :account_id AND external_id = ANY(:external_ids)
    UNION SELECT t.id FROM bank_transaction_aliases a JOIN bank_transactions t ON t.id = a.transaction_id
    WHERE a.account_id = :account_id AND a.external_id = ANY(:external_ids) AND t.external_id IS NULL"""
)
_SHARED_EXTERNAL_IDS = text(
    """SELECT external_id FROM bank_transactions
    WHERE account_id = :account_id AND external_id = ANY(:external_ids) AND state <> 'removed'
    GROUP BY external_id HAVING count(*) > 1"""
)


def has_rows(session: Session, account_id: int) -> bool:
    """Say whether anything of this account was ever imported."""
    return bool(session.execute(_HAS, {"account_id": account_id}).one().has_rows)


def load_slice_keys(
    session: Session, account_id: int, slice_: Slice, today: date, seen: SeenRows, *, reimport: bool
) -> StoredKeys:
    """Return the stored rows of the slice's days and those of its ids on any day, without rows of earlier slices.

    Args:
        today: In the bank's zone.
        seen: The rows of earlier slices.
        reimport: Rows that were taken back count as changed.
    """
    identities = [identity for _, identity, _ in slice_.transactions if identity is not None]
    if seen.new_ids is not None:
        return StoredKeys(distrusted=stored_identities(session, account_id, seen.new_ids.add(identities)))
    rows, aliases = _load_keys(session, account_id, slice_.span(today), identities, reimport=reimport)
    possible = possibly_shared_ids(slice_.transactions, aliases, rows)
    shared = _shared_external_ids(session, account_id, possible)
    earlier = {row.identity for row in rows if row.id in seen.row_ids}
    return StoredKeys(
        rows=[row for row in rows if row.id not in seen.row_ids],
        aliases=aliases,
        distrusted=frozenset(earlier.union(possible[external_id] for external_id in shared)),
    )


def stored_identities(session: Session, account_id: int, identities: Sequence[bytes]) -> frozenset[bytes]:
    """Return those of the identities that rows of the account have."""
    if not identities:
        return frozenset()
    rows = session.execute(_STORED, {"account_id": account_id, "identities": list(identities)})
    return frozenset(map(bytes, rows.scalars()))


def _load_keys(
    session: Session, account_id: int, days: tuple[date, date], identities: Collection[bytes], *, reimport: bool
) -> tuple[list[StoredKey], dict[bytes, int]]:
    """Return the known rows of these days, of these identities wherever they are, and what aliases point to.

    Args:
        reimport: Rows that were taken back count as changed.
    """
    has = session.execute(_HAS, {"account_id": account_id}).one()
    if not has.has_rows:
        return [], {}
    which = {"account_id": account_id, "reimport": reimport}
    span = {"from_on": days[0], "to_on": days[1]}
    rows = [_key(row) for row in session.execute(_KEYS, which | span).all()]
    have = {row.identity for row in rows}
    missing = [identity for identity in identities if identity not in have]
    aliases: dict[bytes, int] = {}
    if missing:
        rows += _load_further_keys(session, _KEYS_BY_IDENTITY, rows, which | {"identities": missing})
    if missing and has.has_aliases:
        found = session.execute(_ALIASES, {"account_id": account_id, "identities": missing})
        aliases = {bytes(row.identity): row.transaction_id for row in found}
        rows += _load_further_keys(session, _KEYS_BY_ID, rows, which | {"ids": list(aliases.values())})
    return rows, aliases


def _load_further_keys(
    session: Session, query: TextClause, rows: Sequence[StoredKey], which: dict[str, Any]
) -> list[StoredKey]:
    have = {row.id for row in rows}
    return [key for key in map(_key, session.execute(query, which).all()) if key.id not in have]


@lru_cache(maxsize=10_000)
def _days_of(written: str) -> RowDays:
    """Return days as Postgres writes a row of them: read once for the many rows that have the same, and held once."""
    stated, effective, bought, value = written[1:-1].split(",")
    return RowDays(_day(stated), date.fromisoformat(effective), _day(bought), _day(value))


def _day(written: str) -> date | None:
    return date.fromisoformat(written) if written else None


def _key(row: Row[Any]) -> StoredKey:
    return StoredKey(
        id=row.id,
        identity=bytes(row.identity),
        external_id=row.external_id,
        content_key=bytes(row.content_key),
        occurrence=row.occurrence,
        fingerprint=bytes(row.fingerprint),
        state=row.state,
        days=_days_of(row.days),
        absent=row.absent,
    )


def removable_ids(session: Session, account_id: int, external_ids: Sequence[str]) -> frozenset[int]:
    """Return the rows that are removed when the provider lists these ids as removed."""
    if not external_ids:
        return frozenset()
    values = {"account_id": account_id, "external_ids": list(map(id_text, external_ids))}
    return frozenset(session.execute(_REMOVABLE, values).scalars())


def _shared_external_ids(session: Session, account_id: int, external_ids: Collection[str]) -> frozenset[str]:
    """Return those of the provider's ids that several rows have now."""
    if not external_ids:
        return frozenset()
    rows = session.execute(_SHARED_EXTERNAL_IDS, {"account_id": account_id, "external_ids": list(external_ids)})
    return frozenset(rows.scalars())

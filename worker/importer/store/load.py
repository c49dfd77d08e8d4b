"""Loads stored rows with one query per batch, never one per row, in the caller's transaction."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import Row, TextClause, text
from sqlalchemy.orm import Session

from worker.importer.decide.stored_row import ExpenseFields, ExpenseState, State, StoredKey, StoredRow
from worker.importer.decide.text import id_text
from worker.importer.store.bulk import array_text
from worker.importer.store.change_rows import expense_from_json

_KEY_COLUMNS = """id, identity, external_id, content_key, occurrence,
    CASE WHEN :reimport AND expense_state = 'reverted' THEN ''::bytea ELSE fingerprint END AS fingerprint, state,
    coalesce(stated_on, effective_on) AS day, absent_since_at IS NOT NULL AS absent"""

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
_STORED = text(
    """SELECT w.identity FROM unnest(:identities) AS w(identity), LATERAL (
        SELECT 1 FROM bank_transactions t WHERE t.account_id = :account_id AND t.identity = w.identity OFFSET 0) t"""
)
_HAS = text(
    """SELECT EXISTS (SELECT 1 FROM bank_transactions WHERE account_id = :account_id) AS has_rows,
        EXISTS (SELECT 1 FROM bank_transaction_aliases WHERE account_id = :account_id) AS has_aliases"""
)
_ALIASES = text(
    "SELECT identity, transaction_id FROM bank_transaction_aliases"
    " WHERE account_id = :account_id AND identity = ANY(:identities)"
)
_BY_EXTERNAL_ID = text(
    """WITH present AS (
        SELECT id, external_id FROM bank_transactions
        WHERE account_id = :account_id AND external_id = ANY(:external_ids))
    SELECT id, external_id FROM present
    UNION SELECT a.transaction_id, a.external_id FROM bank_transaction_aliases a
    WHERE a.account_id = :account_id AND a.external_id = ANY(:external_ids)
      AND NOT EXISTS (SELECT 1 FROM present p WHERE p.external_id = a.external_id)"""
)
# That a former id is gone says nothing of a row that has another one now.
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
_LOCK_EXPENSES = text(
    """SELECT e.id FROM expenses e JOIN bank_transactions t ON t.expense_id = e.id
    WHERE t.id = ANY(CAST(:ids AS bigint[])) ORDER BY e.id FOR UPDATE OF e"""
)
_DETAILS = text(
    """SELECT t.id, t.identity, t.external_id, t.content_key, t.occurrence, t.fingerprint, t.state, t.stated_on,
        t.effective_on, t.value_on, t.amount, t.currency, t.description, t.counterparty, t.reference,
        extract(day FROM now() - t.absent_since_at)::int AS absent_days, t.expense_id, t.expense_state,
        t.base_amount, t.base_currency, t.base_type, t.base_notes, t.base_spent_on,
        e.amount AS expense_amount, e.currency AS expense_currency, e.expense_type, e.notes, e.spent_at, e.category_id,
        former.expense AS former_expense, former.state AS former_state, kept.id AS kept_expense_id,
        category.id AS former_category_id,
        t.expense_state = 'twin' AND t.state <> 'posted' AND EXISTS (SELECT FROM bank_transactions b
          WHERE b.account_id = t.account_id AND b.state = 'posted'
            AND (b.id = t.twin_id OR b.twin_id = t.twin_id AND b.expense_state = 'twin')) AS booked_as_other
    FROM bank_transactions t
    LEFT JOIN expenses e ON e.id = t.expense_id
    LEFT JOIN LATERAL (
        SELECT c.before_image -> 'expense' AS expense, c.before_image #>> '{transaction,state}' AS state,
          CASE WHEN c.before_image #>> '{transaction,expense_state}' = 'linked'
            THEN (c.before_image ->> 'expense_id')::bigint END AS linked_id
        FROM bank_transaction_changes c
        WHERE c.transaction_id = t.id AND c.before_image -> 'expense' IS NOT NULL
        ORDER BY c.id DESC LIMIT 1
    ) former ON t.state = 'removed' OR t.expense_state IN ('reverted', 'none')
    LEFT JOIN expenses kept ON t.state = 'removed' AND kept.id = former.linked_id AND kept.user_id = t.user_id
      AND NOT EXISTS (SELECT 1 FROM bank_transactions o WHERE o.expense_id = kept.id)
    LEFT JOIN categories category ON category.id = (former.expense ->> 'category_id')::int
    WHERE t.id = ANY(CAST(:ids AS bigint[]))"""
)
_TEXTS = text(
    """SELECT concat_ws(' ', counterparty, description) FROM bank_transactions WHERE account_id = :account_id
    ORDER BY effective_on DESC LIMIT 200"""
)
_CATEGORIES = text("SELECT id FROM categories WHERE id = ANY(:ids)")
_LOCK_KEPT = text("SELECT id FROM expenses WHERE id = ANY(:ids) ORDER BY id FOR UPDATE")


def has_rows(session: Session, account_id: int) -> bool:
    """Say whether anything of this account was ever imported."""
    return bool(session.execute(_HAS, {"account_id": account_id}).one().has_rows)


def stored_identities(session: Session, account_id: int, identities: Sequence[bytes]) -> frozenset[bytes]:
    """Return those of the identities that rows of the account have."""
    if not identities:
        return frozenset()
    rows = session.execute(_STORED, {"account_id": account_id, "identities": list(identities)})
    return frozenset(map(bytes, rows.scalars()))


def load_keys(
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


def _key(row: Row[Any]) -> StoredKey:
    return StoredKey(
        id=row.id,
        identity=bytes(row.identity),
        external_id=row.external_id,
        content_key=bytes(row.content_key),
        occurrence=row.occurrence,
        fingerprint=bytes(row.fingerprint),
        state=row.state,
        day=row.day,
        absent=row.absent,
    )


def ids_by_external_id(session: Session, account_id: int, external_ids: Sequence[str]) -> dict[int, str]:
    """Return the rows that have these provider ids, or had one that no other row has now, each with that id."""
    return dict(_rows_of(session, _BY_EXTERNAL_ID, account_id, external_ids))


def removable_ids(session: Session, account_id: int, external_ids: Sequence[str]) -> frozenset[int]:
    """Return the rows that are gone when the provider lists these ids as removed."""
    return frozenset(id_ for (id_,) in _rows_of(session, _REMOVABLE, account_id, external_ids))


def _rows_of(
    session: Session, query: TextClause, account_id: int, external_ids: Sequence[str]
) -> Sequence[tuple[Any, ...]]:
    if not external_ids:
        return ()
    stored = [id_text(external_id) for external_id in external_ids]
    found = session.execute(query, {"account_id": account_id, "external_ids": stored})
    return [tuple(row) for row in found]


def shared_external_ids(session: Session, account_id: int, external_ids: Collection[str]) -> frozenset[str]:
    """Return those of the provider's ids that several rows have now."""
    if not external_ids:
        return frozenset()
    rows = session.execute(_SHARED_EXTERNAL_IDS, {"account_id": account_id, "external_ids": list(external_ids)})
    return frozenset(rows.scalars())


def latest_texts(session: Session, account_id: int) -> Sequence[str]:
    """Return what the latest rows of an account say, from which follows what most of them say."""
    return session.execute(_TEXTS, {"account_id": account_id}).scalars().all()


def present_categories(session: Session, ids: Collection[int | None]) -> frozenset[int]:
    """Return those of the categories of former expenses that the person has not deleted since."""
    return frozenset(session.execute(_CATEGORIES, {"ids": list(ids)}).scalars()) if ids else frozenset()


def load_details(session: Session, ids: Iterable[int]) -> Mapping[int, StoredRow]:
    """Return these rows whole, with their expenses locked, so that no user edit slips in between."""
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    lock_expenses(session, wanted)
    rows = session.execute(_DETAILS, {"ids": array_text(wanted)}).all()
    kept = {row.kept_expense_id: row.id for row in rows if row.kept_expense_id is not None}
    if kept:
        there = set(session.execute(_LOCK_KEPT, {"ids": list(kept)}).scalars())
        kept = {expense_id: row_id for expense_id, row_id in kept.items() if expense_id in there}
    kept_by_row = {row_id: expense_id for expense_id, row_id in kept.items()}
    return {row.id: _stored_row(row, kept_by_row.get(row.id)) for row in rows}


def lock_expenses(session: Session, ids: Collection[int]) -> None:
    """Lock the expenses of these rows, so that no user edit slips in between."""
    session.execute(_LOCK_EXPENSES, {"ids": array_text(ids)})


def _stored_row(row: Row[Any], kept_expense_id: int | None) -> StoredRow:
    expense, category_id = None, row.category_id
    if row.expense_id is not None:
        expense = ExpenseFields(
            amount=row.expense_amount,
            currency=row.expense_currency,
            expense_type=row.expense_type,
            notes=row.notes,
            spent_on=row.spent_at,
        )
    elif row.former_expense:
        expense, category_id = expense_from_json(row.former_expense), row.former_category_id
    return StoredRow(
        id=row.id,
        identity=bytes(row.identity),
        external_id=row.external_id,
        content_key=bytes(row.content_key),
        occurrence=row.occurrence,
        fingerprint=bytes(row.fingerprint),
        state=State(row.state),
        stated_on=row.stated_on,
        effective_on=row.effective_on,
        value_on=row.value_on,
        amount=row.amount,
        currency=row.currency,
        description=row.description,
        counterparty=row.counterparty,
        reference=row.reference,
        absent_days=row.absent_days,
        expense_id=row.expense_id,
        expense_state=ExpenseState(row.expense_state),
        base=_base(row),
        expense=expense,
        category_id=category_id,
        former_state=State(row.former_state) if row.former_state else None,
        kept_expense_id=kept_expense_id,
        booked_as_other=row.booked_as_other,
    )


def _base(row: Row[Any]) -> ExpenseFields | None:
    if row.base_amount is None:
        return None
    return ExpenseFields(
        amount=row.base_amount,
        currency=row.base_currency,
        expense_type=row.base_type,
        notes=row.base_notes,
        spent_on=row.base_spent_on,
    )

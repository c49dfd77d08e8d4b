"""Loads stored rows with one query per batch, never one per row, in the caller's transaction."""

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, TextClause, text
from sqlalchemy.orm import Session

from worker.importer.decide.match_user_expense import UserExpense
from worker.importer.decide.stored_row import ExpenseFields, ExpenseState, State, StoredKey, StoredRow
from worker.importer.decide.text import id_text

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
    SELECT id FROM present
    UNION SELECT a.transaction_id FROM bank_transaction_aliases a
    WHERE a.account_id = :account_id AND a.external_id = ANY(:external_ids)
      AND NOT EXISTS (SELECT 1 FROM present p WHERE p.external_id = a.external_id)"""
)
_SHARED_EXTERNAL_IDS = text(
    """SELECT external_id FROM bank_transactions
    WHERE account_id = :account_id AND external_id = ANY(:external_ids) AND state <> 'removed'
    GROUP BY external_id HAVING count(*) > 1"""
)
_LOCK_EXPENSES = text(
    """SELECT e.id FROM expenses e JOIN bank_transactions t ON t.expense_id = e.id
    WHERE t.id = ANY(:ids) ORDER BY e.id FOR UPDATE OF e"""
)
_DETAILS = text(
    """SELECT t.id, t.identity, t.external_id, t.content_key, t.occurrence, t.fingerprint, t.state, t.stated_on,
        t.effective_on, t.amount, t.currency, t.description, t.counterparty, t.reference,
        extract(day FROM now() - t.absent_since_at)::int AS absent_days, t.expense_id, t.expense_state,
        t.base_amount, t.base_currency, t.base_type, t.base_notes, t.base_spent_on,
        e.amount AS expense_amount, e.currency AS expense_currency, e.expense_type, e.notes, e.spent_at, e.category_id,
        former.expense AS former_expense
    FROM bank_transactions t
    LEFT JOIN expenses e ON e.id = t.expense_id
    LEFT JOIN LATERAL (
        SELECT c.before_image -> 'expense' AS expense FROM bank_transaction_changes c
        WHERE c.transaction_id = t.id AND c.before_image -> 'expense' IS NOT NULL
        ORDER BY c.id DESC LIMIT 1
    ) former ON t.state = 'removed' OR t.expense_state = 'reverted'
    WHERE t.id = ANY(:ids)"""
)
# The user's own expenses by what the user sees; rows of other connections by what the bank stated, so that they are
# recognised whatever the user did to their expenses since.
_EXISTING = text(
    """SELECT e.id AS expense_id, e.amount, e.currency, e.expense_type, coalesce(e.notes, '') AS notes,
        e.spent_at AS spent_on, CAST(NULL AS bigint) AS twin_id, FALSE AS deleted, NULL AS anchor, NULL AS mask,
        NULL AS own_mask, NULL AS account_currency
    FROM expenses e
    WHERE e.user_id = :user_id AND e.spent_at BETWEEN :from_on AND :to_on AND e.amount = ANY(:amounts)
      AND NOT EXISTS (SELECT 1 FROM bank_transactions b WHERE b.expense_id = e.id)
    UNION ALL
    SELECT b.expense_id, b.base_amount, b.base_currency, b.base_type, coalesce(b.base_notes, ''), b.base_spent_on,
        b.id, b.expense_id IS NULL, a.anchor,
        CASE WHEN NOT EXISTS (
            SELECT 1 FROM bank_connection_accounts o WHERE o.mask = a.mask AND o.id <> a.id
              AND o.connection_id = a.connection_id) THEN a.mask END,
        CASE WHEN NOT EXISTS (
            SELECT 1 FROM bank_connection_accounts o WHERE o.mask = :mask AND o.id <> :account_id
              AND o.connection_id = :connection_id) THEN CAST(:mask AS text) END,
        a.currency
    FROM bank_transactions b JOIN bank_connection_accounts a ON a.id = b.account_id
    WHERE b.user_id = :user_id AND a.connection_id <> :connection_id AND b.state <> 'removed'
      AND b.expense_state IN ('own', 'linked', 'transfer') AND b.base_amount = ANY(:amounts)
      AND b.effective_on BETWEEN CAST(:from_on AS date) - 7 AND CAST(:to_on AS date) + 7
      AND b.base_spent_on BETWEEN :from_on AND :to_on
      AND NOT EXISTS (SELECT 1 FROM bank_transactions w WHERE w.twin_id = b.id AND w.account_id = :account_id)
    ORDER BY expense_id, twin_id"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountPlace:
    """Whose account it is; anchor, mask and currency tell whether another connection has the same one."""

    user_id: int
    connection_id: uuid.UUID
    account_id: int
    anchor: str | None
    mask: str | None
    currency: str | None


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

    reimport: rows that were taken back count as changed.
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


def ids_by_external_id(session: Session, account_id: int, external_ids: Sequence[str]) -> frozenset[int]:
    """Return the rows that have these provider ids, or had one that no other row has now."""
    if not external_ids:
        return frozenset()
    stored = [id_text(external_id) for external_id in external_ids]
    rows = session.execute(_BY_EXTERNAL_ID, {"account_id": account_id, "external_ids": stored})
    return frozenset(rows.scalars())


def shared_external_ids(session: Session, account_id: int, external_ids: Collection[str]) -> frozenset[str]:
    """Return those of the provider's ids that several rows have now."""
    if not external_ids:
        return frozenset()
    rows = session.execute(_SHARED_EXTERNAL_IDS, {"account_id": account_id, "external_ids": list(external_ids)})
    return frozenset(rows.scalars())


def load_details(session: Session, ids: Iterable[int]) -> Mapping[int, StoredRow]:
    """Return these rows whole, with their expenses locked, so that no user edit slips in between."""
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    session.execute(_LOCK_EXPENSES, {"ids": wanted})
    return {row.id: _stored_row(row) for row in session.execute(_DETAILS, {"ids": wanted})}


def _stored_row(row: Row[Any]) -> StoredRow:
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
        expense, category_id = expense_from_json(row.former_expense), row.former_expense.get("category_id")
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


def expense_to_json(expense: ExpenseFields | None, category_id: int | None) -> dict[str, Any] | None:
    """Return an expense as a before-image holds it."""
    if expense is None:
        return None
    return {
        "amount": str(expense.amount),
        "currency": expense.currency,
        "expense_type": expense.expense_type,
        "notes": expense.notes,
        "spent_on": expense.spent_on.isoformat(),
        "category_id": category_id,
    }


def expense_from_json(image: Mapping[str, Any]) -> ExpenseFields:
    """Return the expense a before-image holds."""
    return ExpenseFields(
        amount=Decimal(image["amount"]),
        currency=image["currency"],
        expense_type=image["expense_type"],
        notes=image["notes"],
        spent_on=date.fromisoformat(image["spent_on"]),
    )


def load_user_expenses(
    session: Session, place: AccountPlace, days: tuple[date, date], amounts: Collection[Decimal]
) -> list[UserExpense]:
    """Return what the user has of these days and amounts from elsewhere: own expenses, rows of other connections."""
    rows = session.execute(
        _EXISTING,
        {
            "user_id": place.user_id,
            "connection_id": place.connection_id,
            "account_id": place.account_id,
            "from_on": days[0],
            "to_on": days[1],
            "amounts": list(amounts),
            "mask": place.mask,
        },
    )
    return [
        UserExpense(
            expense_id=row.expense_id or 0,
            amount=row.amount,
            currency=row.currency,
            expense_type=row.expense_type,
            notes=row.notes,
            spent_on=row.spent_on,
            twin_id=row.twin_id,
            same_account=_same_account(place, row) if row.twin_id else None,
        )
        for row in rows
        # A row without an expense makes this one's go too: only where it is evidently the same account.
        if not row.deleted or _same_account(place, row)
    ]


def _same_account(place: AccountPlace, theirs: Row[Any]) -> bool | None:
    """Say whether it is evidently one account: by anchor, then by last digits that name one account on either side.

    Accounts in two currencies are two, whatever they share. Where neither side states either, nothing is known.
    """
    if place.currency and theirs.account_currency and place.currency != theirs.account_currency:
        return False
    for one, other in ((place.anchor, theirs.anchor), (theirs.own_mask, theirs.mask)):
        if one and other:
            return bool(one == other)
    return None

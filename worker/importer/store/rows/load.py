"""Loads stored rows with one query per batch, never one per row, in the caller's transaction."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from worker.importer.decide.read.clean_text import id_text
from worker.importer.decide.row_days import RowDays
from worker.importer.decide.slice_matches import RowsInFull, SliceMatches
from worker.importer.decide.stored_row import ExpenseFields, ExpenseState, State, StoredRow, TransferCost
from worker.importer.store.rows.bulk import array_text
from worker.importer.store.rows.changes import expense_from_json
from worker.importer.store.rows.keys import stored_identities

_BY_EXTERNAL_ID = text(
    """WITH present AS (
        SELECT id, external_id FROM bank_transactions
        WHERE account_id = :account_id AND external_id = ANY(:external_ids))
    SELECT id, external_id FROM present
    UNION SELECT a.transaction_id, a.external_id FROM bank_transaction_aliases a
    WHERE a.account_id = :account_id AND a.external_id = ANY(:external_ids)
      AND NOT EXISTS (SELECT 1 FROM present p WHERE p.external_id = a.external_id)"""
)
_LOCK_EXPENSES = text(
    """SELECT e.id FROM expenses e JOIN bank_transactions t ON t.expense_id = e.id
    WHERE t.id = ANY(CAST(:ids AS bigint[])) ORDER BY e.id FOR UPDATE OF e"""
)
# The `+ 0` lets Postgres look a twin up by its row: by the account as well it would read all days of the account.
_IN_FULL = text(
    """SELECT t.id, t.identity, t.external_id, t.content_key, t.occurrence, t.fingerprint, t.state, t.stated_on,
        t.effective_on, t.value_on, t.transaction_on, t.amount, t.currency, t.description, t.counterparty, t.reference,
        extract(day FROM now() - t.absent_since_at)::int AS absent_days, t.expense_id, t.expense_state,
        t.base_amount, t.base_currency, t.base_type, t.base_notes, t.base_spent_on, t.base_cost,
        e.amount AS expense_amount, e.currency AS expense_currency, e.expense_type, e.notes, e.spent_at, e.category_id,
        former.expense AS former_expense, former.state AS former_state, kept.id AS kept_expense_id,
        category.id AS former_category_id,
        t.expense_state = 'twin' AND t.state <> 'posted' AND EXISTS (SELECT FROM bank_transactions b
          WHERE b.account_id + 0 = t.account_id AND b.state = 'posted'
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
    LEFT JOIN expenses kept ON (t.state = 'removed' OR t.state = 'pending' AND t.expense_state = 'none')
      AND kept.id = former.linked_id AND kept.user_id = t.user_id
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


@dataclass(frozen=True, slots=True, kw_only=True)
class FurtherRows:
    """What is stored beside the rows that were recognised.

    Attributes:
        restated: Posted rows that new lines may state otherwise, with all fields.
        taken_identities: Identities that rows on other days have.
        latest_texts: What the latest rows of the account say.
    """

    restated: Mapping[int, StoredRow]
    taken_identities: frozenset[bytes]
    latest_texts: Sequence[str]


def load_undecided(session: Session, account_id: int, found: SliceMatches, removed: Collection[int]) -> RowsInFull:
    """Return the rows of a slice that are not decided yet, those that its lines name, and those of `removed`."""
    named = _ids_by_external_id(session, account_id, found.named_ids)
    in_full = load_in_full(session, found.undecided.union(removed, named))
    return RowsInFull(by_id=in_full, named=named)


def load_further(
    session: Session,
    account_id: int,
    full: RowsInFull,
    restated: frozenset[int],
    identities: Sequence[bytes],
    *,
    has_new: bool,
) -> FurtherRows:
    """Return what else the plan of a slice needs of the account's rows.

    Args:
        full: The rows that are loaded already.
        restated: Ids of the rows that new lines may state otherwise.
        identities: Those that lines may get and that other rows may have.
        has_new: There are lines without a row.
    """
    # Loaded once the signs are judged: where nothing is covered, the absence of these rows says nothing about them.
    restated_rows = load_in_full(session, restated - full.by_id.keys())
    is_like_some = has_new and (restated_rows or full.by_id)
    return FurtherRows(
        restated=restated_rows,
        # Rows of equal content may be filed under far days: booked together, bought weeks apart.
        taken_identities=stored_identities(session, account_id, identities),
        latest_texts=latest_texts(session, account_id) if is_like_some else (),
    )


def _ids_by_external_id(session: Session, account_id: int, external_ids: Sequence[str]) -> dict[int, str]:
    """Return the rows that have these provider ids, or had one that no other row has now, each with that id."""
    if not external_ids:
        return {}
    values = {"account_id": account_id, "external_ids": list(map(id_text, external_ids))}
    return {row.id: row.external_id for row in session.execute(_BY_EXTERNAL_ID, values)}


def latest_texts(session: Session, account_id: int) -> Sequence[str]:
    """Return the texts of the latest rows of an account."""
    return session.execute(_TEXTS, {"account_id": account_id}).scalars().all()


def present_categories(session: Session, ids: Collection[int | None]) -> frozenset[int]:
    """Return those of the categories of former expenses that the user has not deleted since."""
    return frozenset(session.execute(_CATEGORIES, {"ids": list(ids)}).scalars()) if ids else frozenset()


def load_in_full(session: Session, ids: Iterable[int]) -> Mapping[int, StoredRow]:
    """Return these rows whole, with their expenses locked, so that no user edit slips in between."""
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    lock_expenses(session, wanted)
    rows = session.execute(_IN_FULL, {"ids": array_text(wanted)}).all()
    kept = {row.kept_expense_id: row.id for row in rows if row.kept_expense_id is not None}
    if kept:
        there = set(session.execute(_LOCK_KEPT, {"ids": list(kept)}).scalars())
        kept = {expense_id: row_id for expense_id, row_id in kept.items() if expense_id in there}
    kept_by_row = {row_id: expense_id for expense_id, row_id in kept.items()}
    return {row.id: _stored_row(row, kept_by_row.get(row.id)) for row in rows}


def lock_expenses(session: Session, ids: Collection[int]) -> None:
    """Lock the expenses of these rows, so that no user edit slips in between."""
    session.execute(_LOCK_EXPENSES, {"ids": array_text(ids)})


_AS_STORED = (
    "id", "external_id", "occurrence", "amount", "currency", "description", "counterparty", "reference", "absent_days",
    "expense_id", "booked_as_other",
)  # fmt: skip
"""Fields of a row that are columns of the same name, as they are."""


def _stored_row(row: Row[Any], kept_expense_id: int | None) -> StoredRow:
    is_leg = row.expense_state == ExpenseState.TRANSFER
    expense, category_id = None, None if is_leg else row.category_id
    if row.expense_id is not None and not is_leg:
        expense = _expense(row)
    elif row.former_expense:
        expense, category_id = expense_from_json(row.former_expense), row.former_category_id
    return StoredRow(
        identity=bytes(row.identity),
        content_key=bytes(row.content_key),
        fingerprint=bytes(row.fingerprint),
        state=State(row.state),
        days=RowDays(row.stated_on, row.effective_on, row.transaction_on, row.value_on),
        expense_state=ExpenseState(row.expense_state),
        base=_base(row),
        expense=expense,
        category_id=category_id,
        former_state=State(row.former_state) if row.former_state else None,
        kept_expense_id=kept_expense_id,
        cost=_cost(row) if is_leg else None,
        **{name: getattr(row, name) for name in _AS_STORED},
    )


def _cost(row: Row[Any]) -> TransferCost | None:
    expense = None if row.expense_id is None else _expense(row)
    said = None if row.base_cost is None else expense_from_json(row.base_cost)
    return None if said is None and expense is None else TransferCost(said, expense, row.category_id)


def _expense(row: Row[Any]) -> ExpenseFields:
    return ExpenseFields(
        amount=row.expense_amount,
        currency=row.expense_currency,
        expense_type=row.expense_type,
        notes=row.notes,
        spent_on=row.spent_at,
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

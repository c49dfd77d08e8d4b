"""Inserts, updates and deletes rows of FinMind's `expenses`, a statement for many.

Callers record the events of what they insert and update; what they delete is recorded here.
"""

import uuid
from collections.abc import Iterable, Mapping

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker import outbox
from worker.importer.decide.stored_row import ExpenseFields
from worker.importer.store.rows.bulk import array_text, copy, run_values

IS_EDITED = """(e.category_id IS NOT NULL OR (e.amount, e.currency, e.expense_type, e.notes, e.spent_at)
      IS DISTINCT FROM (t.base_amount, t.base_currency, t.base_type, t.base_notes, t.base_spent_on))"""
"""SQL: whether the user changed the expense `e` of a row `t`, or gave it a category."""

_COLUMN_OF = {"spent_on": "spent_at"}
_FIELD_COLUMNS = tuple(_COLUMN_OF.get(field, field) for field in ExpenseFields._fields)
_UPDATE = f"""UPDATE expenses e SET amount = v.amount, currency = v.currency, expense_type = v.expense_type,
    notes = v.notes, spent_at = v.spent_at::date
    FROM (VALUES %s) AS v(id, {", ".join(_FIELD_COLUMNS)}) WHERE e.id = v.id"""  # noqa: S608 - constant names
_CATEGORISE = """UPDATE expenses e SET category_id = v.category_id::int
    FROM (VALUES %s) AS v(id, category_id) WHERE e.id = v.id"""
_DELETE = text(
    """WITH deleted AS (
      DELETE FROM expenses WHERE id = ANY(CAST(:ids AS bigint[])) RETURNING to_char(spent_at, 'YYYY-MM') AS month)
    SELECT DISTINCT month FROM deleted"""
)


def insert_expenses(session: Session, user_id: int, rows: Iterable[tuple[int, int | None, ExpenseFields]]) -> None:
    """Insert expenses of a user: the id, the category and the fields of each."""
    columns = ("id", "user_id", "category_id", *_FIELD_COLUMNS)
    copy(session, "expenses", columns, ((id_, user_id, category_id, *fields) for id_, category_id, fields in rows))


def update_expenses(session: Session, expenses: Mapping[int, ExpenseFields]) -> None:
    """Set the fields of expenses, by their ids; categories stay."""
    if expenses:
        run_values(session, _UPDATE, [(expense_id, *fields) for expense_id, fields in expenses.items()])


def set_categories(session: Session, categories: Mapping[int, int | None]) -> None:
    """Set the categories of expenses, by their ids."""
    if categories:
        run_values(session, _CATEGORISE, list(categories.items()))


def delete_expenses(session: Session, ids: Iterable[int | None], run_id: uuid.UUID | None) -> set[str]:
    """Delete those of these expenses that there are, and announce it; return their months (`YYYY-MM`)."""
    present = [expense_id for expense_id in ids if expense_id is not None]
    if not present:
        return set()
    outbox.record_expenses(session, event_type="expense.deleted", expense_ids=present, run_id=run_id)
    return set(session.execute(_DELETE, {"ids": array_text(present)}).scalars())

"""Expenses are written field by field as they are named, whatever they hold."""

from datetime import date
from decimal import Decimal

from sqlalchemy import text

from worker.importer.decide.stored_row import ExpenseFields
from worker.importer.store.expenses.rows import delete_expenses, insert_expenses, update_expenses
from worker.importer.store.rows.bulk import next_ids

BREAD = ExpenseFields(
    amount=Decimal("4.20"), currency="EUR", expense_type="EXPENSE", notes="Bread\t\\N", spent_on=date(2026, 3, 1)
)
WAGE = ExpenseFields(
    amount=Decimal("9.00"), currency="USD", expense_type="INCOME", notes=None, spent_on=date(2026, 3, 2)
)


def stored(session, ids):
    rows = session.execute(
        text(
            "SELECT id, category_id, amount, currency, expense_type, notes, spent_at AS spent_on FROM expenses"
            " WHERE id = ANY(:ids)"
        ),
        {"ids": ids},
    )
    return {row.id: (row.category_id, ExpenseFields(*row[2:])) for row in rows}


def test_expenses_are_inserted_updated_and_deleted_by_name(sessions, user_id):
    with sessions() as session:
        category_id = session.scalar(
            text("INSERT INTO categories (user_id, name) VALUES (:user_id, 'Food') RETURNING id"), {"user_id": user_id}
        )
        ids = bread_id, wage_id = next_ids(session, "expenses", 2)
        insert_expenses(session, user_id, [(bread_id, category_id, BREAD), (wage_id, None, WAGE)])
        assert stored(session, ids) == {bread_id: (category_id, BREAD), wage_id: (None, WAGE)}
        update_expenses(session, {bread_id: WAGE})
        assert stored(session, ids) == {bread_id: (category_id, WAGE), wage_id: (None, WAGE)}
        delete_expenses(session, [bread_id], None)
        assert stored(session, ids) == {wage_id: (None, WAGE)}

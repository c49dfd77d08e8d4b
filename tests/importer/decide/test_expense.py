"""Which expense a line becomes."""

import pytest

from tests.importer.decide.rows import line
from worker.importer.decide.expense import expense_from_line, has_expense

SHOWN = {
    "spending": (line("-3.50"), False, ("3.50", "EXPENSE")),
    "income": (line("3.50", "Refund of a payment"), False, ("3.50", "INCOME")),
    "rounded half up": (line("-0.125"), False, ("0.13", "EXPENSE")),
    "pending": (line(pending=True), False, ("3.50", "EXPENSE")),
    "pending while hidden": (line(pending=True), True, None),
    "posted while pending is hidden": (line(), True, ("3.50", "EXPENSE")),
    "zero": (line("0"), False, None),
}


@pytest.mark.parametrize(("said", "pending_hidden", "expected"), SHOWN.values(), ids=SHOWN)
def test_the_expense_of_a_line(said, pending_hidden, expected):
    expense = expense_from_line(said, pending_hidden=pending_hidden)
    assert (expense and (str(expense.amount), expense.expense_type)) == expected
    assert has_expense(said, pending_hidden=pending_hidden) == (expected is not None)

"""Which expense a line becomes."""

import pytest

from tests.importer.decide.rows import line
from worker.importer.decide.expenses.from_line import expense_from_line, has_expense, notes_text

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


NOTES = {
    "the counterparty leads": ("Bar", "Card payment", "Bar · Card payment"),
    "a counterparty that is in the text already": ("Bar", "COFFEE BAR", "COFFEE BAR"),
    "no description": ("Bar", "", "Bar"),
    "nothing": (None, "", None),
    "a long text is shortened": (None, "x" * 600, "x" * 500),
}


@pytest.mark.parametrize(("counterparty", "description", "notes"), NOTES.values(), ids=NOTES)
def test_the_notes_of_an_expense(counterparty, description, notes):
    assert notes_text(counterparty, description) == notes

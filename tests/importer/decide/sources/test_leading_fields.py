"""Which source of a purchase leads for which field."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.importer.decide.rows import day
from worker.importer.decide.sources.leading_fields import StatedExpense, contradictions, leading_fields
from worker.importer.decide.stored_row import ExpenseFields


def stated(number, *, owns=False, statement=False, linked=True, pending=False, amount="5.00", notes="Cafe", on=0):
    expense = ExpenseFields(Decimal(amount), "EUR", "EXPENSE", notes, day(on))
    return StatedExpense(
        transaction_id=number, owns=owns, is_statement=statement, is_linked=linked, pending=pending, expense=expense
    )


FEED = stated(1, owns=True, notes="Blue Bottle", on=0)
CASES = {
    "one source": ([FEED], ("5.00", "Blue Bottle", 0)),
    "a statement beside a feed": ([FEED, stated(2, statement=True, amount="6.00", notes="CARD", on=1)],
                                  ("6.00", "Blue Bottle", 1)),
    "a feed beside a statement": ([stated(1, owns=True, statement=True, notes="CARD", on=1),
                                 stated(2, notes="Blue Bottle")],
                                  ("5.00", "Blue Bottle", 1)),
    "two feeds": ([FEED, stated(2, amount="6.00", notes="Other", on=3)], ("5.00", "Blue Bottle", 0)),
    "a pending row, and a posted one of another feed": (
        [stated(1, owns=True, pending=True), stated(2, amount="6.00", notes="Other", on=3)], ("6.00", "Other", 3)
    ),
    "pending rows of two feeds": (
        [stated(1, pending=True, amount="6.00"), stated(2, owns=True, pending=True)], ("5.00", "Cafe", 0)
    ),
    "a pending row of a statement": ([FEED, stated(2, statement=True, pending=True, amount="6.00", on=1)],
                                     ("5.00", "Blue Bottle", 0)),
    "a feed whose connection was removed, and another one": (
        [replace(FEED, is_linked=False), stated(2, amount="6.00", notes="Other", on=3)], ("6.00", "Other", 3)
    ),
    "a statement whose connection was removed, and a feed": (
        [stated(1, statement=True, linked=False, amount="6.00", on=1), stated(2, owns=True)], ("6.00", "Cafe", 1)
    ),
    "a posted row of a removed connection, and a pending one": (
        [replace(FEED, is_linked=False), stated(2, pending=True, amount="6.00", on=3)], ("5.00", "Blue Bottle", 0)
    ),
    "a feed without a text": ([stated(1, owns=True, notes=None), stated(2, statement=True, notes="CARD", on=1)],
                              ("5.00", None, 1)),
}  # fmt: skip


@pytest.mark.parametrize(("rows", "wanted"), CASES.values(), ids=CASES)
def test_a_statement_leads_for_money_and_day_and_a_feed_for_the_text(rows, wanted):
    found = leading_fields(rows)
    assert (str(found.amount), found.notes, found.spent_on) == (wanted[0], wanted[1], day(wanted[2]))


def test_a_source_of_another_amount_contradicts_the_one_that_leads():
    assert contradictions([FEED, stated(2, statement=True, amount="6.00")]) == {1: ("amount",)}

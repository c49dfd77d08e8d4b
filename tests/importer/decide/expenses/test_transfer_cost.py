"""What the expense of what a transfer cost says: what the banks say, but for what the user changed."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.importer.decide.rows import row
from worker.importer.decide.expenses.transfer_cost import settle_cost
from worker.importer.decide.stored_row import ExpenseFields, ExpenseState, TransferCost
from worker.importer.decide.transfers.money_moved import Money

LEG = replace(row("-100.50", "To the pot"), expense_id=None, expense=None, expense_state=ExpenseState.TRANSFER)
SAID = ExpenseFields(Decimal("0.50"), "EUR", "EXPENSE", "To the pot", LEG.base.spent_on)
NOW = SAID._replace(amount=Decimal("0.80"))
MINE = SAID._replace(notes="Mine")

COSTS = {
    "written": ("0.80", None, None, (NOW, None)),
    "nothing any more": (None, TransferCost(SAID, MINE), None, (None, None)),
    "less than a cent": ("0.001", None, None, (None, None)),
    "what the user left alone follows": ("0.80", TransferCost(SAID, SAID), None, (NOW, None)),
    "what they changed stays": ("0.80", TransferCost(SAID, MINE, 4), None, (NOW._replace(notes="Mine"), 4)),
    "deleted": ("0.80", TransferCost(SAID, None), None, (None, None)),
    "a leg again, as they left it": ("0.80", None, TransferCost(SAID, MINE, 4), (NOW._replace(notes="Mine"), 4)),
    "a leg again, and deleted before": ("0.80", None, TransferCost(SAID, None), (None, None)),
}


@pytest.mark.parametrize(("amount", "cost", "left", "expected"), COSTS.values(), ids=COSTS)
def test_what_a_transfer_cost(amount, cost, left, expected):
    money = None if amount is None else Money(Decimal(amount), "EUR")
    change = settle_cost(replace(LEG, cost=cost), money, left)
    assert (change.expense, change.category_id) == expected
    assert (change.said is None) == (amount in (None, "0.001"))

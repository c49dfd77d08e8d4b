"""What stays when the user edited or deleted."""

from decimal import Decimal

import pytest

from tests.importer.decide.rows import DAY, day, row, rules
from worker.importer.decide.decisions import ExpenseEffect
from worker.importer.decide.expenses.user_edits import effect_on_expense, merge_user_edits
from worker.importer.decide.stored_row import ExpenseFields, ExpenseState

BASE = ExpenseFields(Decimal("3.50"), "EUR", "EXPENSE", "Coffee", DAY)
TEN = Decimal(10)

MERGES = {
    "the bank alone": ({}, {"notes": "Bar"}, {"notes": "Bar"}, ("notes",), ()),
    "the user alone": ({"notes": "mine"}, {}, {"notes": "mine"}, (), ()),
    "different fields": (
        {"notes": "mine"}, {"spent_on": day(1)}, {"notes": "mine", "spent_on": day(1)}, ("spent_on",), (),
    ),
    "the same field": ({"amount": TEN}, {"amount": Decimal(4)}, {"amount": TEN}, (), ("amount",)),
    "the same field, the same value": ({"amount": TEN}, {"amount": TEN}, {"amount": TEN}, (), ()),
    "a sign beside the user's amount": (
        {"amount": TEN}, {"amount": Decimal(4), "expense_type": "INCOME"}, {"amount": TEN}, (),
        ("amount", "expense_type"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("user", "bank", "result", "changed", "kept"), MERGES.values(), ids=MERGES)
def test_the_expense_follows_the_bank_where_the_user_left_it_alone(user, bank, result, changed, kept):
    merged = merge_user_edits(BASE, BASE._replace(**user), BASE._replace(**bank))
    assert merged.expense == BASE._replace(**result)
    assert (merged.changed, merged.kept) == (changed, kept)


COFFEE = row().base
CHANGED = COFFEE._replace(amount=Decimal(4))
GONE = {"expense_id": None, "expense": None}
EFFECTS = {
    "nothing changed": (row(), COFFEE, rules(), ExpenseEffect(state=ExpenseState.OWN)),
    "the bank changed the amount": (
        row(), CHANGED, rules(), ExpenseEffect(state=ExpenseState.OWN, write=CHANGED, changed=("amount",)),
    ),
    "deleted by the user": (row(**GONE), CHANGED, rules(), ExpenseEffect(state=ExpenseState.OWN)),
    "a linked expense deleted by the user": (
        row(expense_state=ExpenseState.LINKED, **GONE), CHANGED, rules(), ExpenseEffect(state=ExpenseState.LINKED),
    ),
    "a leg of a transfer": (
        row(expense_state=ExpenseState.TRANSFER, **GONE), CHANGED, rules(),
        ExpenseEffect(state=ExpenseState.TRANSFER),
    ),
    "a twin": (
        row(expense_state=ExpenseState.TWIN, **GONE), CHANGED, rules(), ExpenseEffect(state=ExpenseState.TWIN),
    ),
    "reverted": (
        row(expense_state=ExpenseState.REVERTED, **GONE), CHANGED, rules(),
        ExpenseEffect(state=ExpenseState.REVERTED),
    ),
    "reverted, and asked for again": (
        row(expense_state=ExpenseState.REVERTED, **GONE), CHANGED, rules(reimport=True),
        ExpenseEffect(state=ExpenseState.OWN, write=CHANGED),
    ),
    "no expense any more": (row(), None, rules(), ExpenseEffect(state=ExpenseState.NONE, drop=True)),
    "no expense any more, but the user's own": (
        row(expense_state=ExpenseState.LINKED), None, rules(), ExpenseEffect(state=ExpenseState.LINKED),
    ),
    "comes back as the user left it": (
        row(expense_state=ExpenseState.NONE, expense_id=None, expense=COFFEE._replace(notes="mine")), CHANGED,
        rules(),
        ExpenseEffect(state=ExpenseState.OWN, write=CHANGED._replace(notes="mine")),
    ),
    "comes back to the expense that the user had for it": (
        row(expense_state=ExpenseState.NONE, expense_id=None, kept_expense_id=7), CHANGED, rules(),
        ExpenseEffect(state=ExpenseState.LINKED, link_expense_id=7),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("known", "wanted", "rules", "effect"), EFFECTS.values(), ids=EFFECTS)
def test_what_happens_to_the_expense_of_a_row(known, wanted, rules, effect):
    assert effect_on_expense(known, wanted, rules) == effect

"""How a stored row changes, and why."""

from dataclasses import replace

import pytest

from tests.importer.decide.rows import DAY, day, line, row, rules
from worker.importer.decide.decisions import ExpenseEffect, RowIdentity
from worker.importer.decide.reasons import Decision, Reason
from worker.importer.decide.row_update import take_removal_back, tombstone, update_from_bank
from worker.importer.decide.stored_row import ExpenseState, State

UPDATES = {
    "another text": (row(external_id="a"), line(text="Bar", external_id="a"), Decision.UPDATED, Reason.AMENDED),
    "another id": (row(external_id="a"), line(external_id="b"), Decision.UPDATED, Reason.RENUMBERED),
    "posted": (row(external_id="a", pending=True), line(external_id="a"), Decision.UPDATED, Reason.POSTED),
    "delivered again": (
        row(external_id="a", state=State.REMOVED), line(external_id="a"), Decision.RESTORED, Reason.RETURNED,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("known", "said", "decision", "reason"), UPDATES.values(), ids=UPDATES)
def test_a_row_is_brought_to_what_the_bank_says(known, said, decision, reason):
    change = update_from_bank(known, said, RowIdentity(b"id", 0), rules())
    assert (change.decision, change.reason, change.state) == (decision, reason, State.POSTED)
    assert (change.identity, change.line) == (b"id", said)


def test_an_undated_row_keeps_the_day_it_was_first_seen():
    known = row(booking_on=None, pending=True, effective_on=day(-3))
    change = update_from_bank(known, line(booking_on=None, pending=True), RowIdentity(b"id", 0), rules())
    assert change.line is not None
    assert change.line.effective_on == day(-3) != DAY


REMOVALS = {
    "an imported expense goes": (row(), ExpenseState.NONE, True),
    "the user's own stays": (row(expense_state=ExpenseState.LINKED), ExpenseState.NONE, False),
    "a deleted one stays deleted": (row(expense_id=None), ExpenseState.OWN, False),
    "a twin stays one": (row(expense_id=None, expense_state=ExpenseState.TWIN), ExpenseState.TWIN, False),
    "reverted stays reverted": (
        row(expense_id=None, expense_state=ExpenseState.REVERTED), ExpenseState.REVERTED, False,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("known", "state", "dropped"), REMOVALS.values(), ids=REMOVALS)
def test_a_removed_row_is_a_tombstone(known, state, dropped):
    change = tombstone(known, Reason.REMOVED_BY_BANK)
    assert (change.decision, change.state, change.line) == (Decision.REMOVED, State.REMOVED, None)
    assert (change.effect.state, change.effect.drop) == (state, dropped)


def test_a_row_that_the_bank_lists_on_keeps_its_state_without_its_expense():
    change = tombstone(row(pending=True), Reason.STILL_PENDING, still_listed=True)
    assert (change.decision, change.state, change.line) == (Decision.UPDATED, State.PENDING, None)
    assert (change.effect.state, change.effect.drop) == (ExpenseState.NONE, True)


GONE = row(state=State.REMOVED, expense_id=None, expense_state=ExpenseState.NONE)
assert GONE.expense is not None
EDITED = GONE.expense._replace(notes="Breakfast with Bo")
RETURNS = {
    "as the user left it": (replace(GONE, expense=EDITED), ExpenseEffect(state=ExpenseState.OWN, write=EDITED)),
    "with what the user typed": (
        replace(GONE, kept_expense_id=7), ExpenseEffect(state=ExpenseState.LINKED, link_expense_id=7),
    ),
    "without a deleted one": (
        replace(GONE, expense_state=ExpenseState.OWN), ExpenseEffect(state=ExpenseState.OWN),
    ),
    "as a twin": (replace(GONE, expense_state=ExpenseState.TWIN), ExpenseEffect(state=ExpenseState.TWIN)),
}  # fmt: skip


@pytest.mark.parametrize(("known", "effect"), RETURNS.values(), ids=RETURNS)
def test_a_row_whose_removal_is_taken_back_is_as_it_was(known, effect):
    change = take_removal_back(known, Reason.UNMATCHED, State.POSTED)
    assert (change.decision, change.state, change.line) == (Decision.RESTORED, State.POSTED, None)
    assert (change.effect, change.base) == (effect, known.base)


CURRENCIES = {
    "the account has another currency now": (line(currency=None), "HRK"),
    "the number changed as well": (line("-0.46", currency=None), "EUR"),
    "the transaction names it": (line(currency="EUR"), "EUR"),
}


@pytest.mark.parametrize(("said", "currency"), CURRENCIES.values(), ids=CURRENCIES)
def test_a_row_that_names_no_currency_keeps_the_one_it_was_in_while_its_number_stays(said, currency):
    change = update_from_bank(row(currency="HRK"), said, RowIdentity(b"id", 0), rules())
    assert change.line is not None
    assert change.line.currency == currency
    assert change.base is not None
    assert change.base.currency == currency

"""Which posted row a pending one became that was told beside it, and what it inherits."""

from dataclasses import replace
from itertools import product

import pytest

from tests.importer.decide.rows import day, row
from worker.importer.decide.pending.booked_beside import (
    inherited_effect,
    is_hidden,
    match_booked_beside,
    pairs_in_doubt,
)
from worker.importer.decide.pending.match_posted import MAX_DAYS_TO_POST
from worker.importer.decide.stored_row import ExpenseState, State

PENDING = row(id=1, pending=True)
POSTED = row(id=2)


@pytest.mark.parametrize(
    ("pending", "posted", "pairs"),
    [
        ([PENDING], [POSTED], [(1, 2)]),
        ([PENDING], [row(id=2, text="COFFEE BAR BERLIN 4711", booking_on=day(MAX_DAYS_TO_POST))], [(1, 2)]),
        ([PENDING], [row(id=2, booking_on=day(MAX_DAYS_TO_POST + 1))], []),
        ([PENDING], [row(id=2, booking_on=day(-1))], []),
        ([PENDING], [row(id=2, transaction_on=day(-1), booking_on=day(2))], [(1, 2)]),
        ([row(id=1, pending=True, transaction_on=day(0), effective_on=day(0))],
         [row(id=2, transaction_on=day(0), booking_on=day(8), effective_on=day(8))], [(1, 2)]),
        ([PENDING], [row(id=2, transaction_on=day(-1), booking_on=day(8))], []),
        ([PENDING], [row("-3.60", id=2)], []),
        ([PENDING], [row("3.50", id=2)], []),
        ([PENDING], [row(id=2, text="Tram")], []),
        ([PENDING, row(id=3, pending=True)], [POSTED], []),
        ([PENDING], [POSTED, row(id=3, booking_on=day(1))], []),
    ],
    ids=[
        "the same words", "other spelling, days later", "too late", "before",
        "one states the purchase, the other the booking alone", "booked late, by the day of the purchase",
        "neither by purchase nor by booking", "another amount", "money in", "other words", "two pending rows",
        "two posted rows",
    ],
)  # fmt: skip
def test_one_pending_and_one_posted_row_are_a_purchase(pending, posted, pairs):
    met = match_booked_beside(list(product(pending, posted)))
    assert [(one.id, other.id) for one, other in met] == pairs


def test_rows_that_are_no_pair_to_choose_from_are_two_purchases():
    other_pending, other_posted = row("-9", id=3, pending=True, text="Kiosk"), row("-5", id=4, text="Tram")
    assert match_booked_beside([(PENDING, other_posted), (other_pending, POSTED)]) == []


def gone(**changed):
    """The pending row after it went, with the expense that it had."""
    expense = PENDING.expense._replace(**changed)
    return replace(PENDING, state=State.REMOVED, expense_state=ExpenseState.NONE, expense_id=None, expense=expense)


def test_what_the_person_changed_holds_for_the_posted_row():
    effect = inherited_effect(gone(notes="With Bo"), POSTED, None)
    assert effect.write == POSTED.expense._replace(notes="With Bo")


def test_a_category_alone_is_taken_over():
    assert inherited_effect(replace(gone(), category_id=5), POSTED, None).write == POSTED.expense


def test_what_the_person_deleted_is_deleted():
    deleted = replace(PENDING, state=State.REMOVED, expense_id=None, expense=None)
    effect = inherited_effect(deleted, POSTED, None)
    assert (effect.state, effect.drop, effect.link_expense_id) == (ExpenseState.OWN, True, None)


def test_what_the_person_typed_is_linked():
    effect = inherited_effect(gone(), POSTED, 77)
    assert (effect.state, effect.drop, effect.link_expense_id) == (ExpenseState.LINKED, True, 77)


@pytest.mark.parametrize(
    ("pending", "posted"),
    [
        (gone(), POSTED),
        (gone(notes="With Bo"), replace(POSTED, expense=POSTED.expense._replace(notes="Mine"))),
        (gone(notes="With Bo"), replace(POSTED, expense_id=None, expense=None)),
        (gone(notes="With Bo"), replace(POSTED, expense_id=None, expense=None, expense_state=ExpenseState.TWIN)),
        (replace(gone(), expense=None, expense_state=ExpenseState.TWIN), POSTED),
    ],
    ids=["nothing changed", "the posted one changed", "the posted one deleted", "another source has it", "handed over"],
)
def test_otherwise_the_posted_row_stays_as_it_is(pending, posted):
    assert inherited_effect(pending, posted, None) is None


@pytest.mark.parametrize(
    ("pending", "posted", "asked", "pairs"),
    [
        ([1], [(5, 0)], [], [(1, 5)]),
        ([1, 2], [(5, 0), (6, 1)], [], [(1, 5), (2, 6)]),
        ([1, 2], [(5, 0)], [], [(1, 5)]),
        ([1, 2], [(5, 0)], [(2, 5)], [(2, 5)]),
        ([1], [(6, 1), (5, 0)], [], [(1, 5)]),
        ([1], [(5, MAX_DAYS_TO_POST + 1)], [], []),
    ],
    ids=["one", "in order of days", "two for one", "asked before", "the nearest", "too late"],
)
def test_a_row_is_in_one_question_at_most(pending, posted, asked, pairs):
    rows = [row(id=id_, pending=True) for id_ in pending], [row(id=id_, booking_on=day(on)) for id_, on in posted]
    doubtful = pairs_in_doubt(list(product(*rows)), asked)
    assert [(one.id, other.id) for one, other in doubtful] == pairs


@pytest.mark.parametrize(
    ("pending", "posted", "hidden"),
    [
        ({}, {}, True),
        ({"expense_id": 7}, {}, False),
        ({}, {"expense": POSTED.expense._replace(notes="Birthday")}, False),
        ({}, {"expense_id": None}, False),
        ({}, {"expense_state": ExpenseState.TWIN, "expense_id": None}, False),
        ({}, {"description": "Garden Centre"}, False),
    ],
    ids=["deleted", "not deleted", "the posted one changed", "or deleted", "hidden already", "other words"],
)
def test_a_booking_is_hidden_beside_a_pending_row_whose_expense_the_person_deleted(pending, posted, hidden):
    one = replace(PENDING, **({"expense_id": None, "expense": None} | pending))
    assert is_hidden(one, replace(POSTED, **posted)) is hidden

"""What an answer replaced is as it was; what the user and the bank did since stays."""

import pytest

from worker.importer.decide.expenses.undo_answer import AnswerUndo, Replaced, undo_answer

EXPENSE = {
    "id": 5, "amount": "4.20", "currency": "EUR", "expense_type": "EXPENSE", "notes": "Bar", "spent_at": "2026-06-15",
    "category_id": 3,
}  # fmt: skip
OWN = {
    "state": "posted", "expense_id": 5, "expense_state": "own", "twin_id": None, "transfer_peer_id": None,
    "absent_since_at": None, "base_category_id": None, "base_amount": "4.20", "base_currency": "EUR",
    "base_type": "EXPENSE", "base_notes": "Bar", "base_spent_on": "2026-06-15",
}  # fmt: skip
LEG = {**OWN, "expense_id": None, "expense_state": "transfer", "transfer_peer_id": 2}
HIDDEN = {1: Replaced(before=OWN, after=LEG)}
GONE = {5: Replaced(before=EXPENSE, after=None)}
LOWERED = {**EXPENSE, "amount": "2.10"}

WENT_ON = {
    "the other leg went": (HIDDEN, GONE, {1: OWN}, {}),
    "the row is gone": (HIDDEN, GONE, {}, {}),
    "the expense that the answer wrote was edited": ({}, {5: Replaced(before=None, after=EXPENSE)}, {}, {5: LOWERED}),
}


@pytest.mark.parametrize("what", WENT_ON.values(), ids=WENT_ON)
def test_an_answer_about_what_went_on_since_is_not_undone_by_what_it_kept(what):
    assert undo_answer(*what) is None


def test_a_leg_has_its_expense_again_with_what_the_bank_said_since():
    said = {**LEG, "base_notes": "Bar Centrale", "base_spent_on": "2026-06-14"}
    assert undo_answer(HIDDEN, GONE, {1: said}, {}) == AnswerUndo(
        rows={1: {**OWN, "base_notes": "Bar Centrale", "base_spent_on": "2026-06-14"}},
        written={5: {**EXPENSE, "notes": "Bar Centrale", "spent_at": "2026-06-14"}},
        months=frozenset({"2026-06"}),
    )


CHANGED = {5: Replaced(before=EXPENSE, after={**LOWERED, "expense_type": "INCOME", "notes": "With Bo"})}
SINCE = {
    "nothing": ({}, EXPENSE),
    "other notes": ({"notes": "Mine"}, {**EXPENSE, "notes": "Mine"}),
    "another amount, which the direction follows": (
        {"amount": "9.00"}, {**EXPENSE, "amount": "9.00", "expense_type": "INCOME"},
    ),
    "a column that the answer left alone": ({"category_id": None}, {**EXPENSE, "category_id": None}),
}  # fmt: skip


@pytest.mark.parametrize(("edit", "again"), SINCE.values(), ids=SINCE)
def test_an_expense_is_as_it_was_apart_from_what_the_user_changed_since(edit, again):
    undo = undo_answer({}, CHANGED, {}, {5: {**CHANGED[5].after, **edit}})
    assert undo is not None
    assert undo.changed == {5: again}


def test_what_the_user_deleted_since_stays_deleted():
    after = {**OWN, "expense_id": 5}
    undo = undo_answer({1: Replaced(before=OWN, after=after)}, CHANGED, {1: {**after, "expense_id": None}}, {})
    assert undo == AnswerUndo(rows={1: {**OWN, "expense_id": None}})

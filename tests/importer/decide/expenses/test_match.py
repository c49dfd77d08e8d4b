"""Which line is an expense the user has."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.importer.decide.rows import DAY, TRUSTED, counterpart, day, line
from worker.importer.decide.expenses import match
from worker.importer.decide.expenses.match import MAX_CANDIDATES, MAX_DAYS_OF_ANY, Asked, match_user_expenses
from worker.importer.decide.reasons import Reason
from worker.importer.decide.sources.rows import MAX_DAYS_ALIKE, SourceRow

TWIN = {"twin_id": 5}

MATCHED = {
    "same day and merchant": (counterpart(), Reason.SAME_EXPENSE),
    "within three days": (counterpart(on=day(-3)), Reason.LIKELY_EXPENSE),
    "of the same account elsewhere": (counterpart(**TWIN), Reason.SAME_ACCOUNT_TWIN),
    "of the same account, other words": (counterpart("lunch", **TWIN), Reason.SAME_ACCOUNT_TWIN),
    "of the same account, booked after a long weekend": (counterpart(on=day(5), **TWIN), Reason.SAME_ACCOUNT_TWIN),
}
SUGGESTED = {
    "same day, other words": (counterpart("lunch"), Reason.SAME_AMOUNT_AND_DAY),
    "within three days, other words": (counterpart("lunch", day(2)), Reason.SIMILAR_EXPENSE),
    "of the same merchant, booked late": (counterpart(on=day(-14)), Reason.SIMILAR_EXPENSE),
    "of the same merchant, typed in late": (counterpart(on=day(4)), Reason.SIMILAR_EXPENSE),
}
NEITHER = {
    "too far": counterpart(on=day(15)),
    "a week late, and other words": counterpart("lunch", day(7)),
    "after three days, other words": counterpart("lunch", day(4)),
    "another amount": counterpart(amount=Decimal("3.51")),
    "another direction": counterpart(expense_type="INCOME"),
    "another currency": counterpart(currency="USD"),
    "of the same account, other words and too far": counterpart("lunch", day(4), **TWIN),
}


@pytest.mark.parametrize(("expense", "reason"), MATCHED.values(), ids=MATCHED)
def test_a_line_that_is_evidently_an_expense_the_user_has(expense, reason):
    found = match_user_expenses([line()], [expense])
    assert [match.reason for match in found.matches] == [reason]
    assert found.suggestions == []


TYPED_ON = {
    "the day of the booking": (line(transaction_on=day(-6)), DAY),
    "the day of the value": (line(value_on=day(-5)), day(-5)),
    "the day of the purchase": (line(transaction_on=day(-6), context=replace(TRUSTED, date_basis="booking")), day(-6)),
}


@pytest.mark.parametrize(("told", "typed_on"), TYPED_ON.values(), ids=TYPED_ON)
def test_an_expense_may_be_typed_in_on_any_day_that_the_bank_states(told, typed_on):
    found = match_user_expenses([told], [counterpart(on=typed_on)])
    assert [match.reason for match in found.matches] == [Reason.SAME_EXPENSE]
    assert match_user_expenses([told], [counterpart("lunch", on=typed_on)]).matches == []


def test_the_day_of_the_expense_goes_before_the_other_days_that_the_bank_states():
    coffees = [line(booking_on=day(n), value_on=day(n + 1)) for n in (1, 0)]
    found = match_user_expenses(coffees, [counterpart(on=day(n), expense_id=n + 7) for n in (0, 1)])
    assert {match.left_place: match.right.expense_id for match in found.matches} == {0: 8, 1: 7}


@pytest.mark.parametrize(("expense", "reason"), SUGGESTED.values(), ids=SUGGESTED)
def test_a_line_that_may_be_one_is_a_suggestion(expense, reason):
    found = match_user_expenses([line()], [expense])
    assert found.matches == []
    assert [match.reason for match in found.suggestions] == [reason]


@pytest.mark.parametrize("expense", NEITHER.values(), ids=NEITHER)
def test_a_line_that_is_none(expense):
    found = match_user_expenses([line()], [expense])
    assert (found.matches, found.suggestions) == ([], [])


def test_no_expense_is_matched_from_further_away_than_expenses_are_loaded():
    reached = {}
    for name, whose in (("own", {}), ("twin", TWIN)):
        found = {days: match_user_expenses([line()], [counterpart(on=day(days), **whose)]) for days in range(-40, 41)}
        reached[name] = max(abs(days) for days, result in found.items() if result.matches or result.suggestions)
    assert reached == {"own": MAX_DAYS_OF_ANY, "twin": MAX_DAYS_ALIKE}


def test_of_a_fare_a_week_none_is_taken_for_one_that_was_booked_late():
    found = match_user_expenses([line(), line(booking_on=day(7))], [counterpart(on=day(-7))])
    assert (found.matches, found.suggestions) == ([], [])


RIVAL = SourceRow(on=day(1), amount=Decimal("-3.50"), currency="EUR", words="Coffee", stated_on=day(1))


@pytest.mark.parametrize(("rivals", "met"), [([], 1), ([RIVAL], 0)], ids=["alone", "beside a stored row"])
def test_a_later_row_takes_no_row_of_another_source_that_a_stored_one_fits_better(rivals, met):
    found = match_user_expenses([line(booking_on=day(3))], [counterpart(on=day(1), **TWIN)], rivals=rivals)
    assert (len(found.matches), len(found.suggestions)) == (met, 0)


def test_who_parted_a_row_from_one_expense_did_not_part_it_from_another():
    own = [counterpart(on=day(1)), counterpart(on=day(-1), expense_id=8)]
    parted = Asked(answered=frozenset({(70, own[0].partner)}))
    found = match_user_expenses([line(), line(booking_on=day(9))], own, apart=parted.apart([70, None]))
    assert [(match.right.expense_id, match.reason) for match in found.matches] == [(8, Reason.LIKELY_EXPENSE)]


def test_two_candidates_on_other_days_are_a_question():
    found = match_user_expenses([line()], [counterpart(on=day(1)), counterpart(on=day(-1), expense_id=8)])
    assert found.matches == []
    assert [match.right.spent_on == DAY for match in found.suggestions] == [False]


def test_one_expense_is_one_of_two_equal_coffees():
    found = match_user_expenses([line(), line()], [counterpart()])
    assert [match.left_place for match in found.matches] == [0]
    assert found.suggestions == []


def test_the_rest_of_a_split_purchase_is_asked_about():
    found = match_user_expenses([line()], [counterpart(is_split_off=True)])
    assert found.matches == []
    assert [match.reason for match in found.suggestions] == [Reason.SAME_AMOUNT_AND_DAY]


def test_of_very_many_equal_amounts_equal_texts_are_one_and_all_others_are_asked_about(monkeypatch):
    compared = []
    similarity = match.similarity
    monkeypatch.setattr(match, "similarity", lambda *both: compared.append(both) or similarity(*both))
    places = range(MAX_CANDIDATES + 20)
    lines = [line(text=f"Shop {place}") for place in places]
    typed = [counterpart(f"shop {place}" if place < 90 else "lunch", expense_id=place) for place in reversed(places)]
    found = match_user_expenses(lines, typed)
    assert {(match.left_place, match.right.expense_id) for match in found.matches} == {(n, n) for n in range(90)}
    assert {match.left_place for match in found.suggestions} == set(range(90, len(places)))
    assert len(compared) <= 90 + 30 * 30


def test_of_very_many_equal_amounts_of_near_days_all_are_asked_about():
    lines = [line(text="Coffee Bar") for _ in range(MAX_CANDIDATES + 1)]
    typed = [counterpart("lunch", day(place % 7 - 3), expense_id=place) for place in range(len(lines))]
    assert len(match_user_expenses(lines, typed).suggestions) == len(lines)

"""Which stored rows a new line tells otherwise, and when a delivery of whole days should have told them."""

from dataclasses import replace

import pytest

from tests.importer.decide.rows import COMPLETE, NOTHING_PROVEN, UNTRUSTED, day, line, row
from worker.importer.decide.told_otherwise import DaysTold, displaced, told_otherwise

POSTED, PENDING = row(context=UNTRUSTED), row(pending=True, absent_days=None)
WITHIN = DaysTold(first_on=day(-9), last_on=day(9), known_from_on=None, known_to_on=None, tells_known=False)
LINES = {  # a new line; whether an answer that covers the day, and a file around it, ask about the row
    "another amount": (line("-4", context=UNTRUSTED), True, True),
    "another amount, with other marks": (line("-4", "COFFEE  bar", UNTRUSTED), True, True),
    "another direction": (line("4", context=UNTRUSTED), False, False),
    "another amount and words": (line("-4", "Another Bar", UNTRUSTED), False, False),
    "other words": (line("-3.50", "Another Bar", UNTRUSTED), True, True),
    "other words, with an id": (line("-3.50", "Another Bar", external_id="other"), True, True),
    "other words of another day": (line("-3.50", "Another Bar", UNTRUSTED, booking_on=day(1)), False, False),
    "another amount of another day": (line("-4", context=UNTRUSTED, booking_on=day(1)), False, False),
    "another day": (line("-3.50", context=UNTRUSTED, booking_on=day(1)), False, True),
    "two days before": (line("-3.50", context=UNTRUSTED, booking_on=day(-2)), False, True),
    "a day that is too far": (line("-3.50", context=UNTRUSTED, booking_on=day(3)), False, False),
    "another currency": (line("-4", currency="USD", context=UNTRUSTED), False, False),
    "a pending line": (line("-4", pending=True, context=UNTRUSTED), False, False),
}


@pytest.mark.parametrize(("said", "covered", "in_file"), LINES.values(), ids=LINES)
def test_a_line_tells_a_row_otherwise_where_the_amount_or_the_words_or_the_day_is_another(said, covered, in_file):
    assert told_otherwise([POSTED], [said], COMPLETE, None) == ({1} if covered else set())
    assert told_otherwise([POSTED], [said], NOTHING_PROVEN, WITHIN) == ({1} if in_file else set())
    assert told_otherwise([POSTED], [said], NOTHING_PROVEN, None) == set()
    assert told_otherwise([PENDING], [said], COMPLETE, WITHIN) == set()


def test_two_ids_of_one_amount_and_day_are_two_purchases():
    one = row(external_id="a")
    for words in ("Coffee Bar", "Another Bar"):
        assert told_otherwise([one], [line("-3.50", words, external_id="b")], COMPLETE, WITHIN) == set()


def test_of_a_habit_whose_days_all_moved_the_row_before_the_first_day_told_is_asked_about():
    new = [line("-3.50", context=UNTRUSTED, booking_on=day(9))]
    around = replace(WITHIN, first_on=day(1))
    assert displaced([POSTED], new, around, 1) == {1}
    assert displaced([POSTED], new, replace(WITHIN, first_on=day(2)), 1) == set()
    assert displaced([POSTED], new, replace(WITHIN, last_on=day(-1)), -1) == {1}
    assert displaced([POSTED], [line("-3.50", "Kiosk", UNTRUSTED)], around, 1) == set()
    assert displaced([PENDING], new, around, 1) == set()


def told(first, last, known=None, *, tells_known=False):
    known_from, known_to = known or (None, None)
    return DaysTold(
        first_on=day(first),
        last_on=day(last),
        known_from_on=None if known_from is None else day(known_from),
        known_to_on=None if known_to is None else day(known_to),
        tells_known=tells_known,
    )


def test_a_file_holds_the_days_between_its_first_and_its_last():
    assert [told(0, 2).holds(day(n)) for n in range(-1, 4)] == [False, False, True, False, False]


ON_ITS_DAY = {
    "a file that begins and ends on other days": (told(-1, 1), True),
    "the first day of the file, with nothing in common": (told(0, 9), False),
    "its last day": (told(-9, 0), False),
    "its only day": (told(0, 0, (0, 0)), False),
    "its first day, which it has in common": (told(0, 9, (0, 0), tells_known=True), True),
    "its first day, with later days in common": (told(0, 9, (0, 3)), True),
    "its last day, with earlier days in common": (told(-9, 0, (-3, 0)), True),
}
A_DAY_LATER = {
    "a file that begins and ends on other days": (told(-1, 2), True),
    "a file from the one day to the other": (told(0, 1), False),
    "in common is what lies between": (told(0, 9, (0, 1), tells_known=True), False),
    "later days in common": (told(0, 9, (0, 2), tells_known=True), True),
    "earlier days in common": (told(-9, 1, (-3, 1), tells_known=True), True),
}


@pytest.mark.parametrize(("days", "found"), ON_ITS_DAY.values(), ids=ON_ITS_DAY)
def test_a_file_cut_in_a_day_may_lack_rows_of_that_day(days, found):
    assert days.contradict(day(0), day(0)) is found


@pytest.mark.parametrize(("days", "found"), A_DAY_LATER.values(), ids=A_DAY_LATER)
def test_equal_purchases_of_two_days_are_two_where_one_file_ends_and_the_next_begins(days, found):
    assert days.contradict(day(0), day(1)) is found
    mirrored = replace(days, first_on=min(days.first_on, days.last_on))
    assert mirrored.contradict(day(1), day(0)) is found

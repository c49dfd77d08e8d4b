"""How far back a bank's answers reach, by what they told so far."""

from datetime import timedelta

import pytest

from tests.importer.decide.rows import DAY, day
from worker.importer.decide.reach import AnswersReach, longest_days, shortest_days


@pytest.mark.parametrize(
    ("why", "reach", "days"),
    [
        ("a month, before anything is known", AnswersReach(), 28),
        ("also where only new rows were told", AnswersReach(longest_days=3), 28),
        ("a day of the bank's zone may be another one", AnswersReach(longest_days=40), 38),
        ("less, once older rows were not told", AnswersReach(longest_days=40, shortest_days=13), 13),
    ],
)
def test_how_far_back_the_answers_are_known_to_reach(why, reach, days):
    assert reach.first_on(DAY) == DAY - timedelta(days=days), why


@pytest.mark.parametrize(
    ("known", "told_from", "days"), [(None, -7, 7), (30, -7, 30), (7, -30, 30), (7, -200, 45), (None, 0, 0)]
)
def test_the_oldest_row_that_was_ever_told_says_how_far_back_but_for_more_than_is_held_against_a_bank(
    known, told_from, days
):
    assert longest_days(known, day(told_from), DAY) == days


@pytest.mark.parametrize(
    ("why", "known", "told_from", "days"),
    [
        ("none fell short", None, -20, None),
        ("as far as before, but for a day of the bank's zone", 3, -5, 3),
        ("further than a bank of three days could", 3, -6, 28),
        ("a bank of 30 days tells more for hours after a consent", 30, -90, 30),
    ],
)
def test_answers_that_tell_more_again_reach_back_a_month_at_least(why, known, told_from, days):
    assert shortest_days(known, day(told_from), DAY) == days, why


@pytest.mark.parametrize("memory_days", [28, 30, 40, 60, 90])
@pytest.mark.parametrize("every_days", [1, 3, 11])
def test_no_row_that_grows_too_old_for_a_bank_is_taken_for_one_that_it_took_back(memory_days, every_days):
    """Half a year of refreshes at a bank that tells so many days; a purchase comes every so many days."""
    longest = None
    for today in map(day, range(180)):
        bought = [day(n) for n in range(0, 180, every_days) if day(n) <= today]
        told = [on for on in bought if on >= today - timedelta(days=memory_days)]
        first_on = min([AnswersReach(longest).first_on(today), *told])
        assert not [on for on in bought if on not in told and on >= first_on]
        longest = longest_days(longest, told[0], today) if told else longest

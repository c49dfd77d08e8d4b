"""How far back a bank's answers reach, by what they told so far."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from tests.importer.decide.rows import DAY, day, row
from worker.connectors.base import Window
from worker.importer.decide.absent_rows import MANY_AT_THE_END, Coverage, is_newly_absent, out_of_reach
from worker.importer.decide.reach import (
    LEAST_REACH_DAYS,
    AnswersReach,
    longest_days,
    shortest_days,
    surely_told_from_on,
)


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
        ("a bank of a month tells more for hours after a consent, or at the end of one", 28, -90, 28),
    ],
)
def test_answers_that_tell_more_again_reach_back_a_month_at_least(why, known, told_from, days):
    assert shortest_days(known, day(told_from), DAY) == days, why


def of_days(days):
    return lambda today: today - timedelta(days=days)


def since_last_month(today):
    return (today.replace(day=1) - timedelta(days=1)).replace(day=1)


def since_last_statement(today):
    """Return the first day of the last statement, where each ends on the 19th of a month."""
    last = since_last_month(today)
    return (last if today.day >= 20 else since_last_month(last)).replace(day=20)


BANKS = {f"{days} days": (of_days(days), 0) for days in (28, 30, 40, 60, 90)} | {
    "this and last month": (since_last_month, MANY_AT_THE_END - 1),
    "this and the last statement": (since_last_statement, MANY_AT_THE_END - 1),
}
"""From which day on a bank tells rows, and about how many of them its user is asked for nothing, once."""


@pytest.mark.parametrize(("tells_from_on", "needless"), BANKS.values(), ids=BANKS)
@pytest.mark.parametrize("every_days", [1, 3, 11])
def test_no_row_that_grows_too_old_for_a_bank_is_taken_for_one_that_it_took_back(tells_from_on, needless, every_days):
    """A year of refreshes of the last 45 days; a purchase comes every so many days."""
    reach, asked = AnswersReach(), set()
    for today in map(day, range(365)):
        window = Window(from_on=today - timedelta(days=45), to_on=today)
        bought = [on for on in map(day, range(-60, 365, every_days)) if on in window]
        told = [on for on in bought if on >= tells_from_on(today)]
        coverage = Coverage(
            window=window,
            told_from_on=min(told, default=date.max),
            reaches_from_on=reach.first_on(today),
            surely_from_on=surely_told_from_on(today),
        )
        lacking = [row(id=on.toordinal(), booking_on=on) for on in bought if on not in told and on not in asked]
        beyond = [known.days.day for known in out_of_reach(lacking, coverage)]
        newly = {known.days.day for known in lacking if is_newly_absent(known, coverage)}.difference(beyond)
        asked |= newly
        if told:
            reach = reach.told_anew(told[0], today, max(beyond, default=None))
        if newly:  # `store.rows.reach`
            shortest = min((today - max(newly)).days - 1, LEAST_REACH_DAYS)
            reach = replace(reach, shortest_days=min(shortest, reach.shortest_days or shortest))
    assert len(asked) <= needless, asked

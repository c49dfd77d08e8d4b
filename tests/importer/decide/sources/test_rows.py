"""The days of two sources, and how far apart their rows may be."""

from datetime import date
from decimal import Decimal

import pytest

from tests.importer.decide.rows import day
from worker.importer.decide.sources.rows import DaysOfSource, Lag, MovableRow, SourceRow, Spans, places_apart


def stored(id_, twin_id=None):
    return MovableRow(id=id_, source_id=1, row=on(0), expense_state="own", owns=True, twin_id=twin_id)


@pytest.mark.parametrize(
    ("apart", "places"), [({1, 3}, {(0, 0)}), ({4, 2}, {(1, 1)}), ({4, 1}, {(0, 1)}), ({1, 2}, set()), ({9, 1}, set())]
)
def test_rows_are_apart_where_a_person_parted_their_purchases(apart, places):
    lefts, rights = [stored(1), stored(2)], [stored(3), stored(5, twin_id=4)]
    assert places_apart(lefts, rights, {frozenset(apart)}) == places


def on(offset):
    return SourceRow(on=day(offset), amount=Decimal(-1), currency="EUR", words="")


SPANS = Spans.of([on(0), on(10)], [on(8), on(20)])


@pytest.mark.parametrize(("offset", "left", "right"), [(0, False, True), (9, True, True), (20, True, False)])
def test_a_row_is_expected_in_the_other_source_on_the_days_that_it_has(offset, left, right):
    assert (SPANS.right_covers(on(offset)), SPANS.left_covers(on(offset))) == (left, right)


def test_two_rows_straddle_a_seam_when_neither_is_on_a_day_of_the_other_source():
    spans = Spans.of([on(0), on(9)], [on(10), on(20)])
    assert spans.straddled_by(on(9), on(10))
    assert not SPANS.straddled_by(on(9), on(10))


def test_without_rows_there_are_no_days():
    assert Spans.of([], [on(0)]) is None
    assert Spans.of_sources([days(0, 9), days(None, None, is_left=False)]) is None


def days(first, last, *, is_left=True, is_read=False):
    first_on, last_on = (None if offset is None else day(offset) for offset in (first, last))
    return DaysOfSource(first_on=first_on, last_on=last_on, is_left=is_left, is_read=is_read)


@pytest.mark.parametrize(
    ("lefts", "to_on"),
    [
        ([days(0, 9)], day(9)),
        ([days(0, 13, is_read=True)], date.max),
        ([days(0, 12, is_read=True)], day(12)),
        ([days(0, 5, is_read=True), days(3, 14)], date.max),
        ([days(None, None, is_read=True), days(0, 14)], date.max),
    ],
    ids=["ended", "quiet for a week", "quiet for longer", "read with new lines", "read for the first time"],
)
def test_a_source_that_is_read_has_no_last_day_unless_it_is_quiet_for_longer_than_another_one(lefts, to_on):
    spans = Spans.of_sources([*lefts, days(2, 20, is_left=False)])
    assert (spans.left_from_on, spans.left_to_on, spans.right_to_on) == (day(0), to_on, day(20))


@pytest.mark.parametrize(("days", "allowed"), [(-1, False), (0, True), (2, True), (3, False)])
def test_the_right_row_is_at_least_and_at_most_so_many_days_later(days, allowed):
    assert Lag(least=0, most=2).allows(on(5), on(5 + days)) is allowed


def test_a_lag_is_narrowed_to_a_bound():
    assert Lag(least=-5, most=1).within(3) == Lag(least=-3, most=1)

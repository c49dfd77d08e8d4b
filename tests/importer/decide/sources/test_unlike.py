"""Which rows of two sources may be one purchase though they differ too much to meet."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from worker.importer.decide.sources import unlike
from worker.importer.decide.sources.leading_fields import MAX_DAYS_LED
from worker.importer.decide.sources.meet import meet_rows
from worker.importer.decide.sources.rows import SourceRow, Spans
from worker.importer.decide.sources.unlike import unlike_pairs

ON = date(2026, 6, 15)
LEFT = SourceRow(on=ON, amount=Decimal(-20), currency="EUR", words="Trattoria Luigi")
RIGHT = replace(LEFT, amount=Decimal(-23), words="TRATTORIA LUIGI 4711")
FAR = timedelta(days=60)
SPANS = Spans(left_from_on=ON - FAR, left_to_on=date.max, right_from_on=ON - FAR, right_to_on=date.max)


@pytest.mark.parametrize(
    ("left", "right", "asked"),
    [
        ({}, {}, True),
        ({}, {"on": ON + timedelta(days=5)}, True),
        ({}, {"on": ON + timedelta(days=6)}, False),
        ({}, {"words": "Garden Centre"}, False),
        ({}, {"amount": Decimal(23)}, False),
        ({}, {"amount": Decimal(-20), "on": ON + timedelta(days=5)}, False),
        ({}, {"amount": Decimal(-20), "on": ON + timedelta(days=6)}, True),
        ({"on": ON + timedelta(days=14)}, {"amount": Decimal(-20)}, True),
        ({}, {"amount": Decimal(-20), "on": ON + timedelta(days=15)}, False),
        ({}, {"amount": Decimal(-20), "on": ON + timedelta(days=6), "words": "Garden Centre"}, False),
        ({}, {"currency": "USD"}, False),
        ({}, {"amount": Decimal(-30)}, False),
        ({}, {"amount": Decimal(-14)}, True),
        ({}, {"amount": Decimal("-13.99")}, False),
        ({"amount": Decimal(0)}, {"amount": Decimal(0), "on": ON + timedelta(days=7)}, False),
        ({"pending": True}, {"amount": Decimal(-60)}, True),
        ({}, {"amount": Decimal(-60), "pending": True}, True),
    ],
    ids=[
        "a tip", "booked later", "too late", "another merchant", "money back", "near equal rows meet", "booked late",
        "late in the other source", "later than any booking", "late and of another merchant", "another currency",
        "another amount by far", "three tenths less", "less yet", "nothing at all", "a hold",
        "a hold in the other source",
    ],
)  # fmt: skip
def test_rows_of_one_merchant_and_near_days_are_asked_about(left, right, asked):
    pairs = unlike_pairs([replace(LEFT, **left)], [replace(RIGHT, **right)], SPANS).pairs
    assert pairs == ([(0, 0)] if asked else [])


@pytest.mark.parametrize("ended", [("left_to_on",), ("right_to_on",), ("left_to_on", "right_to_on")])
def test_what_the_other_source_has_not_read_is_not_asked_about(ended):
    spans = replace(SPANS, **dict.fromkeys(ended, ON - timedelta(days=1)))
    assert unlike_pairs([LEFT], [RIGHT], spans).pairs == []
    late = replace(RIGHT, amount=LEFT.amount, on=ON + timedelta(days=7))
    assert unlike_pairs([LEFT], [late], spans).pairs == ([(0, 0)] if len(ended) == 1 else [])


@pytest.mark.parametrize(("days_before", "pairs"), [(30, [(0, 0)]), (10, [])], ids=["a month", "a third one near"])
def test_a_recurring_amount_is_one_that_was_booked_late_where_no_third_one_is_near(days_before, pairs):
    late = replace(RIGHT, amount=LEFT.amount, on=ON + timedelta(days=7))
    before = replace(LEFT, on=ON - timedelta(days=days_before))
    assert unlike_pairs([LEFT, before], [late], SPANS, left_out=({1}, set())).pairs == pairs


def test_a_text_that_most_rows_have_names_no_merchant():
    texts = [f"CARD PAYMENT {name}" for name in ("Aldi", "Bio", "Cafe", "Deli", "Edeka", "Fisch")]
    others = [replace(LEFT, words=words, amount=Decimal(-100 - place)) for place, words in enumerate(texts)]
    card = [replace(LEFT, words="CARD PAYMENT"), *others], [replace(RIGHT, words="CARD PAYMENT")]
    both_have = set(range(1, len(texts) + 1))
    assert unlike_pairs(*card, SPANS, left_out=(both_have, set())).pairs == []


def test_each_row_is_asked_about_once_and_the_nearest_amounts_first():
    lefts = [LEFT, replace(LEFT, amount=Decimal(-22))]
    rights = [RIGHT, replace(RIGHT, amount=Decimal(-21))]
    assert unlike_pairs(lefts, rights, SPANS).pairs == [(1, 0), (0, 1)]


def test_of_very_many_pairs_the_nearest_ones_are_compared(monkeypatch):
    monkeypatch.setattr(unlike, "MAX_COMPARED_TEXTS", 1)
    lefts = [LEFT, replace(LEFT, amount=Decimal(-22))]
    assert unlike_pairs(lefts, [RIGHT, replace(RIGHT, amount=Decimal(-19))], SPANS) == ([(1, 0)], 1)


def test_a_row_with_too_many_others_near_it_is_counted_where_it_is_in_no_pair(monkeypatch):
    monkeypatch.setattr(unlike, "MAX_CANDIDATES", 2)
    near = [replace(RIGHT, amount=Decimal(-21), words="Tram") for _ in range(3)]
    assert unlike_pairs([LEFT], near, SPANS) == ([], 1)
    assert unlike_pairs([LEFT], near[:2], SPANS) == ([], 0)
    assert unlike_pairs([LEFT], [*near, replace(RIGHT, amount=LEFT.amount * Decimal("1.01"))], SPANS) == ([(0, 3)], 0)


def test_who_parted_two_rows_is_asked_about_the_next_one():
    rights = [RIGHT, replace(RIGHT, amount=Decimal(-21))]
    assert unlike_pairs([LEFT], rights, SPANS, apart={(0, 1)}).pairs == [(0, 0)]


def test_no_two_rows_are_one_purchase_from_further_apart_than_a_source_may_lead():
    reached = set()
    for days in range(-40, 41):
        right = replace(LEFT, on=ON + timedelta(days=days))
        met = meet_rows([LEFT], [right], spans=SPANS)
        if met.met or met.doubtful or unlike_pairs([LEFT], [right], SPANS).pairs:
            reached.add(abs(days))
    assert max(reached) == MAX_DAYS_LED

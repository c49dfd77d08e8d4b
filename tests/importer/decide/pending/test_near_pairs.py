"""Which lines and rows are compared at all, and how many of them."""

from dataclasses import replace
from itertools import product

import pytest

from tests.importer.decide.rows import day, line, row
from worker.importer.decide.compare.one_to_one import OneToOne
from worker.importer.decide.pending import match_posted, near_pairs
from worker.importer.decide.pending.match_posted import match_pending_rows
from worker.importer.decide.pending.match_rewritten import UnmatchedRow
from worker.importer.decide.pending.near_pairs import NearPairs

MANY = range(40)


def gone(amount, text="Trattoria Luigi", **more):
    known = row(amount, text, pending=True, external_id="p", **more)
    return UnmatchedRow(known=known, withdrawn=True, complete=True)


def maybe_cut_off(amount, text="Trattoria Luigi", **more):
    return replace(gone(amount, text, **more), withdrawn=False, maybe_cut_off=True)


def said(amount, text="Trattoria Luigi", **more):
    return line(amount, text, **more)


def test_a_pair_is_near_by_the_days_of_effect_or_by_the_days_stated():
    days = [(effective, stated) for effective in (0, 1, 4) for stated in (None, 0, 2, 5)]
    lines = [said("-1")._replace(effective_on=day(e), stated_on=None if s is None else day(s)) for e, s in days]
    rows = [gone("-1") for _ in days]
    rows = [replace(one, known=replace(one.known, days=new.days)) for one, new in zip(rows, lines, strict=True)]
    found = NearPairs(OneToOne(lines, rows), lambda _line: "one", lambda _row: "one", lambda _row: 2)
    assert found.are_all
    assert list(found) == [
        (left, right)
        for left, right in product(range(len(days)), repeat=2)
        if abs(days[left][0] - days[right][0]) <= 2
        or (days[left][1] is not None and days[right][1] is not None and abs(days[left][1] - days[right][1]) <= 2)
    ]


@pytest.fixture
def compared(monkeypatch):
    """The texts that are compared, of which there may be few."""
    pairs = []
    similarity = match_posted.similarity

    def counted(left, right, **more):
        pairs.append((left, right))
        return similarity(left, right, **more)

    monkeypatch.setattr(match_posted, "similarity", counted)
    monkeypatch.setattr(near_pairs, "MAX_COMPARED_PAIRS", 160)
    return pairs


TIPPED = [said(f"-{place + 10}.10") for place in MANY], [f"-{place + 10}" for place in MANY]


def test_of_very_many_pairs_the_nearest_amounts_are_compared(compared):
    lines, amounts = TIPPED
    found = match_pending_rows(lines, [gone(amount) for amount in amounts])
    assert {(match.left_place, match.right_place) for match in found} == {(place, place) for place in MANY}
    assert len(compared) <= 160


def test_rows_of_one_amount_are_compared_with_those_of_like_texts_one_after_another(compared):
    lines = [said("-5", f"Shop {place % 4}") for place in MANY]
    found = match_pending_rows(lines, [gone("-5", f"Shop {place % 4}") for place in reversed(MANY)])
    assert len(found) == len(MANY)
    assert all(match.left.description == match.right.known.description for match in found)
    assert len(compared) <= 160


def test_of_very_many_pairs_none_is_the_only_one(compared):
    evident = [said("-99", "Zara")], [maybe_cut_off("-98", "Zara")]
    assert len(match_pending_rows(*evident)) == 1
    compared.clear()
    lines, amounts = TIPPED
    assert match_pending_rows([*lines, *evident[0]], [*map(maybe_cut_off, amounts), *evident[1]]) == []
    assert not compared
    foreign = [said(one, currency="USD") for one in amounts]
    assert match_pending_rows(foreign, [gone(amount) for amount in amounts]) == []
    assert not compared

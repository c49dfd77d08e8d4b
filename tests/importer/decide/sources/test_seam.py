"""Which rows of an amount are one purchase where one source ends and the other begins."""

from decimal import Decimal

import pytest

from tests.importer.decide.rows import day
from worker.importer.decide.compare.text_similarity import days_apart
from worker.importer.decide.sources.rows import ANYWHERE, Meeting, MetBy, SourceRow, Spans
from worker.importer.decide.sources.seam import away_from_seam, is_decided, without_hints

SPANS = Spans(left_from_on=day(-30), left_to_on=day(0), right_from_on=day(0), right_to_on=day(30))
"""The left source ends on the day on which the right one begins."""


def bought(offset, words="Cafe Central"):
    return SourceRow(on=day(offset), amount=Decimal("-3.50"), currency="EUR", words=words)


def pair(left, right, by=MetBy.WORDS):
    return Meeting(left=0, right=0, by=by, days=days_apart(left.on, right.on))


DECIDED = {
    "far within the days of the other source": (bought(20), [], bought(20), [], MetBy.ORDER, True),
    "near the end, as many on either side": (bought(0), [], bought(0), [], MetBy.WORDS, True),
    "near the end, one more here": (bought(0), [bought(0)], bought(0), [], MetBy.WORDS, False),
    "near the end, one more here of another text": (bought(0), [bought(0, "Bar")], bought(0), [], MetBy.WORDS, True),
    "near the end, one more here after it": (bought(0), [bought(1)], bought(0), [], MetBy.WORDS, True),
    "near the end, one more here before it": (bought(0), [bought(-1)], bought(0), [], MetBy.WORDS, False),
    "near the end, on other days": (bought(0), [], bought(1), [], MetBy.WORDS, False),
    "near the end, without a word in common": (bought(0), [], bought(0, "SQ"), [], MetBy.ORDER, False),
}  # fmt: skip


@pytest.mark.parametrize(("left", "lefts", "right", "rights", "by", "decided"), DECIDED.values(), ids=DECIDED)
def test_a_pair_of_an_amount_that_recurs_is_one_purchase(left, lefts, right, rights, by, decided):
    spans = SPANS if left.on == day(0) else Spans.of([bought(0), bought(40)], [bought(0), bought(40)])
    assert spans is not None
    ours, theirs = [left, *lefts], [right, *rights]
    group = range(len(ours)), range(len(theirs))
    assert is_decided(ours, theirs, group, pair(left, right, by), spans, ANYWHERE) is decided


@pytest.mark.parametrize(
    ("left", "right", "by", "kept"),
    [
        (bought(-1), bought(1), MetBy.WORDS, True),
        (bought(-1), bought(1, "SQ"), MetBy.ORDER, False),
        (bought(-1, "CARD"), bought(1, "CARD"), MetBy.WORDS, False),
        (bought(0), bought(1, "SQ"), MetBy.ORDER, True),
    ],
    ids=["names the merchant", "names none", "a text that every row has", "not over the seam"],
)
def test_a_pair_over_the_seam_needs_more_than_its_amount(left, right, by, kept):
    lefts = [left, *(bought(-10, "CARD") for _ in range(4))]
    assert bool(without_hints(lefts, [right], [pair(left, right, by)], SPANS)) is kept


def test_rows_whose_only_partners_are_over_the_seam_are_left_out():
    lefts, rights = [bought(-1), bought(-20)], [bought(1), bought(-1)]
    assert away_from_seam(lefts, rights, [0, 1], [0, 1], SPANS) == ([0], [1])

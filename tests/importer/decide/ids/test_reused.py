"""When a line under a known id is another purchase."""

from decimal import Decimal

import pytest

from tests.importer.decide.rows import COMPLETE, NOTHING_PROVEN, day, key, line, row
from worker.connectors.base import Window
from worker.importer.decide.absent_rows import Coverage
from worker.importer.decide.ids.match import match_by_identity
from worker.importer.decide.ids.reused import set_reused_ids_apart

SAID = {
    "another amount, other words, weeks later": (line("-70", "Fuel", external_id="a", booking_on=day(40)), True),
    "the same amount": (line(text="Fuel", external_id="a", booking_on=day(40)), False),
    "words alike": (line("-70", "Coffee Bar Roma", external_id="a", booking_on=day(40)), False),
    "within a month": (line("-70", "Fuel", external_id="a", booking_on=day(31)), False),
    "pending": (line("-70", "Fuel", external_id="a", booking_on=day(40), pending=True), False),
}


@pytest.mark.parametrize(("said", "reused"), SAID.values(), ids=SAID)
def test_an_id_was_reused_where_no_correction_looks_like_it(said, reused):
    known = row(external_id="a")
    matches = match_by_identity([said], [key(known)], {}, NOTHING_PROVEN)
    set_reused_ids_apart(matches, {known.id: known}, NOTHING_PROVEN)
    assert len(matches.new) == reused
    assert [line.amount for line in matches.new] == [Decimal(-70)] * reused


LATER = {
    "the day of the row was not asked about": (20, day(40), True),
    "its day was asked about": (-1, day(40), False),
    "within a month": (20, day(31), False),
    "before it": (20, day(-40), False),
}


@pytest.mark.parametrize(("asked_from", "on", "reused"), LATER.values(), ids=LATER)
def test_an_id_is_counted_anew_where_nobody_asked_about_the_row_that_had_it(asked_from, on, reused):
    known, asked = row(external_id="a"), Coverage(window=Window(from_on=day(asked_from), to_on=day(50)))
    matches = match_by_identity([line(external_id="a", booking_on=on)], [key(known)], {}, asked)
    set_reused_ids_apart(matches, {known.id: known}, asked)
    assert (known.id not in matches.delivered_ids) is reused


NEXT = {
    "its id has another amount": ([line("-9", external_id="a"), line(external_id="b")], COMPLETE, ["b"], ["a"]),
    "its id has other words": ([line(text="Tea", external_id="a"), line(external_id="b")], COMPLETE, ["a"], ["b"]),
    "it is another purchase, and pending": (
        [line("-9", external_id="a"), line(external_id="b", pending=True)], COMPLETE, ["a"], ["b"]
    ),
    "nothing is proven": ([line("-9", external_id="a"), line(external_id="b")], NOTHING_PROVEN, ["a"], ["b"]),
    "it is there twice": (
        [line("-9", external_id="a"), line(external_id="b"), line(external_id="c")], COMPLETE, ["a"], ["b", "c"]
    ),
}  # fmt: skip


@pytest.mark.parametrize(("said", "coverage", "changed", "new"), NEXT.values(), ids=NEXT)
def test_a_row_goes_on_under_the_next_id_where_a_row_was_inserted_before_it(said, coverage, changed, new):
    known = row(external_id="a")
    matches = match_by_identity(said, [key(known)], {}, coverage)
    set_reused_ids_apart(matches, {known.id: known}, coverage)
    assert [match.line.external_id for match in matches.changed] == changed
    assert [one.external_id for one in matches.new] == new

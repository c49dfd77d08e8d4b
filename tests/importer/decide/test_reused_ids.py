"""When a line under a known id is another purchase."""

from decimal import Decimal

import pytest

from tests.importer.decide.rows import NOTHING_PROVEN, day, key, line, row
from worker.importer.decide.match_by_identity import match_by_identity
from worker.importer.decide.reused_ids import set_reused_ids_apart

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
    assert set_reused_ids_apart(matches, {known.id: known}) is reused
    assert len(matches.new) == reused
    assert [line.amount for line in matches.new] == [Decimal(-70)] * reused

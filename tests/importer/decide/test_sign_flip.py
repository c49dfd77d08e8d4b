"""Whether a provider turned the sign of every amount of an account."""

import pytest

from tests.importer.decide.rows import COMPLETE, NOTHING_PROVEN, UNTRUSTED, day, key, line, row
from worker.importer.decide.match_by_identity import match_by_identity
from worker.importer.decide.sign_flip import signs_flipped

KNOWN = [row("-1", "Bus", id=1, external_id="1"), row("20", "Salary", id=2, external_id="2")]
FLIPPED = [line("1", "Bus", external_id="1"), line("-20", "Salary", external_id="2")]
NO_IDS = [line("1", "Bus", context=UNTRUSTED), line("-20", "Salary", context=UNTRUSTED)]
STORED_WITHOUT_IDS = [row("-1", "Bus", id=1), row("20", "Salary", id=2)]
OLD = row("-5", "Book", id=3, external_id="3", booking_on=day(-90))
MORE = line("-7", "Lunch", external_id="4")

CASES = {
    "every row": (FLIPPED, KNOWN, COMPLETE, 0, True),
    "every row, by a list of changes": (FLIPPED, KNOWN, NOTHING_PROVEN, 0, True),
    "every row, beside a new one": ([*FLIPPED, MORE], KNOWN, COMPLETE, 0, True),
    "every row, without ids": (NO_IDS, STORED_WITHOUT_IDS, COMPLETE, 0, True),
    "every row of the days that were asked for": (FLIPPED, [*KNOWN, OLD], COMPLETE, 0, True),
    "one row of a list of changes that leaves others out": (FLIPPED, [*KNOWN, OLD], NOTHING_PROVEN, 0, False),
    "one row alone": (FLIPPED[:1], KNOWN[:1], COMPLETE, 0, False),
    "another row kept its sign": ([FLIPPED[0], line("20", "Salary", external_id="2")], KNOWN, COMPLETE, 0, False),
    "another row was set aside as unchanged": (FLIPPED, KNOWN, COMPLETE, 1, False),
    "another row has another amount": ([FLIPPED[0], line("-21", "x", external_id="2")], KNOWN, COMPLETE, 0, False),
    "nothing flipped": ([line("-2", "Bus", external_id="1")], KNOWN[:1], COMPLETE, 0, False),
    "refunds of other days": ([line("1", "Bus", booking_on=day(1))], STORED_WITHOUT_IDS[:1], COMPLETE, 0, False),
    "pending rows that were told with the wrong sign": (
        FLIPPED,
        [row("-1", "Bus", id=1, external_id="1", pending=True), row("20", "x", id=2, external_id="2", pending=True)],
        COMPLETE, 0, False,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("lines", "known", "coverage", "elsewhere", "flipped"), CASES.values(), ids=CASES)
def test_a_flip_is_every_known_row(lines, known, coverage, elsewhere, flipped):
    matches = match_by_identity(lines, [key(stored) for stored in known], {}, coverage)
    assert signs_flipped(matches, {stored.id: stored for stored in known}, coverage, elsewhere) == flipped

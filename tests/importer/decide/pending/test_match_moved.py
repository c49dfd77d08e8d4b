"""Which rows a delivery of whole days tells under other days, as all that it lacks moved alike."""

import pytest

from tests.importer.decide.rows import TRUSTED, UNTRUSTED, day, line, row
from worker.importer.decide.pending.match_moved import days_moved
from worker.importer.decide.pending.match_posted import match_pending_rows
from worker.importer.decide.pending.match_rewritten import UnmatchedRow
from worker.importer.decide.reasons import Reason


def lacking(number, offset=0, amount=None, **more):
    known = row(
        amount or f"-{number}.20", f"Shop {number}", id=number, booking_on=day(offset), context=UNTRUSTED, **more
    )
    return UnmatchedRow(known=known, withdrawn=False, complete=False, maybe_moved=True)


def told(number, offset, text="Shop", amount=None, **more):
    said = {"booking_on": day(offset), "context": UNTRUSTED} | more
    return line(amount or f"-{number}.20", f"{text} {number}", **said)


ROWS = [lacking(n, n) for n in range(1, 4)]
MANY = [lacking(n, n) for n in range(1, 9)]
ALL, ALL_OF_MANY = {n: n - 1 for n in range(1, 4)}, {n: n - 1 for n in range(1, 9)}
COFFEES = [lacking(n, n, "-3.50") for n in range(1, 4)]
MOVED = {  # lines, rows, how many are lacking; which row each line is, and by how many days most moved
    "three shops, a day later": ([told(n, n + 1) for n in (1, 2, 3)], ROWS, 3, ALL, 1),
    "a day earlier": ([told(n, n - 1) for n in (1, 2, 3)], ROWS, 3, ALL, -1),
    "over a weekend": ([told(1, 2), told(2, 4), told(3, 8)], ROWS, 3, ALL, 5),
    "beside lines of their own": ([*(told(n, n + 1) for n in (1, 2, 3)), told(7, 2)], ROWS, 3, ALL, 1),
    "four of five": ([told(n, n + 1) for n in range(1, 5)], MANY[:5], 5, ALL | {4: 3}, 1),
    "with ids of other days": (
        [told(n, n + 1, external_id=f"F{n}", context=TRUSTED) for n in (1, 2, 3)],
        ROWS, 3, ALL, 1,
    ),
    "two shops": ([told(n, n + 1) for n in (1, 2)], ROWS[:2], 2, {}, 0),
    "fewer than are lacking": ([told(n, n + 1) for n in (1, 2, 3)], ROWS, 4, {}, 0),
    "one of three the other way": ([told(1, 2), told(2, 3), told(3, 2)], ROWS, 3, {}, 0),
    "too far": ([told(n, n + 6) for n in (1, 2, 3)], ROWS, 3, {}, 0),
    "tickets of a morning, in one shop": (
        [told(1, n + 1, amount=f"-{n}.20") for n in (1, 2, 3)],
        [UnmatchedRow(known=row(f"-{n}.20", "Shop 1", id=n, booking_on=day(n), context=UNTRUSTED), withdrawn=False,
                      complete=False, maybe_moved=True) for n in (1, 2, 3)],
        3, {}, 0,
    ),
    "coffees of one price": ([told(n, n + 1, amount="-3.50") for n in (1, 2, 3)], COFFEES, 3, {}, 0),
    "pending lines": ([told(n, n + 1, pending=True) for n in (1, 2, 3)], ROWS, 3, {}, 0),
    "three in other words": ([told(n, n + 1, "Karte") for n in (1, 2, 3)], ROWS, 3, {}, 0),
    "eight in other words": ([told(n, n + 1, "Karte") for n in range(1, 9)], MANY, 8, ALL_OF_MANY, 1),
    "eight in other words, by several days": ([told(n, n + 1 + n % 2, "Karte") for n in range(1, 9)], MANY, 8, {}, 0),
    "eight in other words, of few amounts": (
        [told(n, n + 1, "Karte", f"-{n % 4 + 1}") for n in range(1, 9)],
        [lacking(n, n, f"-{n % 4 + 1}") for n in range(1, 9)],
        8, {}, 0,
    ),
    "eight in other words, with ids before and now": (
        [told(n, n + 1, "Karte", external_id=f"F{n}", context=TRUSTED) for n in range(1, 9)],
        [UnmatchedRow(known=row(f"-{n}.20", "Shop", id=n, booking_on=day(n), external_id=f"G{n}"), withdrawn=False,
                      complete=False, maybe_moved=True) for n in range(1, 9)],
        8, {}, 0,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("lines", "rows", "number", "same", "days"), MOVED.values(), ids=MOVED)
def test_rows_are_the_same_under_other_days_where_most_that_are_lacking_moved_alike(lines, rows, number, same, days):
    found = match_pending_rows(lines, rows, lacking=number)
    assert {match.right.known.id: match.left_place for match in found} == same
    assert {match.reason for match in found} <= {Reason.MIGRATED}
    assert days_moved(found) == days

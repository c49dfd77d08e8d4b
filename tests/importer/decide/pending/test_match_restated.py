"""Which row a delivery states otherwise that has its day as a whole: with more words, or most of them with others."""

from dataclasses import replace

import pytest

from tests.importer.decide.rows import TRUSTED, UNTRUSTED, day, line, row
from worker.importer.decide.pending.match_posted import match_pending_rows
from worker.importer.decide.pending.match_rewritten import UnmatchedRow
from worker.importer.decide.reasons import Reason
from worker.importer.decide.stored_row import ExpenseState

DELETED = {"expense_id": None, "expense": None, "expense_state": ExpenseState.OWN}


def lacking(number, text, **more):
    """A row without an id that its day lacks in an answer which proves nothing else."""
    known = row("-4.50", text, id=number, context=UNTRUSTED, **more)
    return UnmatchedRow(known=known, withdrawn=False, complete=False, maybe_restated=True)


def told(*texts, **more):
    return [line("-4.50", text, context=UNTRUSTED, **more) for text in texts]


LACKING = [lacking(1, "Cafe Central"), lacking(2, "Cafe Central")]
RETOLD = {
    "more words": (told("Cafe Central ein Kaffee"), [lacking(1, "Cafe Central")], {1: 0}),
    "fewer words": (told("Cafe Central"), [lacking(1, "Cafe Central ein Kaffee")], {1: 0}),
    "no words before": (told("Cafe Central"), [lacking(1, "")], {1: 0}),
    "equal purchases": (told("Cafe Central A", "Cafe Central B"), LACKING, {1: 0, 2: 1}),
    "one more than before": (told("Cafe Central A", "Cafe Central B", "Cafe Central C"), LACKING, {1: 0, 2: 1}),
    "the nearest text": (
        told("Cafe Central 7"), [lacking(1, "Cafe"), lacking(2, "Cafe Central")], {2: 0},
    ),
    "words of their own": (told("Cafe Nord"), [lacking(1, "Cafe Central")], {}),
    "numbers of their own": (told("Cafe 2"), [lacking(1, "Cafe 1")], {}),
    "another day": (told("Cafe Central ein Kaffee", booking_on=day(1)), [lacking(1, "Cafe Central")], {}),
    "the day of booking as well": (told("Cafe", booking_on=day(-1), value_on=day(0)), [lacking(1, "Cafe")], {1: 0}),
    "another day of booking": (
        told("Cafe", booking_on=day(-1), value_on=day(0)), [lacking(1, "Cafe", value_on=day(1))], {},
    ),
    "the currency as well": (
        told("Cafe", currency="GBP"), [replace(lacking(1, "Cafe"), currency_assumed=True)], {1: 0},
    ),
    "another currency": (told("Cafe", currency="GBP"), [lacking(1, "Cafe")], {}),
    "pending": (told("Cafe Central ein Kaffee", pending=True), [lacking(1, "Cafe Central")], {}),
    "an id": ([line("-4.50", "Cafe Central ein Kaffee", external_id="a")], [lacking(1, "Cafe Central")], {}),
    "an expense that the user deleted": (
        told("Cafe Central ein Kaffee"), [lacking(1, "Cafe Central", **DELETED)], {1: 0},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("lines", "rows", "same"), RETOLD.values(), ids=RETOLD)
def test_a_row_that_its_day_lacks_may_be_told_with_more_or_fewer_words(lines, rows, same):
    found = match_pending_rows(lines, rows)
    assert {match.right.known.id: match.left_place for match in found} == same
    assert {match.reason for match in found} <= {Reason.REWRITTEN}


def shop(number, offset=0, **more):
    known = row(f"-{number}.20", f"Shop {number}", id=number, booking_on=day(offset), **({"context": UNTRUSTED} | more))
    return UnmatchedRow(known=known, withdrawn=False, complete=False, maybe_restated=True)


def card(number, offset=0, amount=None, **more):
    said = f"KARTENZAHLUNG {number * 1111}"
    return line(amount or f"-{number}.20", said, booking_on=day(offset), **({"context": UNTRUSTED} | more))


SHOPS, CARDS = [shop(1), shop(2, 1), shop(3, 2)], [card(1), card(2, 1), card(3, 2)]
ALL = {1: 0, 2: 1, 3: 2}
WITH_IDS = [card(n, n - 1, external_id=f"F{n}", context=TRUSTED) for n in (1, 2, 3)]
OTHER_WORDS = {
    "all of three": (CARDS, SHOPS, ALL),
    "with ids from now on": (WITH_IDS, SHOPS, ALL),
    "without ids from now on": (CARDS, [shop(n, n - 1, external_id=f"F{n}", context=TRUSTED) for n in (1, 2, 3)], ALL),
    "other ids": (WITH_IDS, [shop(n, n - 1, external_id=f"G{n}", context=TRUSTED) for n in (1, 2, 3)], {}),
    "two may be other purchases": (CARDS[:2], SHOPS[:2], {}),
    "four of five": ([*CARDS, card(4)], [*SHOPS, shop(4), shop(5)], ALL | {4: 3}),
    "fewer, of a file that lacks some": (CARDS, [*SHOPS, shop(4)], {}),
    "of other days": ([card(n, n) for n in (1, 2, 3)], SHOPS, {}),
    "equal amounts of a day, which may be a habit, by like words alone": (
        [card(n, amount="-9.20") for n in (1, 2)] + [line("-9.20", "Shop 3 KARTENZAHLUNG", context=UNTRUSTED)],
        [replace(one, known=replace(one.known, amount=CARDS[0].amount - 8)) for one in (shop(3), shop(4), shop(5))],
        {3: 2},
    ),
    "one more than before": ([*CARDS, card(1)], SHOPS, ALL),
}  # fmt: skip


@pytest.mark.parametrize(("lines", "rows", "same"), OTHER_WORDS.values(), ids=OTHER_WORDS)
def test_most_rows_that_days_lack_may_be_told_in_other_words(lines, rows, same):
    found = match_pending_rows(lines, rows)
    assert {match.right.known.id: match.left_place for match in found} == same
    assert {match.reason for match in found} <= {Reason.MIGRATED, Reason.REWRITTEN}

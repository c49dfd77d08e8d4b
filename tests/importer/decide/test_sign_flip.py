"""Whether a provider turned the sign of every amount of an account."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.importer.decide.rows import COMPLETE, NOTHING_PROVEN, TRUSTED, UNTRUSTED, day, key, line, row
from worker.importer.decide.ids.match import match_by_identity
from worker.importer.decide.sign_flip import (
    inverted_by_user,
    match_inverted_rows,
    signs_flipped,
    states_opposite_signs,
)
from worker.importer.decide.sources.rows import SourceRow

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
    "every row, under other ids and in other words": (
        [line("1", "POS Bus", external_id="x1"), line("-20", "POS Salary", external_id="x2")],
        KNOWN, COMPLETE, 0, True,
    ),
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


INVERTED = replace(TRUSTED, sign=-1)
PEOPLE = {
    "with ids": ({"external_id": "1"}, {"external_id": "2"}),
    "without ids": ({}, {}),
}


@pytest.mark.parametrize("ids", PEOPLE.values(), ids=PEOPLE)
@pytest.mark.parametrize("by", ["the person", "the bank"])
def test_rows_follow_a_person_who_inverts_their_account_and_no_bank(ids, by):
    said = [("-1", "Bus", ids[0]), ("20", "Salary", ids[1])]
    known = [row(amount, words, id=n, **more) for n, (amount, words, more) in enumerate(said, 1)]
    context, sign = (INVERTED, "") if by == "the person" else (TRUSTED, "-")
    lines = [line(f"{sign}{amount}".replace("--", ""), words, context, **more) for amount, words, more in said]
    other = replace(context, sign=-context.sign)
    opposite = {
        one.fingerprint: line(f"{sign}{amount}".replace("--", ""), words, other, **more).fingerprint
        for one, (amount, words, more) in zip(lines, said, strict=True)
    }
    matches = match_by_identity(lines, [key(stored) for stored in known], {}, COMPLETE)
    match_inverted_rows(matches, opposite)
    in_full = {stored.id: stored for stored in known}
    assert signs_flipped(matches, in_full, COMPLETE, 0)
    assert inverted_by_user(matches, in_full, opposite) == (by == "the person")
    assert {match.known_id: match.line.amount for match in matches.changed} == (
        {1: Decimal(1), 2: Decimal(-20)} if by == "the person" or ids[0] else {}
    )


@pytest.mark.parametrize("opposite", [{}, {b"another line": b"what it has inverted"}])
def test_a_line_that_nobody_inverted_is_no_row_that_a_revert_forgot(opposite):
    forgotten = key(row("-137.71", "Railway", id=1, external_id="1", pending=True), fingerprint=b"")
    new = line("-158.29", "Furniture", external_id="2")
    matches = match_by_identity([new], [forgotten], {}, COMPLETE)
    match_inverted_rows(matches, opposite)
    assert (matches.new, matches.undelivered, matches.changed) == ([new], [forgotten], [])


def _rows(amounts):
    return [
        SourceRow(on=day(n), amount=Decimal(amount), currency="EUR", words=f"Shop {n}")
        for n, amount in enumerate(amounts)
    ]


SECOND = {
    "every one": (["5", "6", "7", "8", "9"], True),
    "as the other source": (["-5", "-6", "-7", "-8", "-9"], False),
    "too few": (["5", "6", "7", "8"], False),
    "most of them, and refunds": (["5", "6", "7", "8", "9", "-10"], True),
    "half of them": (["5", "6", "7", "8", "9", "-10", "-11", "-12", "-13", "-14"], False),
}


@pytest.mark.parametrize(("amounts", "opposite"), SECOND.values(), ids=SECOND)
def test_a_second_source_states_the_opposite_signs(amounts, opposite):
    beside = _rows([f"-{n}" for n in range(5, 15)])
    assert states_opposite_signs(_rows(amounts), beside) is opposite

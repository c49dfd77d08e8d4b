"""What users of other importers reported: doubled, lost and resurrected rows, told as answers of a bank day by day."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple

import pytest

from tests.importer.bank import CURSOR, TODAY, WINDOWED, Harness
from worker.connectors.base import Capabilities, IdClass, Transaction
from worker.runs.states import RunStatus

USUAL = replace(WINDOWED, windows_complete=False)
"""As aggregators are: ids that should stay, windows that may lack something."""

NO_IDS = replace(USUAL, id_class=IdClass.NONE)
NEW_IDS = replace(USUAL, id_class=IdClass.DELIVERY)


def row(amount, text="Coffee Bar", external_id=None, *, ago=0, **more):
    values = {"account_id": "A", "currency": "EUR", "booking_on": TODAY - timedelta(days=ago)} | more
    return Transaction(amount=Decimal(amount), description=text, external_id=external_id, **values)


def pending(amount, text="Coffee Bar", external_id=None, **more):
    return row(amount, text, external_id, pending=True, **more)


class Story(NamedTuple):
    """The answers of a bank, one a day, and what is owed at the end.

    Attributes:
        days: How many days lie between two answers.
    """

    bank: Capabilities
    answers: list[list[Transaction]]
    owed: list[str]
    days: int = 1


STORIES = {
    "a day in front of the payee goes, and the id is a new one": Story(
        USUAL, [[row("-9.90", "12.03 EXAMPLE STORE", "a")], [row("-9.90", "EXAMPLE STORE", "b")]], ["-9.90"]
    ),
    "the id changes when it is booked": Story(
        USUAL, [[pending("-9.90", "Shop", "p")], [row("-9.90", "Shop", "b")]], ["-9.90"]
    ),
    "the id and the day change when it is booked": Story(
        USUAL, [[pending("-9.90", "Shop", "p", ago=2)], [row("-9.90", "SHOP BERLIN", "b")]], ["-9.90"]
    ),
    "another rate when a foreign purchase is booked": Story(
        USUAL, [[pending("-9.90", "Shop Paris", "p")], [row("-9.97", "SHOP PARIS FR", "b")]], ["-9.97"]
    ),
    "a tip when it is booked, under one id": Story(
        USUAL, [[pending("-20", "Trattoria", "a")], [row("-23", "Trattoria", "a")]], ["-23.00"]
    ),
    "pending without an id, booked with one": Story(
        USUAL, [[pending("-9.90", "Shop")], [row("-9.90", "Shop", "b")]], ["-9.90"]
    ),
    "two equal pending rows, of which one is booked": Story(
        USUAL,
        [[pending("-3", external_id="p"), pending("-3", external_id="q")],
         [row("-3", external_id="b"), pending("-3", external_id="q")]],
        ["-3.00", "-3.00"],
    ),
    "pending rows that are called off": Story(
        USUAL, [[pending("-50", "Hotel", "p"), row("-1", "Bus", "a")]] + [[row("-1", "Bus", "a")]] * 2, ["-1.00"], 8
    ),
    "two equal purchases at one till": Story(
        USUAL, [[row("-10", "Supermarket", "a"), row("-10", "Supermarket", "b")]] * 2, ["-10.00", "-10.00"]
    ),
    "two equal purchases without ids": Story(NO_IDS, [[row("-10"), row("-10")]] * 2, ["-10.00", "-10.00"]),
    "a third equal purchase without an id, later that day": Story(
        NO_IDS, [[row("-10")] * 2, [row("-10")] * 3], ["-10.00"] * 3
    ),
    "the same purchase on the next day": Story(
        USUAL, [[row("-2.80", "Bus", "a", ago=1)], [row("-2.80", "Bus", "b"), row("-2.80", "Bus", "a", ago=1)]],
        ["-2.80", "-2.80"],
    ),
    "the same purchase on the next day, without ids": Story(
        NO_IDS, [[row("-2.80", "Bus", ago=1)], [row("-2.80", "Bus"), row("-2.80", "Bus", ago=1)]], ["-2.80", "-2.80"]
    ),
    "a refund on the day of the purchase": Story(
        NO_IDS, [[row("-30", "Shoes"), row("30", "Shoes")]] * 2, ["-30.00", "30.00"]
    ),
    "ids that are new in every answer": Story(
        NEW_IDS, [[row("-1", "Bus", f"{n}a"), row("-2", "Tea", f"{n}b")] for n in range(3)], ["-1.00", "-2.00"]
    ),
    "an id that comes later": Story(USUAL, [[row("-4", "Kiosk")], [row("-4", "Kiosk", "a")]], ["-4.00"]),
    "an id that goes": Story(USUAL, [[row("-4", "Kiosk", "a")], [row("-4", "Kiosk")]], ["-4.00"]),
    "two rows with a blank id": Story(
        USUAL, [[row("-4", "Kiosk", " "), row("-5", "Kiosk", " ")]] * 2, ["-4.00", "-5.00"]
    ),
    "the other order of rows without ids": Story(
        NO_IDS, [[row("-1", "Bus"), row("-2", "Tea")], [row("-2", "Tea"), row("-1", "Bus")]], ["-1.00", "-2.00"]
    ),
    "other case and blanks, without ids": Story(
        NO_IDS, [[row("-1", "Corner  Shop")], [row("-1", "CORNER SHOP ")]], ["-1.00"]
    ),
    "entities, without ids": Story(NO_IDS, [[row("-1", "AT&amp;T")], [row("-1", "AT&T")]], ["-1.00"]),
    "another Unicode form, without ids": Story(
        NO_IDS, [[row("-1", "Cafe\u0301 Mu\u0308ller")], [row("-1", "Caf\u00e9 M\u00fcller")]], ["-1.00"]
    ),
    "another way to write the amount, without ids": Story(NO_IDS, [[row("-12.5")], [row("-12.50")]], ["-12.50"]),
    "another way to write the currency, without ids": Story(
        NO_IDS, [[row("-1", currency="eur")], [row("-1")]], ["-1.00"]
    ),
    "words that are enriched, under one id": Story(
        USUAL, [[row("-7", "POS 4711", "a")], [row("-7", "Old Town Books, Bonn", "a")]], ["-7.00"]
    ),
    "words that are enriched, under a new id": Story(
        USUAL, [[row("-7", "POS OLD TOWN BOOKS 4711", "a")], [row("-7", "Old Town Books", "b")]], ["-7.00"]
    ),
    "a day that moves, under one id": Story(
        USUAL, [[row("-7", "Books", "a", ago=1)], [row("-7", "Books", "a", ago=2)]], ["-7.00"]
    ),
    "a corrected amount under one id": Story(USUAL, [[row("-7", "Books", "a")], [row("-8", "Books", "a")]], ["-8.00"]),
    "a posted row without a link, in a list of changes": Story(
        CURSOR,
        [[pending("-7", "Books", "p")], *[[pending("-7", "Books", "p"), row("-7", "BOOKS BONN", "b")]] * 3],
        ["-7.00"], 5,
    ),
    "two equal transfers to a stranger on one day": Story(
        USUAL, [[row("-100", "Rent", n, counterparty_account="DE99") for n in "ab"]] * 2, ["-100.00", "-100.00"]
    ),
}  # fmt: skip


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_what_is_owed_is_there_once(sessions, user_id, story):
    harness = Harness(sessions, user_id)
    harness.bank.capabilities = story.bank
    for answer in story.answers:
        harness.bank.rows = answer
        outcome = harness.refresh()
        harness.day_later(story.days)
    assert sorted(harness.amounts()) == sorted(story.owed)
    assert outcome.status == RunStatus.SUCCEEDED


DELETED = {
    "under the same id": (USUAL, row("-0.01", "Card check", "a"), row("-0.01", "Card check", "a")),
    "under a new id": (USUAL, row("-0.01", "Card check", "a"), row("-0.01", "Card check", "b")),
    "without an id": (NO_IDS, row("-0.01", "Card check"), row("-0.01", "Card check")),
    "booked after it was pending": (USUAL, pending("-0.01", "Card check", "a"), row("-0.01", "Card check", "b")),
    "with other words": (USUAL, row("-0.01", "Card check", "a"), row("-0.01", "CARD CHECK 4711", "a")),
}


@pytest.mark.parametrize(("bank", "before", "after"), DELETED.values(), ids=DELETED)
def test_what_the_person_deleted_stays_deleted(sessions, user_id, bank, before, after):
    harness = Harness(sessions, user_id)
    harness.bank.capabilities = bank
    harness.bank.rows = [before, row("-5", "Lunch", "z")]
    harness.refresh()
    harness.sql("DELETE FROM expenses WHERE amount = 0.01")
    harness.bank.rows = [after, row("-5", "Lunch", "z")]
    for _ in range(2):
        harness.day_later()
        harness.refresh()
    assert harness.amounts() == ["-5.00"]

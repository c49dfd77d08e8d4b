"""Rejected rows that the bank has mended since."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from tests.importer.decide.rows import TRUSTED, transaction
from worker.importer.decide.read.line import transaction_as_text
from worker.importer.decide.rejections import MoneyAndWords, arrived_rejections, read_rejection

DAY, NEXT_DAY, NEXT_MONTH = date(2026, 6, 15), date(2026, 6, 16), date(2026, 7, 15)


def rows(*facts):
    return [MoneyAndWords(n, Decimal(amount), *more) for n, (amount, *more) in enumerate(facts)]


CASES = {
    "the same money and words": ([(3, "Coffee Bar")], [(3, "COFFEE BAR 12")], [0]),
    "another amount": ([(3, "Coffee Bar")], [(4, "Coffee Bar")], []),
    "other words": ([(3, "Coffee Bar")], [(3, "Tram")], []),
    "no words": ([(3, "")], [(3, "")], []),
    "two of which one arrived": ([(3, "Coffee Bar"), (3, "Coffee Bar")], [(3, "Coffee Bar")], [0]),
    "the same day": ([(3, "Coffee Bar", DAY)], [(3, "Coffee Bar", DAY)], [0]),
    "another day": ([(3, "Coffee Bar", DAY)], [(3, "Coffee Bar", NEXT_DAY)], []),
    "a pending one that was booked": ([(3, "Coffee Bar", DAY, True)], [(3, "Coffee Bar", NEXT_DAY)], [0]),
    "no day before": ([(3, "Coffee Bar", None)], [(3, "Coffee Bar", DAY)], [0]),
    "no day, seen before": ([(3, "Coffee Bar", None, False, DAY)], [(3, "Coffee Bar", NEXT_DAY)], [0]),
    "no day, seen after": ([(3, "Coffee Bar", None, False, NEXT_MONTH)], [(3, "Coffee Bar", DAY)], [0]),
    "no day, seen a month before": ([(3, "Coffee Bar", None, False, DAY)], [(3, "Coffee Bar", NEXT_MONTH)], []),
    "nothing": ([(3, "Coffee Bar")], [], []),
}


@pytest.mark.parametrize(("rejected", "created", "arrived"), CASES.values(), ids=CASES)
def test_which_rejections_arrived(rejected, created, arrived):
    assert arrived_rejections(rows(*rejected), rows(*created)) == arrived


def test_what_a_rejection_keeps_is_read():
    read = read_rejection(7, transaction_as_text(transaction("-3.50", "Coffee", counterparty="Bar", booking_on=None)))
    assert read is not None
    assert (read.id, str(read.amount), read.words, read.on) == (7, "3.50", "Bar Coffee", None)


LATE = datetime(2026, 6, 15, 23, 30, tzinfo=UTC)
STATED = {
    "a day": ({"booking_on": DAY}, DAY),
    "a moment, whose day is that of the bank's zone": ({"booking_on": None, "booking_at": LATE}, NEXT_DAY),
    "a moment of the booking, and the day of the value": (
        {"booking_on": None, "booking_at": LATE, "value_on": NEXT_MONTH}, NEXT_DAY,
    ),
    "a moment of the purchase": ({"booking_on": None, "transaction_at": LATE}, NEXT_DAY),
    "the day of the value alone": ({"booking_on": None, "value_on": NEXT_MONTH}, NEXT_MONTH),
}  # fmt: skip


@pytest.mark.parametrize(("days", "on"), STATED.values(), ids=STATED)
def test_a_rejected_row_is_of_the_day_that_it_would_be_stored_under(days, on):
    read = read_rejection(7, transaction_as_text(transaction(**days)), context=TRUSTED)
    assert read is not None
    assert read.on == on


@pytest.mark.parametrize("amount", ["1E+200000", "1E-200000", "1E+9999999", "-1E+9999999"])
def test_an_amount_that_no_row_can_have_is_none_of_a_row_that_arrived(amount):
    assert read_rejection(7, f'{{"account_id": "1", "amount": "{amount}", "pending": false}}') is None


def test_a_record_that_is_too_deep_to_be_read_is_none_either():
    assert read_rejection(7, "[" * 100_000) is None


@pytest.mark.parametrize(
    "raw",
    [
        "{",
        "[]",
        "7",
        "{}",
        '{"amount": 3}',
        '{"amount": 3, "pending": false}',
        '{"account_id": "1", "amount": "NaN", "pending": false}',
        '{"account_id": "1", "amount": "x", "pending": false}',
    ],
)
def test_a_record_of_the_providers_own_is_not(raw):
    assert read_rejection(7, raw) is None

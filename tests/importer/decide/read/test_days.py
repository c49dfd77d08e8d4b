"""Which day a moment is, and which of a transaction's days is that of its expense."""

from dataclasses import replace
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from tests.importer.decide.rows import DAY, TRUSTED, day, line, transaction
from worker.importer.decide.read.days import common_time_of_day
from worker.importer.decide.read.line import read_transaction


@pytest.mark.parametrize("zone", ["America/New_York", "UTC", "Pacific/Auckland"])
def test_exactly_midnight_utc_is_a_day_whatever_the_zone(zone):
    said = transaction(booking_on=None, booking_at=datetime(2026, 6, 15, tzinfo=UTC))
    assert read_transaction(said, replace(TRUSTED, zone=ZoneInfo(zone))).booking_on == date(2026, 6, 15)


EVENING = datetime(2026, 6, 15, 23, 30, tzinfo=UTC)
DAYS = {
    "the day of purchase, before that of booking": (
        {"booking_on": day(2), "transaction_on": DAY}, "transaction", DAY,
    ),
    "the day of booking where the connection says so": (
        {"booking_on": day(2), "transaction_on": DAY}, "booking", day(2),
    ),
    "the value day where the connection says so": ({"booking_on": day(16), "value_on": day(-3)}, "value", day(-3)),
    "the value day is asked for and not stated": (
        {"booking_on": day(2), "transaction_on": DAY}, "value", DAY,
    ),
    "the only day there is": ({"booking_on": None, "value_on": day(1)}, "booking", day(1)),
    "a moment in the bank's zone": ({"booking_on": None, "booking_at": EVENING}, "transaction", date(2026, 6, 16)),
    "midnight UTC is a day in every zone": (
        {"booking_on": None, "booking_at": datetime(2026, 6, 15, tzinfo=UTC)}, "transaction", date(2026, 6, 15),
    ),
    "today for a pending row without any": ({"booking_on": None, "pending": True}, "transaction", DAY),
}  # fmt: skip


@pytest.mark.parametrize(("dates", "date_basis", "expected"), DAYS.values(), ids=DAYS)
def test_the_day_of_the_expense(dates, date_basis, expected):
    assert line(context=replace(TRUSTED, date_basis=date_basis), **dates).effective_on == expected


def at(day, hour, minute=0):
    return transaction(booking_on=None, booking_at=datetime(2026, 6, day, hour, minute, tzinfo=UTC))


FEEDS = {
    "all at one hour": ([at(day, 1) for day in (1, 2, 2, 3, 4)], time(1)),
    "one of them at another": ([*(at(day, 1) for day in (1, 2, 2, 3, 4)), at(5, 9, 41)], None),
    "too few to tell": ([at(day, 1) for day in (1, 2, 3)], None),
    "all of two days": ([at(day, 1) for day in (1, 1, 1, 2, 2, 2)], None),
    "days without moments": ([transaction() for _ in range(9)], None),
    "nothing": ([], None),
}


@pytest.mark.parametrize(("feed", "days_at"), FEEDS.values(), ids=FEEDS)
def test_a_feed_whose_moments_are_all_at_one_hour_states_days(feed, days_at):
    assert common_time_of_day(feed) == days_at


@pytest.mark.parametrize(
    ("zone", "hour", "on"),
    [("America/New_York", 1, 4), ("America/New_York", 4, 4), ("Europe/Berlin", 22, 5), ("UTC", 12, 4)],
    ids=["an odd hour", "local midnight west", "local midnight east", "noon"],
)
def test_the_day_of_a_moment_that_stands_for_a_day(zone, hour, on):
    context = replace(TRUSTED, zone=ZoneInfo(zone), days_at=time(hour))
    assert read_transaction(at(4, hour), context).stated_on == date(2026, 6, on)

"""A delivery in slices: what each of them proves."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from worker.connectors.base import Transaction, Window
from worker.importer.decide.read.context import ReadContext
from worker.importer.fetch.delivery import Delivery
from worker.importer.fetch.slices import slices
from worker.importer.fetch.staging import Staging

FIRST_ON = date(2026, 1, 1)
DAYS = 40
COVERS = Window(from_on=FIRST_ON, to_on=FIRST_ON + timedelta(days=DAYS - 1))
GROUND = ReadContext(zone=ZoneInfo("UTC"), today=date(2026, 6, 1), currency="EUR", trusted=True)


def noon(day):
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


DATED = {
    "by the day of booking": lambda day: {"booking_on": day},
    "by the day it was made": lambda day: {"transaction_on": day},
    "by the value date": lambda day: {"value_on": day},
    "by the moment of booking": lambda day: {"booking_at": noon(day)},
    "by the moment it was made": lambda day: {"transaction_at": noon(day)},
}


def row(number, **dates):
    return Transaction(
        account_id="A", amount=Decimal(-1), description="Bus", currency="EUR", external_id=str(number), **dates
    )


@pytest.fixture(params=[10_000, 3], ids=["in memory", "spilled"])
def delivery(request):
    opened = Delivery(staging=Staging(spill_rows=request.param), covers=COVERS)
    yield opened
    opened.staging.close()


@pytest.mark.parametrize("dated", DATED.values(), ids=DATED)
def test_slices_prove_every_day_once_and_none_that_a_later_slice_may_speak_of(delivery, dated):
    delivery.staging.add(row(number, **dated(FIRST_ON + timedelta(days=number))) for number in range(DAYS))
    found = list(slices(delivery, "A", GROUND, 10))
    assert len(found) > 1
    proven = [window for part in found if (window := part.covers)]
    assert proven[0].from_on == COVERS.from_on
    assert proven[-1].to_on == COVERS.to_on
    for before, after in pairwise(proven):
        assert after.from_on == before.to_on + timedelta(days=1)
    for part in found[:-1]:
        last_on = FIRST_ON + timedelta(days=max(int(t.external_id) for t, _, _ in part.transactions))
        assert part.covers is None or part.covers.to_on < last_on


def test_rows_without_any_day_come_first_and_prove_nothing_that_is_to_come(delivery):
    delivery.staging.add([row("undated"), *(row(n, booking_on=FIRST_ON + timedelta(days=n)) for n in range(DAYS))])
    first, *_ = slices(delivery, "A", GROUND, 10)
    assert first.transactions[0].transaction.external_id == "undated"
    assert first.covers.to_on < FIRST_ON + timedelta(days=10)

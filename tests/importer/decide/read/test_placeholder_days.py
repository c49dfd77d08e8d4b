"""Days that stand for no day."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from tests.importer.decide.rows import transaction
from worker.importer.decide.read.placeholder_days import without_placeholder_days

NO_DAY = (date(1, 1, 1), date(1899, 12, 31), date(2200, 1, 1), date(9999, 12, 31))
NO_MOMENT = (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, tzinfo=UTC))
CASES = [
    *((name, day) for name in ("booking_on", "value_on", "transaction_on") for day in NO_DAY),
    *((name, moment) for name in ("booking_at", "transaction_at") for moment in NO_MOMENT),
]
ROW = transaction(external_id="1")


@pytest.mark.parametrize(("name", "day"), CASES)
def test_a_day_that_is_none_is_dropped_and_nothing_else(name, day):
    others = {"booking_on": date(2026, 6, 1), "value_on": date(2026, 6, 2), "transaction_on": date(2026, 5, 30)}
    row = replace(ROW, **(others | {name: day}))
    assert without_placeholder_days([row]) == [replace(row, **{name: None})]


@pytest.mark.parametrize("day", [date(1900, 1, 1), date(1970, 1, 1), date(2099, 12, 31), date(2199, 12, 31), None])
def test_a_day_that_may_be_one_stays(day):
    row = replace(ROW, booking_on=day)
    assert without_placeholder_days([row])[0] is row

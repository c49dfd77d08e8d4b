"""By which of their days the rows of two sources are compared."""

from datetime import date
from decimal import Decimal

import pytest

from worker.importer.decide.sources.common_days import by_common_days
from worker.importer.decide.sources.rows import SourceRow

AMOUNT = Decimal("-2.50")


def row(bought, booked, amount=AMOUNT, **more):
    on, stated_on = (day and date(2026, 3, day) for day in (bought, booked))
    return SourceRow(on=on, amount=amount, currency="EUR", words="Cafe", stated_on=stated_on, **more)


BOTH = [row(1, 3), row(3, 4), row(4, 5)]
ROWS = {
    "a source of bookings alone": ([row(3, 3), row(4, 4), row(5, 5)], [3, 4, 5], [3, 4, 5]),
    "a source of purchases alone": ([row(1, 1), row(3, 3), row(4, 4)], [1, 3, 4], [1, 3, 4]),
    "a source of both": (BOTH, [1, 3, 4], [1, 3, 4]),
    "a source without one day in common": ([row(8, 8)], [1, 3, 4], [8]),
    "other amounts": ([row(3, 3, Decimal(-9)), row(4, 4, Decimal(-9))], [1, 3, 4], [3, 4]),
    "pending rows keep the day of the purchase": (
        [row(3, 3), row(4, 4), row(5, 5), row(9, 7, pending=True)],
        [3, 4, 5],
        [3, 4, 5, 9],
    ),
    "rows that state no day": ([row(3, None), row(5, None), row(5, 5), row(5, 5)], [3, 4, 5], [3, 5, 5, 5]),
}


@pytest.mark.parametrize(("rights", "left_days", "right_days"), ROWS.values(), ids=ROWS)
def test_rows_are_compared_by_the_day_that_both_sources_state(rights, left_days, right_days):
    for compared, days in zip(by_common_days(BOTH, rights), (left_days, right_days), strict=True):
        assert [one.on.day for one in compared] == days

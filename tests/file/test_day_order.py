"""Days that stand out of the order of a statement, as a table."""

from datetime import date, timedelta

import pytest

from worker.connectors.file.day_order import DayOrder

RISING = list(range(1, 28, 2))
FALLING = RISING[::-1]


def odd(days: list[int]) -> list[int]:
    order = DayOrder()
    for line, day in enumerate(days, start=1):
        order.see(line, date(2026, 1, 1) + timedelta(days=day))
    return [one.line for one in order.odd()]


@pytest.mark.parametrize(
    ("days", "lines"),
    [
        (RISING, []),
        (FALLING, []),
        ([*RISING[:6], 1, *RISING[7:]], [7]),
        ([*RISING[:6], 300, *RISING[7:]], [8]),
        ([*FALLING[:6], 27, *FALLING[7:]], [7]),
        ([*RISING[:6], RISING[6] - 3, *RISING[7:]], []),
        ([1, 2, 20, 3], []),
        ([5, 20, 6, 21, 7, 22, 8, 23, 9, 24, 10, 25], []),
        ([], []),
        ([3, 3, 3, 3, 3, 3, 3, 3], []),
    ],
)
def test_a_row_is_odd_where_all_others_keep_an_order(days, lines):
    assert odd(days) == lines

"""Which posted rows are gone, because the bank neither delivers nor counts them."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from worker.importer.decide.balances.uncounted import AbsentRow, uncounted

# Amounts of the absent rows, each with the day since which it is absent; the rows are numbered from 1.
CASES = {
    "one row": (10, [(-10, 3)], (1,)),
    "a credit": (-10, [(10, 3)], (1,)),
    "rows that are one booking now": (25, [(-10, 3), (-15, 3)], (1, 2)),
    "rows that went one after the other": (25, [(-10, 2), (-15, 3)], (1, 2)),
    "rows that went at once, after one that is counted": (25, [(-7, 2), (-10, 3), (-15, 3)], (2, 3)),
    "one of several": (15, [(-10, 3), (-15, 3)], (2,)),
    "one of two of its amount": (10, [(-10, 3), (-10, 3)], ()),
    "one of two of its amount, absent since another day": (10, [(-10, 2), (-10, 3)], ()),
    "the other sign": (-10, [(-10, 3)], ()),
    "another amount": (11, [(-10, 3)], ()),
    "two of three": (25, [(-10, 3), (-15, 3), (-7, 3)], ()),
    "none": (0, [], ()),
}


@pytest.mark.parametrize(("difference", "absent", "gone"), CASES.values(), ids=CASES)
def test_rows_are_gone_without_which_the_balance_fits(difference, absent, gone):
    rows = [
        AbsentRow(id=number, amount=Decimal(amount), absent_since_at=datetime(2026, 6, day, tzinfo=UTC))
        for number, (amount, day) in enumerate(absent, start=1)
    ]
    assert uncounted(Decimal(difference), rows) == gone

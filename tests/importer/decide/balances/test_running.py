"""Which balances of days follow from rows that state the balance after them."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.importer.decide.rows import day
from worker.importer.decide.balances.running import RowWithBalance, day_ends


def stated(offset, amount, balance):
    return RowWithBalance(on=day(offset), amount=Decimal(amount), balance=Decimal(balance))


TWO_DAYS = [stated(0, "-5", "95"), stated(0, "-7", "88"), stated(1, "12", "100")]
ENDS = {-1: "100", 0: "88", 1: "100"}

CASES = {
    "in order": (TWO_DAYS, ENDS),
    "newest first": (TWO_DAYS[::-1], ENDS),
    "a row that is there twice": ([*TWO_DAYS, TWO_DAYS[1]], ENDS),
    "a row too few between two days": ([*TWO_DAYS, stated(2, "-1", "99"), stated(3, "-1", "98"), stated(4, "-1", "97"),
                                        stated(5, "-1", "96"), stated(7, "-1", "90")],
                                       ENDS | {2: "99", 3: "98", 4: "97", 5: "96", 7: "90"}),
    "one day": (TWO_DAYS[:2], {}),
    "balances that do not follow from each other": ([stated(0, "-5", "95"), stated(1, "-5", "80")], {}),
    "days in another order": ([stated(0, "-5", "88"), stated(1, "-7", "93"), stated(2, "-7", "70")], {}),
    "the same balance after every row": ([stated(offset, f"-{offset + 1}", "50") for offset in range(4)], {}),
    "nothing": ([], {}),
}  # fmt: skip


@pytest.mark.parametrize(("rows", "expected"), CASES.values(), ids=CASES)
def test_what_the_days_end_with(rows, expected):
    assert day_ends(rows, with_start=True) == {day(offset): Decimal(balance) for offset, balance in expected.items()}


AMOUNTS = st.lists(st.tuples(st.integers(0, 6), st.integers(1, 400)), min_size=1, max_size=25)


@given(AMOUNTS, st.randoms(use_true_random=False))
def test_every_balance_is_true_in_whatever_order_the_rows_came(bought, chance):
    balance, rows, truth = Decimal(0), [], {}
    for offset, amount in sorted(bought):
        balance -= amount
        truth[day(offset)] = balance
        rows.append(stated(offset, -amount, balance))
    chance.shuffle(rows)
    assert day_ends(rows, with_start=False) == (truth if len(truth) > 1 else {})

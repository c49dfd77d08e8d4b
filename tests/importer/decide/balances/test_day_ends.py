"""Balances of past days."""

from decimal import Decimal

import pytest

from tests.importer.decide.rows import day
from worker.importer.decide.balances.day_ends import DayEnd, check_day_ends

OPENING = Decimal(100)


@pytest.mark.parametrize(
    ("stated", "result", "difference", "balance_on"),
    [
        ([(1, 90, -10), (3, 85, -15)], "proven", None, 3),
        ([(1, 90, -10), (3, 80, -15), (5, 60, -15)], "mismatch", -5, 3),
        ([(-1, 7, 0), (1, 90, -10)], "proven", None, 1),
    ],
    ids=["all fit", "the first that differs is told", "a day before the opening amount is not compared"],
)
def test_stated_balances_prove_the_rows_or_name_the_first_day_that_differs(stated, result, difference, balance_on):
    ends = [DayEnd(on=day(on), booked=Decimal(booked), posted=Decimal(posted)) for on, booked, posted in stated]
    proof = check_day_ends(ends, opening=OPENING, opening_on=day(0))
    assert proof is not None
    assert (proof.result, proof.difference, proof.balance_on) == (result, difference, day(balance_on))


def test_no_balance_since_the_opening_amount_says_nothing():
    end = DayEnd(on=day(-1), booked=OPENING, posted=Decimal(0))
    assert check_day_ends([end], opening=OPENING, opening_on=day(0)) is None

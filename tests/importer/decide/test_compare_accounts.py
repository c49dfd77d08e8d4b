"""Whether a new account is one that went missing, by the rows of both."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.importer.decide.rows import day
from worker.importer.decide.compare_accounts import AccountRow, SameAccount, compare_accounts

MERCHANTS = ("Bus", "Coffee Bar", "Trattoria Luigi", "Bookshop", "Pharmacy")


def bought(offset, amount, words):
    return AccountRow(on=day(offset), amount=Decimal(amount), currency="EUR", words=words)


HISTORY = [bought(offset, f"-{offset + 1}.10", words) for offset, words in enumerate(MERCHANTS)]
RENAMED = [replace(row, words=f"KARTENZAHLUNG {number}{number}{number}") for number, row in enumerate(HISTORY)]
SHIFTED = [replace(row, on=row.on.fromordinal(row.on.toordinal() + 1)) for row in HISTORY]
SAME_FARE = [bought(offset, "-2.80", "Bus") for offset in range(5)]

CASES = {
    "the same rows": (HISTORY, HISTORY, SameAccount.EVIDENT),
    "the same rows a day later": (SHIFTED, HISTORY, SameAccount.EVIDENT),
    "the new one begins later": (HISTORY[2:], HISTORY, SameAccount.EVIDENT),
    "the new one goes on": ([*HISTORY, bought(9, "-99", "Shoes")], HISTORY, SameAccount.EVIDENT),
    "one row of five differs": ([*HISTORY[:4], bought(4, "-77", "Shoes")], HISTORY, SameAccount.EVIDENT),
    "the same amounts, all other words": (RENAMED, HISTORY, SameAccount.POSSIBLE),
    "half of the rows": ([*HISTORY[:3], bought(3, "-7", "x"), bought(4, "-8", "y")], HISTORY, SameAccount.POSSIBLE),
    "two rows in common": (HISTORY[:2], HISTORY[:2], SameAccount.POSSIBLE),
    "the same fare on either card": (SAME_FARE, SAME_FARE, SameAccount.POSSIBLE),
    "other amounts": ([replace(row, amount=row.amount - 1) for row in HISTORY], HISTORY, SameAccount.NO),
    "opposite amounts": ([replace(row, amount=-row.amount) for row in HISTORY], HISTORY, SameAccount.NO),
    "another currency": ([replace(row, currency="USD") for row in HISTORY], HISTORY, SameAccount.NO),
    "one coffee of the same price": ([HISTORY[1], bought(2, "-9", "x"), bought(3, "-8", "y")], HISTORY, SameAccount.NO),
    "no days in common": ([bought(60, "-1.10", "Bus"), bought(61, "-2.10", "Coffee Bar")], HISTORY, SameAccount.NO),
    "nothing yet": ([], HISTORY, SameAccount.NO),
}


@pytest.mark.parametrize(("new", "missing", "verdict"), CASES.values(), ids=CASES)
def test_what_the_rows_of_two_accounts_say(new, missing, verdict):
    assert compare_accounts(new, missing) == verdict

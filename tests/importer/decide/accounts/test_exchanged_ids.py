"""Whether the id of an account stands for another one now."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.importer.decide.rows import day
from worker.importer.decide.accounts.exchanged_ids import account_of_rows
from worker.importer.decide.accounts.replaced import SameAccount
from worker.importer.decide.sources.rows import SourceRow


def bought(offset, amount, words="Coffee Bar"):
    return SourceRow(on=day(offset), amount=Decimal(amount), currency="EUR", words=words)


OWN = [bought(n, f"-{n + 1}.10") for n in range(4)]
OTHER = [bought(n, f"-{n + 1}.70") for n in range(4)]
MORE = [bought(n, f"-{n + 50}", "Shoes") for n in range(4)]
IN_OTHER_WORDS = [replace(row, words="Kiosk") for row in OWN]

CASES = {
    "the other one's": (OTHER, {2: OTHER}, (2, SameAccount.EVIDENT)),
    "a few of the other one's": (OTHER[:2], {2: OTHER[:2]}, (2, SameAccount.POSSIBLE)),
    "those of two others": (OTHER, {2: OTHER, 3: OTHER}, (2, SameAccount.POSSIBLE)),
    "surely of one, maybe of another": (OTHER, {2: IN_OTHER_WORDS, 3: OTHER}, (3, SameAccount.EVIDENT)),
    "new ones": (MORE, {2: OTHER}, (None, SameAccount.NO)),
    "its own in other words": (IN_OTHER_WORDS, {2: OWN}, (None, SameAccount.NO)),
    "no other account": (OTHER, {}, (None, SameAccount.NO)),
}


@pytest.mark.parametrize(("told", "others", "expected"), CASES.values(), ids=CASES)
def test_whose_rows_are_told(told, others, expected):
    assert account_of_rows(told, OWN, others) == expected

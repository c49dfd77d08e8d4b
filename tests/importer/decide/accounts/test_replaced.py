"""Whether a new account is one that went missing, by the rows of both."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.importer.decide.rows import day
from worker.importer.decide.accounts.replaced import (
    SameAccount,
    compare_accounts,
    compare_listed_at_once,
    decide_new_account,
)
from worker.importer.decide.sources.rows import SourceRow

MERCHANTS = ("Bus", "Coffee Bar", "Trattoria Luigi", "Bookshop", "Pharmacy")


def bought(offset, amount, words):
    return SourceRow(on=day(offset), amount=Decimal(amount), currency="EUR", words=words)


HISTORY = [bought(offset, f"-{offset + 1}.10", words) for offset, words in enumerate(MERCHANTS)]
RENAMED = [replace(row, words=f"KARTENZAHLUNG {number}{number}{number}") for number, row in enumerate(HISTORY)]
SHIFTED = [replace(row, on=row.on.fromordinal(row.on.toordinal() + 1)) for row in HISTORY]
PENDING = [replace(bought(3, "-20", "Trattoria Luigi"), pending=True)]
SAME_FARE = [bought(offset, "-2.80", "Bus") for offset in range(5)]

CASES = {
    "the same rows": (HISTORY, HISTORY, SameAccount.EVIDENT),
    "the same rows a day later": (SHIFTED, HISTORY, SameAccount.EVIDENT),
    "the new one begins later": (HISTORY[2:], HISTORY, SameAccount.EVIDENT),
    "the new one goes on": ([*HISTORY, bought(9, "-99", "Shoes")], HISTORY, SameAccount.EVIDENT),
    "one row of five differs": ([*HISTORY[:4], bought(4, "-77", "Shoes")], HISTORY, SameAccount.EVIDENT),
    "the same amounts, all other words": (RENAMED, HISTORY, SameAccount.POSSIBLE),
    "many of many amounts, all other words": (
        [bought(n, f"-{n + 1}.10", f"Card {n}") for n in range(9)],
        [bought(n, f"-{n + 1}.10", f"Shop {n}") for n in range(9)],
        SameAccount.EVIDENT,
    ),
    "half of the rows": ([*HISTORY[:3], bought(3, "-7", "x"), bought(4, "-8", "y")], HISTORY, SameAccount.POSSIBLE),
    "two rows in common": (HISTORY[:2], HISTORY[:2], SameAccount.POSSIBLE),
    "the same fare on either card": (SAME_FARE, SAME_FARE, SameAccount.POSSIBLE),
    "other amounts": ([replace(row, amount=row.amount - 1) for row in HISTORY], HISTORY, SameAccount.NO),
    "opposite amounts": ([replace(row, amount=-row.amount) for row in HISTORY], HISTORY, SameAccount.NO),
    "another currency": ([replace(row, currency="USD") for row in HISTORY], HISTORY, SameAccount.NO),
    "one coffee of the same price": ([HISTORY[1], bought(2, "-9", "x"), bought(3, "-8", "y")], HISTORY, SameAccount.NO),
    "no days in common": ([bought(60, "-1.10", "Bus"), bought(61, "-2.10", "Coffee Bar")], HISTORY, SameAccount.NO),
    "one row, which the new one has among others": ([HISTORY[1], *HISTORY[3:]], HISTORY[1:2], SameAccount.POSSIBLE),
    "one row, which the new one does not have": ([HISTORY[0], *HISTORY[2:]], HISTORY[1:2], SameAccount.NO),
    "a pending row posted with a tip": ([bought(5, "-23", "TRATTORIA LUIGI")], PENDING, SameAccount.BY_PENDING),
    "a pending row and something near it": ([bought(5, "-23", "Shoes")], PENDING, SameAccount.BY_PENDING),
    "a pending row and nothing near it": ([bought(12, "-23", "Shoes")], PENDING, SameAccount.NO),
    "a pending row called off": (HISTORY, [*HISTORY, *PENDING], SameAccount.EVIDENT),
    "nothing yet": ([], HISTORY, SameAccount.NO),
    "nothing yet, and a pending row that may go on in it": ([], [*HISTORY, *PENDING], SameAccount.BY_PENDING),
}


@pytest.mark.parametrize(("new", "missing", "verdict"), CASES.values(), ids=CASES)
def test_what_the_rows_of_two_accounts_say(new, missing, verdict):
    assert compare_accounts(new, missing) == verdict


TWELVE = [bought(n, f"-{n + 1}.10", f"Shop {n}") for n in range(12)]


@pytest.mark.parametrize(
    ("new", "other", "verdict"),
    [
        (TWELVE, TWELVE, SameAccount.EVIDENT),
        (list(reversed(TWELVE)), TWELVE, SameAccount.EVIDENT),
        ([replace(row, words=row.words.upper()) for row in TWELVE], TWELVE, SameAccount.EVIDENT),
        ([replace(row, words=f"Card {n}") for n, row in enumerate(TWELVE)], TWELVE, SameAccount.EVIDENT),
        ([replace(row, words="Card") for row in TWELVE[:7]], TWELVE[:7], SameAccount.NO),
        (TWELVE[:11], TWELVE, SameAccount.EVIDENT),
        (TWELVE[:10], TWELVE, SameAccount.NO),
        (TWELVE[:5], TWELVE[:5], SameAccount.EVIDENT),
        (TWELVE[:2], TWELVE[:2], SameAccount.EVIDENT),
        (TWELVE[:4], TWELVE[:3], SameAccount.NO),
        (TWELVE[:1], TWELVE[:1], SameAccount.NO),
        ([bought(n, "-2.80", "Bus") for n in range(9)],) * 2 + (SameAccount.NO,),
        ([replace(row, on=row.on.fromordinal(row.on.toordinal() + 1)) for row in TWELVE], TWELVE, SameAccount.NO),
        ([], [], SameAccount.NO),
    ],
    ids=[
        "equal",
        "another order",
        "capitals",
        "many in other words",
        "fewer in other words",
        "one more",
        "two more",
        "five",
        "two, and no others",
        "three of four",
        "one",
        "one fare",
        "a day later",
        "none",
    ],
)
def test_what_the_rows_of_two_accounts_listed_at_once_say(new, other, verdict):
    assert compare_listed_at_once(new, other) == verdict


@pytest.mark.parametrize(
    ("verdict", "is_listed", "other_anchor", "included", "decision"),
    [
        ("evident", False, False, True, "goes_on"),
        ("evident", False, False, False, "ask"),
        ("possible", False, False, True, "ask"),
        ("by_pending", False, False, True, "ask"),
        ("no", False, False, True, "is_new"),
        ("evident", False, True, True, "ask"),
        ("possible", False, True, True, "ask"),
        ("by_pending", False, True, True, "is_new"),
        ("no", False, True, True, "is_new"),
        ("evident", True, False, True, "ask"),
        ("evident", True, True, True, "ask"),
        ("possible", True, False, True, "is_new"),
        ("no", True, False, True, "is_new"),
    ],
)
def test_a_new_account_goes_on_only_where_the_bank_does_not_contradict(
    verdict, is_listed, other_anchor, included, decision
):
    facts = {"is_listed": is_listed, "other_anchor": other_anchor, "included": included}
    assert decide_new_account(SameAccount(verdict), **facts, same_name=False) == decision
    by_name = decide_new_account(SameAccount(verdict), **facts, same_name=True)
    asks = verdict == "no" and not is_listed and not other_anchor
    assert by_name == ("ask" if asks else decision)

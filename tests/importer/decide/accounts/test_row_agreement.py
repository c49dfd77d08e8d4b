"""How far the rows of two sources agree, and over which days."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.importer.decide.rows import day
from worker.importer.decide.accounts.row_agreement import RowAgreement, compare_rows
from worker.importer.decide.sources.rows import SourceRow

MERCHANTS = ("Bus", "Coffee Bar", "Trattoria Luigi", "Bookshop", "Pharmacy")


def history(first, last):
    """A row a day, each of an amount of its own."""
    return [
        SourceRow(on=day(n), amount=Decimal(f"-{n + 1}.10"), currency="EUR", words=MERCHANTS[n % len(MERCHANTS)])
        for n in range(first, last)
    ]


def without(rows, *places):
    return [row for place, row in enumerate(rows) if place not in places]


CASES = {
    "nothing to compare": ([], history(0, 3), {"rows": 0, "agreeing": 0, "gap_days": None, "share": 0.0}),
    "every row": (history(0, 20), history(0, 20), {"rows": 20, "agreeing": 20, "alike": 20, "amounts": 20}),
    "rows of the days of both alone": (history(0, 20), history(10, 30), {"rows": 10, "agreeing": 10, "short": False}),
    "a row that one side lacks": (history(0, 20), without(history(0, 20), 10), {"rows": 20, "agreeing": 19}),
    "a row that it lacks near the end of many days": (
        history(0, 20), without(history(0, 20), 1), {"rows": 19, "agreeing": 19},
    ),
    "a row that it lacks near the end of few days": (
        history(0, 10), without(history(0, 10), 1), {"rows": 10, "agreeing": 9},
    ),
    "a pending row that it lacks": (
        [replace(row, pending=place == 10) for place, row in enumerate(history(0, 20))],
        without(history(0, 20), 10),
        {"rows": 19, "agreeing": 19},
    ),
    "nine days in common, and one goes on": (history(0, 20), history(11, 40), {"short": False, "continues": False}),
    "eight days in common, and one goes on": (history(0, 20), history(12, 40), {"short": True, "continues": True}),
    "few days in common, within the other": (history(0, 20), history(13, 18), {"short": True, "continues": False}),
    "no day in common": (history(0, 5), history(15, 20), {"gap_days": 11, "rows": 0, "agreeing": 0}),
}  # fmt: skip


@pytest.mark.parametrize(("new", "known", "found"), CASES.values(), ids=CASES)
def test_rows_of_two_sources_are_counted_over_their_common_days(new, known, found):
    agreement = compare_rows(new, known)
    assert {name: getattr(agreement, name) for name in found} == found


@pytest.mark.parametrize(("new", "known", "found"), CASES.values(), ids=CASES)
def test_it_does_not_matter_which_of_them_is_new(new, known, found):
    del found
    assert compare_rows(new, known) == compare_rows(known, new)


def test_nothing_agrees_where_there_is_nothing():
    assert compare_rows([], []) == RowAgreement()

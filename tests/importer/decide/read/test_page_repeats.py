"""Rows that a page repeats from the end of the page before it."""

import pytest

from tests.importer.decide.rows import transaction
from worker.importer.decide.read.page_repeats import repeated_rows

A, B, C = (transaction(text=name, external_id=name) for name in "ABC")
REFERENCE = transaction(reference="E2E-1")
COFFEE, LUNCH = transaction(), transaction("-12", "Lunch")
BLANK = transaction(external_id=" ")
ZERO, OTHER_ZERO = (transaction(text=name, external_id="0") for name in "AB")

PAGES = {
    "the last row": ([A, B], [B, C], 1),
    "the last two rows": ([A, B], [A, B, C], 2),
    "the whole page": ([A, B], [A, B], 2),
    "a row with a reference": ([A, REFERENCE], [REFERENCE, B], 1),
    "a sequence of rows without ids": ([A, COFFEE, LUNCH], [COFFEE, LUNCH, B], 2),
    "nothing": ([A], [B], 0),
    "a row from the middle": ([A, B], [A, C], 0),
    "a row that comes later on the page": ([A, B], [C, B], 0),
    "twins without ids": ([A, COFFEE], [COFFEE, B], 0),
    "twins with blank ids": ([A, BLANK], [BLANK, B], 0),
    "twins with an id that another row has, too": ([OTHER_ZERO, ZERO], [ZERO, B], 0),
    "different rows of one id": ([A, OTHER_ZERO, ZERO], [OTHER_ZERO, ZERO, B], 2),
    "four equal rows": ([COFFEE, COFFEE], [COFFEE, COFFEE], 0),
    "a row that says something else now": ([A], [transaction(text="A", external_id="A", pending=True)], 0),
    "no page before": ([], [A], 0),
    "an empty page": ([A], [], 0),
}


@pytest.mark.parametrize(("previous", "page", "count"), PAGES.values(), ids=PAGES)
def test_what_a_page_repeats(previous, page, count):
    assert repeated_rows(previous, page) == count

"""CSV text is split into records; a stray quote costs its own row at most."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.connectors.file.table.csv_records import STRAY_QUOTE, TEXT_BEHIND_QUOTE, records

HEAD = "Date,Text,Amount\n"
ROWS = ["2026-01-01,Tea,-1.00\n", "2026-01-02,Tea,-2.00\n", "2026-01-03,Tea,-3.00\n"]

CASES = {
    "a quote that is never closed": (
        '2026-01-01,"Tea,-1.00\n2026-01-02,Tea,-2.00\n',
        [("2026-01-01", "Tea", "-1.00"), ("2026-01-02", "Tea", "-2.00")],
        [STRAY_QUOTE, None],
    ),
    "a quote that closes in a later row": (
        '2026-01-01,"Tea,-1.00\n2026-01-02,Tea,-2.00\n2026-01-03,Tea",-3.00\n',
        [("2026-01-01", "Tea", "-1.00"), ("2026-01-02", "Tea", "-2.00"), ("2026-01-03", 'Tea"', "-3.00")],
        [STRAY_QUOTE, None, None],
    ),
    "a cell of several lines": (
        '2026-01-01,"Rent\nflat 3, second floor",-1.00\n',
        [("2026-01-01", "Rent\nflat 3, second floor", "-1.00")],
        [None],
    ),
    "text behind a closing quote": (
        '2026-01-01,"Tea"x,-1.00\n',
        [("2026-01-01", "Teax", "-1.00")],
        [TEXT_BEHIND_QUOTE],
    ),
    "doubled quotes": ('2026-01-01,"The ""Corner""",-1.00\n', [("2026-01-01", 'The "Corner"', "-1.00")], [None]),
    "an inch": ('2026-01-01,5" pipe,-1.00\n', [("2026-01-01", '5" pipe', "-1.00")], [None]),
    "a quote at the end of the file": ('2026-01-01,Tea,"-1.00', [("2026-01-01", "Tea", "-1.00")], [STRAY_QUOTE]),
}


@pytest.mark.parametrize(("text", "cells", "damaged"), CASES.values(), ids=CASES)
def test_quotes_cost_no_row_but_their_own(text, cells, damaged):
    found = list(records((HEAD + text).splitlines(keepends=True), ","))[1:]
    assert [record.cells for record in found] == cells
    assert [record.damaged for record in found] == damaged


@given(st.integers(0, len("".join(ROWS)) - 1))
def test_a_quote_put_anywhere_leaves_every_line_in_a_record(at):
    text = "".join(ROWS)
    found = list(records((HEAD + text[:at] + '"' + text[at:]).splitlines(keepends=True), ","))
    assert [record.line for record in found] == [1, 2, 3, 4]


def test_a_cell_may_be_longer_than_the_csv_module_allows():
    [record] = records([f'a,"{"x" * 500_000}",b\n'], ",")
    assert [len(cell) for cell in record.cells] == [1, 500_000, 1]

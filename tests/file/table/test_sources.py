"""Spreadsheets are read as the tables on their sheets: cells as values, days by their type."""

from datetime import date
from decimal import Decimal

import pytest

from tests.file.reader import read
from tests.file.sheets import write_sheets
from worker.connectors.errors import InvalidDataError

HEAD = ["Date", "Description", "Amount", "Balance"]
ROWS = [
    [date(2026, 1, 5), "Bakery", -3.2, 96.8],
    [date(2026, 1, 6), "Fuel, station", -60.1, 36.7],
    [date(2026, 1, 7), "Salary", 1000, 1036.7],
]


def facts(found):
    return [(row.booking_on, row.amount, row.description) for row in found.rows]


EXPECTED = [
    (date(2026, 1, 5), Decimal("-3.20"), "Bakery"),
    (date(2026, 1, 6), Decimal("-60.10"), "Fuel, station"),
    (date(2026, 1, 7), Decimal("1000.00"), "Salary"),
]


def test_a_sheet_is_read_with_its_days_and_numbers(tmp_path):
    assert facts(read(write_sheets(tmp_path / "a.xlsx", {"Sheet1": [["Statement"], HEAD, *ROWS]}))) == EXPECTED


def test_days_that_lost_their_format_are_read_as_serial_numbers(tmp_path):
    rows = [[(row[0] - date(1899, 12, 30)).days, *row[1:]] for row in ROWS]
    assert facts(read(write_sheets(tmp_path / "a.xlsx", {"Sheet1": [HEAD, *rows]}))) == EXPECTED


def test_text_cells_are_read_as_in_a_csv_file(tmp_path):
    rows = [["Buchungstag", "Text", "Betrag"], ["05.01.2026", "Strom", "-1.234,50"], ["16.01.2026", "Gas", "-7,00"]]
    found = read(write_sheets(tmp_path / "a.xlsx", {"Ums\u00e4tze": rows}))
    assert found.amounts == [Decimal("-1234.50"), Decimal("-7.00")]


def test_every_sheet_with_bookings_is_read(tmp_path):
    sheets = {"January": [HEAD, *ROWS[:2]], "Notes": [["printed for Ada"]], "February": [HEAD, ROWS[0]]}
    assert len(read(write_sheets(tmp_path / "a.xlsx", sheets)).rows) == 3


def test_a_sheet_that_seems_to_hold_bookings_and_is_not_understood_refuses_the_file(tmp_path):
    sheets = {"January": [HEAD, *ROWS], "February": [["When", "What", "How much"], ["05.01.2026", "Tea", "-3,20"]]}
    with pytest.raises(InvalidDataError, match="sheet 'February': no column of dates and amounts"):
        read(write_sheets(tmp_path / "a.xlsx", sheets))


def test_a_damaged_workbook_is_refused(tmp_path):
    path = write_sheets(tmp_path / "a.xlsx", {"Sheet1": [HEAD, *ROWS]})
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InvalidDataError, match="damaged"):
        read(path)


def test_a_workbook_that_unpacks_to_far_more_than_a_sheet_is_refused(tmp_path):
    rows = [["x" * 30_000] for _ in range(300)]
    with pytest.raises(InvalidDataError, match="unpacks to far more"):
        read(write_sheets(tmp_path / "a.xlsx", {"Sheet1": rows}))

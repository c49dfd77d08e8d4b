"""Spreadsheets are read as the tables on their sheets: cells as values, days by their type."""

import zipfile
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from tests.file.reader import read
from tests.file.sheets import Styled, write_sheets
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
    found = read(write_sheets(tmp_path / "a.xlsx", sheets))
    assert len(found.rows) == 3
    assert any("sheet 'Notes' holds no table of bookings: it is not read" in warning for warning in found.warnings)


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


@pytest.mark.parametrize("name", ["statement.xls", "statement.csv"])
def test_an_old_excel_file_is_read_whatever_it_is_called(tmp_path, name):
    path = tmp_path / name
    path.write_bytes((Path(__file__).parents[1] / "samples" / "statement.xls").read_bytes())
    found = read(path)
    assert [(str(row.booking_on), row.amount, row.description) for row in found.rows] == [
        ("2026-01-15", Decimal("-3.20"), "Bäckerei"),
        ("2026-01-16", Decimal("1000.00"), "Gehalt"),
        ("2026-01-17", Decimal("-850.50"), "Miete"),
    ]
    assert found.accounts[0].balance.amount == Decimal("246.30")


@pytest.mark.parametrize("size", [20, 600, 2000])
def test_an_old_excel_file_that_was_cut_off_is_refused(tmp_path, size):
    path = tmp_path / "statement.xls"
    path.write_bytes((Path(__file__).parents[1] / "samples" / "statement.xls").read_bytes()[:size])
    with pytest.raises(InvalidDataError):
        read(path)


DAY = date(2026, 1, 5)


def test_a_currency_in_the_format_of_a_cell_is_that_of_its_row(tmp_path):
    rows = [["Date", "Text", "Amount"], [DAY, "A", Styled(-10.5, "USD")], [DAY, "B", Styled(5, "USD")]]
    found = read(write_sheets(tmp_path / "a.xlsx", {"Sheet1": rows}))
    assert [(row.amount, row.currency) for row in found.rows] == [(Decimal("-10.50"), "USD"), (Decimal("5.00"), "USD")]


@pytest.mark.parametrize(("cell", "said"), [(Styled(-10.5, "USD"), "the amount is in 'USD'"), (Styled(-0.1, "%"), "%")])
def test_a_format_that_contradicts_an_amount_rejects_its_row(tmp_path, cell, said):
    head = ["Date", "Text", "Amount", "Currency"]
    found = read(write_sheets(tmp_path / "a.xlsx", {"Sheet1": [head, [DAY, "A", cell, "EUR"], [DAY, "B", 5, "EUR"]]}))
    assert found.amounts == [Decimal("5.00")]
    assert said in found.rejected[0]


def test_hidden_rows_of_a_sheet_are_read_and_counted(tmp_path):
    path = write_sheets(tmp_path / "a.xlsx", {"Sheet1": [["Date", "Text", "Amount"], [date(2026, 1, 13), "A", -1.5]]})
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    parts[sheet] = parts[sheet].replace(b'<row r="2">', b'<row r="2" hidden="1">')
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    found = read(path)
    assert [str(row.amount) for row in found.rows] == ["-1.50"]
    assert "1 rows of the sheet are hidden: they are read like all others" in "; ".join(found.warnings)

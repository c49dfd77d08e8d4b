"""Reads the spreadsheet on standard input and writes JSON lines, as a program of its own.

A few kilobytes can ask for gigabytes: a sheet with one cell in its first and one in its last corner is held whole. Here
memory and time are limited, and a spreadsheet that asks for more ends this program, not the worker.

    sheet_program.py                 the names of the sheets, each with the number of its hidden rows, in one line
    sheet_program.py SHEET           the number of its first row, then each row as a list of cells: a text as it is, a
                                     number as a list of one text, with what its format writes behind it (`EUR`, `%`)

What is refused is one line `{"refused": SENTENCE, "line": NUMBER OR NULL}`.
"""

import contextlib
import json
import re
import resource
import sys
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from io import BytesIO
from typing import Any
from xml.etree.ElementTree import Element, ParseError
from zipfile import BadZipFile, ZipFile

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring, iterparse
from python_calamine import CalamineError, CalamineWorkbook

MAX_MEMORY_BYTES = 512 * 1024**2
MAX_CPU_S = 60
MAX_ROWS = 500_000
MAX_CELLS = 1000
_LEAST_DECIMALS = 2
_MOST_LETTERS = 3
"""Of a column's name: the last one is XFD."""

_MIDNIGHT = time()
_PERCENT = frozenset({9, 10})
_CURRENCY = re.compile(r"\[\$([^\]\-]{1,5})(?:-[0-9A-Fa-f]+)?\]|\"?([\u20ac\u00a3\u00a5\u20b9])\"?")
_HIDDEN_ROW = re.compile(rb'<(?:\w+:)?row\b[^<>]*\bhidden="(?:1|true)"')
_CHUNK_BYTES = 1024**2
_QUOTED = re.compile(r'"[^"]*"')

Cell = str | float | bool | int | time | date | datetime | timedelta


class RefusedSheetError(Exception):
    """The sheet is more than a statement."""


def main(arguments: list[str]) -> None:
    """Answer one question about the workbook."""
    _limit(resource.RLIMIT_AS, MAX_MEMORY_BYTES)
    _limit(resource.RLIMIT_CPU, MAX_CPU_S)
    _limit(resource.RLIMIT_CORE, 0)
    try:
        data = sys.stdin.buffer.read()
        workbook = CalamineWorkbook.from_filelike(BytesIO(data))
        for line in _rows(workbook, data, arguments[0]) if arguments else [_sheets(workbook, data)]:
            _write(line)
    except (BadZipFile, ParseError, DefusedXmlException) as error:
        _write({"refused": f"the spreadsheet is damaged ({type(error).__name__})", "line": None})
    except CalamineError as error:
        _write({"refused": f"the spreadsheet is damaged or locked ({type(error).__name__})", "line": None})
    except RefusedSheetError as error:
        sentence, line = error.args
        _write({"refused": sentence, "line": line})


def _sheets(workbook: CalamineWorkbook, data: bytes) -> list[tuple[str, int]]:
    return [(name, hidden_rows(data, name)) for name in workbook.sheet_names]


def hidden_rows(data: bytes, name: str) -> int:
    """Count the rows of an XLSX sheet that a filter or a person hides; they are read like all others."""
    if not data.startswith(b"PK"):
        return 0
    with ZipFile(BytesIO(data)) as parts:
        place = _sheet_part(parts, name)
        if place is None:
            return 0
        count, carried = 0, b""
        with parts.open(place) as content:
            while chunk := content.read(_CHUNK_BYTES):
                text = carried + chunk
                end = text.rfind(b"<")
                count += len(_HIDDEN_ROW.findall(text, 0, end))
                carried = text[end:]
        return count


def _rows(workbook: CalamineWorkbook, data: bytes, name: str) -> Iterator[Any]:
    sheet = workbook.get_sheet_by_name(name)
    first, left = sheet.start or (0, 0)
    formats = FormatsByRow(written_formats(data, name))
    yield first + 1
    for number, row in enumerate(sheet.iter_rows(), start=first + 1):
        if len(row) > MAX_CELLS:
            raise RefusedSheetError("has more than a thousand columns", number)
        if number - first > MAX_ROWS:
            raise RefusedSheetError(f"has more than {MAX_ROWS} rows", number)
        behind = formats.of_row(number)
        yield [cell_of(cell, behind.get(left + place, "")) for place, cell in enumerate(row)]


def cell_of(value: Cell, behind: str) -> str | list[str]:
    """Write a cell: days as ISO 8601, a number with a decimal point and what its format writes beside it."""
    match value:
        case bool():
            return "true" if value else "false"
        case float() | int():
            return [f"{_number(float(value))} {behind}".rstrip()]
        case datetime():
            return value.date().isoformat() if value.time() == _MIDNIGHT else value.isoformat(" ")
        case date() | time():
            return value.isoformat()
        case timedelta():
            return str(value)
        case _:
            return value.strip()


def _number(value: float) -> str:
    if value.is_integer() and abs(value) >= 10**9:
        return f"{value:.0f}"  # a number of an account or a payment
    written = f"{value:.10f}".rstrip("0")
    decimals = len(written.partition(".")[2])
    return f"{value:.2f}" if decimals < _LEAST_DECIMALS else written


class FormatsByRow:
    """What number formats write beside the numbers of a sheet, row by row."""

    def __init__(self, rows: Iterator[tuple[int, dict[int, str]]]) -> None:
        self._rows = rows
        self._next = next(rows, None)

    def of_row(self, number: int) -> dict[int, str]:
        """Return what stands behind the numbers of a row, by the place of the cell; rows are asked for in order."""
        while self._next is not None and self._next[0] < number:
            self._next = next(self._rows, None)
        return self._next[1] if self._next is not None and self._next[0] == number else {}


def written_formats(data: bytes, name: str) -> Iterator[tuple[int, dict[int, str]]]:
    """Yield the rows of an XLSX sheet that hold numbers with a currency or a percent sign in their format.

    The reader of the cells gives values only; nothing is read of other kinds of files, and of sheets without such
    formats.
    """
    if not data.startswith(b"PK"):
        return
    with ZipFile(BytesIO(data)) as parts:
        place = _sheet_part(parts, name)
        formats = _styles(parts) if place is not None else {}
        if place is None or not any(formats.values()):
            return
        with parts.open(place) as content:
            for _, row in iterparse(content):
                if _tag(row) == "row":
                    yield int(row.get("r", "0")), _formats_of(row, formats)
                    row.clear()


def _formats_of(row: Element, formats: dict[int, str]) -> dict[int, str]:
    found = {}
    for cell in row:
        letters = (cell.get("r") or "").rstrip("0123456789")
        behind = formats.get(int(cell.get("s") or 0), "")
        if 0 < len(letters) <= _MOST_LETTERS and behind:
            found[sum((ord(letter) - 64) * 26**power for power, letter in enumerate(reversed(letters))) - 1] = behind
    return found


def _sheet_part(parts: ZipFile, name: str) -> str | None:
    """Return the part of the archive that holds a sheet; None where the archive is no XLSX workbook."""
    try:
        sheets = fromstring(parts.read("xl/workbook.xml"))
        relations = fromstring(parts.read("xl/_rels/workbook.xml.rels"))
    except KeyError:
        return None
    ids = [
        value
        for sheet in sheets.iter()
        if _tag(sheet) == "sheet" and sheet.get("name") == name
        for key, value in sheet.items()
        if key.endswith("}id")
    ]
    targets = {one.get("Id"): one.get("Target", "") for one in relations}
    target = targets.get(ids[0], "") if ids else ""
    place = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
    return place if place in parts.namelist() else None


def _styles(parts: ZipFile) -> dict[int, str]:
    """Return what each style of cells writes beside a number."""
    try:
        styles = fromstring(parts.read("xl/styles.xml"))
    except KeyError:
        return {}
    codes = {int(one.get("numFmtId", "0")): one.get("formatCode", "") for one in styles.iter() if _tag(one) == "numFmt"}
    used = next((one for one in styles if _tag(one) == "cellXfs"), None)
    numbers = [int(one.get("numFmtId", "0")) for one in used] if used is not None else []
    return {at: "%" if number in _PERCENT else _beside(codes.get(number, "")) for at, number in enumerate(numbers)}


def _beside(code: str) -> str:
    """Return the currency or percent sign that a number format writes."""
    if found := _CURRENCY.search(code):
        return found[1] or found[2]
    return "%" if "%" in _QUOTED.sub("", code) else ""


def _tag(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _limit(what: int, most: int) -> None:
    """Lower a limit of this process; where the system knows no such limit, or a lower one holds, leave it."""
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(what, (most, most))


def _write(line: object) -> None:
    sys.stdout.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])

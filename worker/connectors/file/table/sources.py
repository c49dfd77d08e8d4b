"""Where the records of a table come from: the lines of a CSV file, or the rows of a sheet."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property
from io import BytesIO
from itertools import islice

from python_calamine import CalamineError, CalamineWorkbook

from worker.connectors.file.statement.encodings import text_lines
from worker.connectors.file.statement.events import StatementError
from worker.connectors.file.statement.files import Member, open_member
from worker.connectors.file.table.csv_records import Record, records

DELIMITERS = (",", ";", "\t", "|")
_HEAD_LINES = 200
_HEAD_RECORDS = 80
_MAX_CELLS = 1000
_LEAST_DECIMALS = 2
_MIDNIGHT = time()

Cell = str | float | bool | int | time | date | datetime | timedelta


class TableSource(ABC):
    """A table that can be read from its beginning as often as needed."""

    @property
    @abstractmethod
    def name(self) -> str | None:
        """Name of the table inside of its file; None where the file is one table."""

    @abstractmethod
    def heads(self) -> Mapping[str, list[Record]]:
        """Return the first records for each delimiter that may be meant."""

    @abstractmethod
    def all_records(self, delimiter: str) -> Iterator[Record]:
        """Yield every record."""


@dataclass(frozen=True)
class CsvSource(TableSource):
    """The lines of a CSV file."""

    member: Member
    encoding: str
    name = None

    def heads(self) -> Mapping[str, list[Record]]:
        """Return the first records for each delimiter; a first line `sep=;` names the only one."""
        with open_member(self.member) as stream:
            lines = list(islice(text_lines(stream, self.encoding), _HEAD_LINES))
        first = lines[0].lstrip("\ufeff").strip().strip('"') if lines else ""
        declared = first[4] if first.lower().startswith("sep=") and len(first) == 5 else None  # noqa: PLR2004 - sep=;
        return {
            delimiter: list(islice(records(lines, delimiter), _HEAD_RECORDS))[1 if declared else 0 :]
            for delimiter in ([declared] if declared else DELIMITERS)
        }

    def all_records(self, delimiter: str) -> Iterator[Record]:
        """Yield the records of the file; the line that names the delimiter is none."""
        with open_member(self.member) as stream:
            for record in records(text_lines(stream, self.encoding), delimiter):
                if record.line > 1 or not record.cells[0].lower().startswith("sep="):
                    yield record


@dataclass(frozen=True)
class SheetSource(TableSource):
    """One sheet of a spreadsheet: cells are taken as values, days by their type."""

    member: Member
    sheet: str

    @property
    def name(self) -> str | None:
        """Name of the sheet."""
        return self.sheet

    @cached_property
    def _workbook(self) -> CalamineWorkbook:
        return open_workbook(self.member)

    def heads(self) -> Mapping[str, list[Record]]:
        """Return the first records; cells are apart already, so there is nothing to choose."""
        return {",": list(islice(self.all_records(","), _HEAD_RECORDS))}

    def all_records(self, delimiter: str) -> Iterator[Record]:  # noqa: ARG002 - cells are apart already
        """Yield the rows of the sheet."""
        sheet = self._workbook.get_sheet_by_name(self.sheet)
        first = sheet.start[0] if sheet.start else 0
        for number, row in enumerate(sheet.iter_rows(), start=first + 1):
            if len(row) > _MAX_CELLS:
                raise StatementError("has more than a thousand columns", line=number)
            cells = tuple(map(_text, row))
            yield Record(number, cells)


def open_workbook(member: Member) -> CalamineWorkbook:
    """Open an XLSX, XLS or ODS file.

    Raises: StatementError when it is damaged or locked by a password.
    """
    try:
        if member.data is None and member.entry is None:
            return CalamineWorkbook.from_path(member.path)
        with open_member(member) as stream:
            return CalamineWorkbook.from_filelike(BytesIO(stream.read()))
    except CalamineError as error:
        raise StatementError(f"the spreadsheet is damaged or locked ({type(error).__name__})") from None


def _text(value: Cell) -> str:
    """Write a cell as a table holds it: days as ISO 8601, numbers with a decimal point."""
    match value:
        case bool():
            return "true" if value else "false"
        case float() | int():
            return _number(float(value))
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

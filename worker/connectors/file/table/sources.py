"""Opens the records of a table: the lines of a CSV file, or the rows of a sheet."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from worker.connectors.file.statement.amounts import Mark, decimal_evidence
from worker.connectors.file.statement.encodings import text_lines
from worker.connectors.file.statement.files import Member, open_member
from worker.connectors.file.table.column_questions import AMOUNT
from worker.connectors.file.table.csv_records import Record, records
from worker.connectors.file.table.sheets import sheet_rows

DELIMITERS = (",", ";", "\t", "|")
_HEAD_LINES = 200
_HEAD_RECORDS = 80


class TableSource(ABC):
    """A table that can be read from its beginning as often as needed.

    Attributes:
        hidden_rows: Number of its rows that a spreadsheet program does not show.
    """

    hidden_rows: int = 0

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
    hidden_rows: int = 0

    @property
    def name(self) -> str | None:
        """Name of the sheet."""
        return self.sheet

    @cached_property
    def _mark(self) -> Mark:
        """The decimal mark of amounts that are texts: numbers have none of their own, and are written with it."""
        rows = islice(sheet_rows(self.member, self.sheet), _HEAD_RECORDS)
        texts = [cell for _, cells in rows for cell in cells if isinstance(cell, str) and AMOUNT.fullmatch(cell)]
        return "," if {decimal_evidence(text) for text in texts} == {","} else "."

    def heads(self) -> Mapping[str, list[Record]]:
        """Return the first records; cells are apart already, so there is nothing to choose."""
        return {",": list(islice(self.all_records(","), _HEAD_RECORDS))}

    def all_records(self, delimiter: str) -> Iterator[Record]:  # noqa: ARG002 - cells are apart already
        """Yield the rows of the sheet."""
        for number, cells in sheet_rows(self.member, self.sheet):
            texts = (cell if isinstance(cell, str) else cell[0].replace(".", self._mark) for cell in cells)
            yield Record(number, tuple(texts))

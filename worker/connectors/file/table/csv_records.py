"""Splits CSV text into records and keeps the line number of each."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from worker.connectors.file.statement.events import StatementError

_MAX_LINES_OF_ONE = 100
_MAX_CELLS = 1000


@dataclass(frozen=True, slots=True)
class Record:
    """One row of cells, stripped. line: where it begins, counted from 1."""

    line: int
    cells: tuple[str, ...]

    @property
    def blank(self) -> bool:
        """Whether nothing is written in it."""
        return not any(self.cells)

    @property
    def raw(self) -> str:
        """The row as text, for the list of rejected rows."""
        return " | ".join(self.cells)


def records(lines: Iterable[str], delimiter: str) -> Iterator[Record]:
    """Yield the records of a CSV file; quoted cells may hold line ends.

    Raises: StatementError naming the line, for a quote that never closes and for cells of absurd size or number.
    """
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=delimiter != "\t")
    begins = 1
    try:
        for cells in reader:
            if reader.line_num - begins >= _MAX_LINES_OF_ONE:
                raise StatementError("a quote is opened here and not closed within 100 lines", line=begins)
            if len(cells) > _MAX_CELLS:
                raise StatementError("has more than a thousand columns", line=begins)
            yield Record(begins, tuple(cell.strip() for cell in cells))
            begins = reader.line_num + 1
    except csv.Error as error:
        raise StatementError(f"is no CSV ({error})", line=begins) from None

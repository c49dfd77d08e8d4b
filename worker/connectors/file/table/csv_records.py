"""Splits CSV text into records and keeps the line number of each."""

import csv
import io
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain

from worker.connectors.file.statement.encodings import MAX_LINE_CHARACTERS
from worker.connectors.file.statement.errors import StatementError

_MAX_LINES_OF_ONE = 100
_MAX_CELLS = 1000
_LEAST_CELLS = 3
_SHAPE = str.maketrans("0123456789", "9" * 10)
STRAY_QUOTE = "a quote is opened here and not closed"
TEXT_BEHIND_QUOTE = "text follows a closing quote"

csv.field_size_limit(2 * MAX_LINE_CHARACTERS)  # a line is bounded already; the module's own bound is far smaller


@dataclass(frozen=True, slots=True)
class Record:
    """One row of cells, stripped.

    Attributes:
        line: Line it begins on, counted from 1.
        damaged: What is wrong with its quotes; None for a sound record.
    """

    line: int
    cells: tuple[str, ...]
    damaged: str | None = None

    @property
    def blank(self) -> bool:
        """Whether nothing is written in it."""
        return not any(self.cells)

    def with_cell(self, at: int, text: str) -> "Record":
        """Return the record with another text in one cell."""
        return replace(self, cells=(*self.cells[:at], text, *self.cells[at + 1 :]))

    @property
    def raw(self) -> str:
        """The row as text, for the list of rejected rows."""
        return " | ".join(self.cells)


def records(lines: Iterable[str], delimiter: str) -> Iterator[Record]:
    """Yield the records of a CSV file; quoted cells may hold line ends.

    A quote that is never closed, or that closes only after lines that look like rows, ends with its own line.

    Raises: StatementError naming the line, for rows of absurdly many cells.
    """
    reader = _RecordReader(lines, delimiter)
    for record in reader:
        if len(record.cells) > _MAX_CELLS:
            raise StatementError("has more than a thousand columns", line=record.line)
        yield record


class _RecordReader:
    def __init__(self, lines: Iterable[str], delimiter: str) -> None:
        self._lines = iter(lines)
        self._waiting: deque[str] = deque()
        self._delimiter = delimiter
        self._spaces = delimiter != "\t"
        self._number = 0
        self._width = 0

    def __iter__(self) -> Iterator[Record]:
        for line in self._next_lines():
            self._number += 1
            if '"' not in line:
                yield self._plain(self._number, line)
            else:
                yield self._quoted(self._number, line)

    def _next_lines(self) -> Iterator[str]:
        """Yield the lines of the file, those that were put back first."""
        while True:
            if self._waiting:
                yield self._waiting.popleft()
            elif (line := next(self._lines, None)) is not None:
                yield line
            else:
                return

    def _plain(self, number: int, line: str) -> Record:
        cells = tuple(map(str.strip, line.rstrip("\r\n").split(self._delimiter)))
        self._width = len(cells)
        return Record(number, cells)

    def _quoted(self, begins: int, line: str) -> Record:
        """Read a record with quotes, over as many lines as its quotes span."""
        taken, cells, damaged = [line], *self._parse(line)
        while cells is None and len(taken) < _MAX_LINES_OF_ONE:
            more = self._waiting.popleft() if self._waiting else next(self._lines, None)
            if more is None:
                break
            taken.append(more)
            if '"' in more:
                cells, damaged = self._parse("".join(taken))
        if cells is None or any(self._like_row(one, line) for one in taken[1:]):
            self._waiting.extendleft(reversed(taken[1:]))
            literal = tuple(cell.strip().strip('"').strip() for cell in line.rstrip("\r\n").split(self._delimiter))
            return Record(begins, literal, STRAY_QUOTE)
        self._number += len(taken) - 1
        if damaged is None:
            self._width = len(cells)
        return Record(begins, cells, damaged)

    def _parse(self, text: str) -> tuple[tuple[str, ...] | None, str | None]:
        """Return the cells of a record, and what is wrong with it; no cells where a quote is still open."""
        try:
            cells = self._cells(text, strict=True)
        except csv.Error as error:
            if "unexpected end" in str(error):
                return None, None
            return self._cells(text, strict=False), TEXT_BEHIND_QUOTE
        return cells, None

    def _cells(self, text: str, *, strict: bool) -> tuple[str, ...]:
        reader = csv.reader(
            io.StringIO(text, newline=""),
            delimiter=self._delimiter,
            skipinitialspace=self._spaces,
            strict=strict,
        )
        return tuple(map(_bare, chain.from_iterable(reader)))

    def _like_row(self, line: str, opening: str) -> bool:
        """Whether a line inside of quotes begins as the line that opened them does, or is as wide as a row."""
        cells = line.rstrip("\r\n").split(self._delimiter)
        first = _shape(opening.split(self._delimiter, 1)[0])
        if "9" in first:
            return len(cells) > 1 and _shape(cells[0]) == first
        return len(cells) == self._width >= _LEAST_CELLS


def _bare(text: str) -> str:
    """Return a cell without spaces around it, and without the formula that keeps a number as text (`="0012"`)."""
    bare = text.strip()
    return bare[2:-1] if bare.startswith('="') and bare.endswith('"') and len(bare) > 2 else bare  # noqa: PLR2004


def _shape(text: str) -> str:
    """Return a text with every figure as 9, to compare how cells are built."""
    return text.strip().strip('"').translate(_SHAPE)

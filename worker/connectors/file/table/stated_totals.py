"""Compares the rows of a table with the balances, sums and numbers that its other lines state about them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from worker.connectors.base import Transaction
from worker.connectors.file.statement.amounts import Mark, readable_amount
from worker.connectors.file.statement.events import Remark
from worker.connectors.file.statement.reader import MAX_RAW_CHARACTERS
from worker.connectors.file.table.csv_records import Record
from worker.connectors.file.table.lines_outside_rows import BalanceEnd, stated_balance, stated_count
from worker.connectors.file.table.row_amount import cell

_TOTAL = re.compile(r"(?i)\W*+(?:grand |net |gesamt)?-?(?:totals?|sums?|summe|totale|totaal|suma|gesamt)\W*+")
_MAX_LINES = 100


@dataclass(slots=True)
class StatedTotals:
    """What the lines of a table say about its rows, and what the rows make.

    Attributes:
        money_at: Places of the columns of amounts.
        ends: The opening and the closing balance, where a line states one.
    """

    mark: Mark
    money_at: tuple[int, ...]
    ends: dict[BalanceEnd, Decimal] = field(default_factory=dict)
    _rows: int = 0
    _in: Decimal = Decimal(0)
    _out: Decimal = Decimal(0)
    _announced: tuple[Record, int] | None = None
    _found: list[Remark] = field(default_factory=list)

    def count(self, transaction: Transaction) -> None:
        """Count one row."""
        self._rows += 1
        if transaction.amount > 0:
            self._in += transaction.amount
        else:
            self._out += transaction.amount

    @staticmethod
    def is_total(text: str) -> bool:
        """Return whether a text is nothing but the word for a total."""
        return _TOTAL.fullmatch(text) is not None

    def is_sum(self, amount: Decimal) -> bool:
        """Return whether an amount is what several rows make together."""
        return self._rows > 1 and amount == self._in + self._out

    def read_above(self, record: Record) -> None:
        """Take note of what a line above the header states about the rows below it."""
        number = stated_count(record)
        if number is not None:
            self._announced = (record, number)
        elif (stated := stated_balance(record, self.mark)) is not None:
            self.ends[stated[0]] = stated[1]

    def read(self, record: Record) -> bool:
        """Take note of what a line between or below the rows states; return whether it states anything."""
        if (stated := stated_balance(record, self.mark)) is not None:
            end, amount = stated
            if end == "closing" or end not in self.ends:
                self.ends[end] = amount
            return True
        number = stated_count(record)
        difference = self._difference(record) if number is None else self._miscount(number)
        if difference is not None and len(self._found) < _MAX_LINES:
            self._found.append(_remark(record, difference))
        return number is not None

    def _miscount(self, number: int) -> str | None:
        return f"a line states {number} bookings, there are {self._rows}" if number != self._rows else None

    def _difference(self, record: Record) -> str | None:
        if not any(_TOTAL.fullmatch(text) for text in record.cells):
            return None
        made = {abs(self._in + self._out), self._in, abs(self._out)}
        for at in self.money_at:
            stated = readable_amount(cell(record, at), self.mark)
            if stated is not None and abs(stated) not in made:
                return f"a line states a total of {stated:f}, the rows above it make {self._in + self._out:f}"
        return None

    def remarks(self) -> Iterator[Remark]:
        """Yield where sums and numbers do not agree with the rows."""
        yield from self._found
        if self._announced is not None and (difference := self._miscount(self._announced[1])) is not None:
            yield _remark(self._announced[0], difference)


def _remark(record: Record, reason: str) -> Remark:
    return Remark(line=record.line, reason=reason, raw=record.raw[:MAX_RAW_CHARACTERS])

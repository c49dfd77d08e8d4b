"""Finds unread columns of amounts that say nothing new: the row's own amount once more, or the balance before it."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from decimal import Decimal

from worker.connectors.file.statement.amounts import Mark, parse_amount
from worker.connectors.file.table.csv_records import Record
from worker.connectors.file.table.layout import Layout
from worker.connectors.file.table.row_amount import cell, row_amount
from worker.connectors.file.table.signs import SignReading

_SHARE = 0.9
_LEAST = 2


@dataclass(slots=True)
class _Compared:
    """One column beside the amounts of the rows: whether it ever differs, and steps that lead from row to row."""

    differs: bool = False
    steps: int = 0
    oldest_first: int = 0
    newest_first: int = 0
    last: tuple[Decimal, Decimal] | None = None

    def see(self, held: Decimal, amount: Decimal) -> None:
        """Take the next row: what the column holds, and what the row moves."""
        self.differs = self.differs or (held != 0 and abs(held) != abs(amount))
        if self.last is not None:
            before, moved = self.last
            self.steps += 1
            self.oldest_first += before + moved == held
            self.newest_first += held + amount == before
        self.last = held, amount

    @property
    def says_nothing_new(self) -> bool:
        """Whether no row differs, or nearly every step is what a row moves."""
        return not self.differs or max(self.oldest_first, self.newest_first) >= max(_LEAST, self.steps * _SHARE)


def repeated_amounts(layout: Layout, rows: Iterable[Record], mark: Mark, names: Collection[str]) -> frozenset[str]:
    """Return which of some unread columns say nothing that the rows do not say without them.

    Args:
        names: Unread columns that hold amounts.
    """
    compared = {name: _Compared() for name in names}
    places = [(one, layout.column(name)) for name, one in compared.items()]
    for record in rows:
        try:
            amount = row_amount(layout, record, mark, SignReading())
        except ValueError:
            continue
        for one, at in places:
            try:
                one.see(parse_amount(text, mark) if (text := cell(record, at)) else Decimal(0), amount)
            except ValueError:
                one.differs, one.steps = True, one.steps + _LEAST
    return frozenset(name for name, one in compared.items() if one.says_nothing_new)

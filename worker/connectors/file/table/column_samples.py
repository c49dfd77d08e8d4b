"""The first rows of a table, column by column, as they are looked at before its layout is known. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from itertools import pairwise

from worker.connectors.file.statement.amounts import Mark, decide_decimal, decimal_evidence, parse_amount
from worker.connectors.file.statement.dates import ORDERS, fitting_orders, parse_day
from worker.connectors.file.table.csv_records import Record

_SHARE = 0.9
_LEAST_STEPS = 2


@dataclass(frozen=True)
class ColumnSample:
    """One column of the first rows.

    Attributes:
        texts: A cell for each row.
        mark: The decimal mark of the table, as far as its cells show one.
    """

    name: str
    texts: tuple[str, ...]
    mark: Mark

    @cached_property
    def filled(self) -> tuple[str, ...]:
        """The cells that hold something."""
        return tuple(text for text in self.texts if text)

    @property
    def is_full(self) -> bool:
        """Whether every row has a cell."""
        return len(self.filled) == len(self.texts) > 0

    @property
    def varies(self) -> bool:
        """Whether its cells differ."""
        return len(set(self.filled)) > 1

    @cached_property
    def holds_days(self) -> bool:
        """Whether each of its cells is a day."""
        return bool(self.filled) and all(map(fitting_orders, self.filled))

    @cached_property
    def amounts(self) -> tuple[Decimal, ...] | None:
        """Its amounts, nothing for an empty cell; None where a cell is none."""
        if not self.filled or self.holds_days:
            return None
        try:
            return tuple(parse_amount(text, self.mark) if text else Decimal(0) for text in self.texts)
        except ValueError:
            return None

    @cached_property
    def holds_decimals(self) -> bool:
        """Whether it holds amounts, and one of them with decimals: numbers without any may count or name things."""
        return self.amounts is not None and any(decimal_evidence(text) == self.mark for text in self.filled)

    @cached_property
    def is_in_order(self) -> bool:
        """Whether its days only rise, or only fall, from row to row, in an order of day and month that all fit."""
        return any(days == sorted(days) or days == sorted(days, reverse=True) for days in self._readings())

    def _readings(self) -> Iterator[list[date]]:
        for order in ORDERS:
            try:
                yield [parse_day(text, order) for text in self.filled]
            except ValueError:
                continue


def column_samples(header: Sequence[str], rows: Iterable[Record]) -> list[ColumnSample]:
    """Return the columns of the rows that hold a day anywhere: what other lines say is about other things."""
    dated = [row for row in rows if any(map(fitting_orders, row.cells))]
    texts = [tuple(row.cells[at] if at < len(row.cells) else "" for row in dated) for at in range(len(header))]
    mark = _mark(text for column in texts for text in column)
    return [ColumnSample(name, column, mark) for name, column in zip(header, texts, strict=True)]


def follows(balances: Sequence[Decimal], amounts: Sequence[Decimal]) -> bool:
    """Return whether balances follow from the amounts of their rows, the oldest or the newest row first.

    Of amounts without any sign the size of the steps is compared.
    """
    unsigned = min(amounts, default=Decimal(0)) >= 0
    rises = [after - before for before, after in pairwise(balances)]
    falls = [-rise for rise in rises]
    if unsigned:
        rises = falls = [abs(rise) for rise in rises]
    least = max(_LEAST_STEPS, len(rises) * _SHARE)
    moved = sum(map(bool, amounts)) >= _LEAST_STEPS
    return moved and max(_agreeing(rises, amounts[1:]), _agreeing(falls, amounts[:-1])) >= least


def leads_to(balances: Sequence[Decimal], amounts: Sequence[Decimal]) -> bool:
    """Return whether balances are those before the amounts of their rows."""
    return follows([balance + amount for balance, amount in zip(balances, amounts, strict=True)], amounts)


def _agreeing(steps: Sequence[Decimal], amounts: Sequence[Decimal]) -> int:
    return sum(step == amount for step, amount in zip(steps, amounts, strict=True))


def moved_by_sides(out: ColumnSample, into: ColumnSample) -> tuple[Decimal, ...] | None:
    """Return what each row moves, of columns of money out and in; None where one of them holds something else."""
    if out.amounts is None or into.amounts is None:
        return None
    return tuple(received - abs(paid) for paid, received in zip(out.amounts, into.amounts, strict=True))


def _mark(texts: Iterable[str]) -> Mark:
    try:
        return decide_decimal(decimal_evidence(text) for text in texts if not fitting_orders(text)) or "."
    except ValueError:
        return "."

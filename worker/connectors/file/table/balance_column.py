"""Reads the balance column of a table for what it proves: order of the rows, and which way amounts went."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import islice
from typing import NamedTuple

from worker.connectors.file.statement.amounts import Mark, parse_amount
from worker.connectors.file.table.conditions import Conditions
from worker.connectors.file.table.csv_records import Record
from worker.connectors.file.table.layout import Layout
from worker.connectors.file.table.row_amount import cell, row_amount
from worker.connectors.file.table.running_balance import (
    LineDirections,
    ReadingProof,
    RunningBalance,
    StepDirections,
    joint_proof,
    line_directions,
)
from worker.connectors.file.table.signs import SignReading

_CHAIN_ROWS = 5000
_MOST_UNSIGNED_ROWS = 200_000


class _Step(NamedTuple):
    """A row with a balance. skipped: sum of the booked rows of its account before it that have none."""

    account: tuple[str, ...]
    line: int
    amount: Decimal
    balance: Decimal
    skipped: Decimal


class BalanceColumn:
    """Lets the balance column testify about readings of the amounts, account by account."""

    def __init__(self, layout: Layout, rows: Callable[[], Iterator[Record]], mark: Mark) -> None:
        self._layout, self._rows, self._mark = layout, rows, mark
        self._days = layout.places(layout.profile.date, layout.profile.transaction_date)
        self._not_booked = (Conditions(layout, layout.profile.pending), Conditions(layout, layout.profile.skip))
        self._known: dict[SignReading, ReadingProof | None] = {}
        self.contradicts = False

    def proof(self, signs: SignReading) -> ReadingProof | None:
        """Return how well a reading agrees with the balances; None where they prove nothing."""
        if signs not in self._known:
            self._known[signs] = self._read(signs)
        return self._known[signs]

    def directions(self) -> LineDirections | None:
        """Return which way unsigned amounts went, where the steps of the balances show it for every row."""
        steps: dict[tuple[str, ...], StepDirections] = {}
        for step in self._steps(SignReading(), _MOST_UNSIGNED_ROWS + 1):
            steps.setdefault(step.account, StepDirections()).feed(step.line, step.amount, step.balance)
            if step.line > _MOST_UNSIGNED_ROWS:
                return None
        return line_directions(steps.values())

    def _read(self, signs: SignReading) -> ReadingProof | None:
        running: dict[tuple[str, ...], RunningBalance] = {}
        for step in self._steps(signs, _CHAIN_ROWS):
            running.setdefault(step.account, RunningBalance()).feed(step.amount, step.balance, step.skipped)
        self.contradicts = any(one.contradicts for one in running.values())
        return joint_proof(running.values())

    def _steps(self, signs: SignReading, most: int) -> Iterator[_Step]:
        """Yield the first rows that have an amount and a balance."""
        profile = self._layout.profile
        balance_at = self._layout.column(profile.balance)
        if balance_at is None:
            return
        keys = self._layout.places(profile.account, profile.currency_column)
        skipped: dict[tuple[str, ...], Decimal] = {}
        for record in islice(self._rows(), most):
            key, written = tuple(cell(record, at) for at in keys), cell(record, balance_at)
            try:
                amount = row_amount(self._layout, record, self._mark, signs)
                if not written:
                    skipped[key] = skipped.get(key, Decimal(0)) + (amount if self._is_booked(record) else 0)
                    continue
                balance = parse_amount(written, self._mark)
            except ValueError:
                continue
            yield _Step(key, record.line, amount, balance, skipped.pop(key, Decimal(0)))

    def _is_booked(self, record: Record) -> bool:
        """Return whether a row moved the balance: it has a day, and is neither pending nor left out."""
        dated = any(mark.isdigit() for at in self._days for mark in cell(record, at))
        return dated and not any(one.met_by(record) for one in self._not_booked)

"""Holds the rows of a delivery until it is complete: in memory while they are few, else in a temporary file.

Rows are returned in slices in order of days, so that a million rows are planned some thousands at a time. In the file
they lie by month, because banks deliver in any order and the oldest days are returned first.
"""

import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import IO

from worker.connectors.base import Transaction
from worker.importer.decide.read.days import rough_day
from worker.importer.fetch.packing import pack, unpack

SPILL_ROWS = 110_000
"""How many rows are held in memory: more than a light worker takes (`runs.dispatching.heavy`) and than a long history
usually has."""


class Staging:
    """The transactions of one delivery, by account. Close it to free the file."""

    def __init__(self, *, spill_rows: int = SPILL_ROWS) -> None:
        self._spill_rows = spill_rows
        self._held: dict[str, list[Transaction]] = defaultdict(list)
        self._held_rows = 0
        self._file: IO[bytes] | None = None
        self._spilled: dict[str, dict[int, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))
        self._spilled_rows: dict[str, int] = defaultdict(int)

    def add(self, transactions: Iterable[Transaction]) -> None:
        """Add the transactions of a page."""
        held = self._held
        for transaction in transactions:
            held[transaction.account_id].append(transaction)
        self._held_rows = sum(map(len, held.values()))
        if self._held_rows > self._spill_rows:
            self._spill()

    def in_memory(self) -> Mapping[str, list[Transaction]] | None:
        """Return all transactions by account, in the bank's order; None when they were spilled to the file."""
        return None if self._spilled else self._held

    def counts(self) -> Mapping[str, int]:
        """Return how many transactions there are, by account."""
        return {account_id: self.rows(account_id) for account_id in dict.fromkeys((*self._spilled, *self._held))}

    def transactions(self, account_id: str) -> Iterator[Transaction]:
        """Yield the transactions of an account."""
        for batch in self.slices(account_id, SPILL_ROWS):
            yield from batch

    def rows(self, account_id: str) -> int:
        """Return the number of an account's transactions."""
        return self._spilled_rows[account_id] + len(self._held.get(account_id, ()))

    def slices(self, account_id: str, slice_rows: int) -> Iterator[list[Transaction]]:
        """Yield the account's transactions in slices of whole days, oldest first, of about `slice_rows` rows.

        An account that was never spilled comes in the order in which the bank delivered it, as one slice if it fits.
        """
        spilled = self._spilled.get(account_id)
        held = self._held.get(account_id, [])
        if spilled is None:
            yield from [held] if len(held) <= slice_rows else _by_days(held, slice_rows)
            return
        for transaction in held:
            spilled.setdefault(_month(transaction), [])
        late = _grouped(held)
        batch: list[Transaction] = []
        for month in sorted(spilled):
            batch += [t for place in spilled[month] for t in self._load(*place)] + late.get(month, [])
            if len(batch) >= slice_rows:
                yield from _by_days(batch, slice_rows)
                batch = []
        if batch:
            yield batch

    def close(self) -> None:
        """Discard all transactions and free the file."""
        if self._file is not None:
            self._file.close()

    def _spill(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="finmind-staging-")  # noqa: SIM115 - closed in close()
        for account_id, held in self._held.items():
            self._spilled_rows[account_id] += len(held)
            for month, transactions in _grouped(held).items():
                offset = self._file.tell()
                self._spilled[account_id][month].append((offset, self._file.write(pack(transactions))))
        self._held.clear()
        self._held_rows = 0

    def _load(self, offset: int, size: int) -> list[Transaction]:
        assert self._file is not None
        self._file.seek(offset)
        return unpack(self._file.read(size))


def _grouped(transactions: Iterable[Transaction]) -> dict[int, list[Transaction]]:
    groups: dict[int, list[Transaction]] = defaultdict(list)
    for transaction in transactions:
        groups[_month(transaction)].append(transaction)
    return groups


def _by_days(transactions: list[Transaction], slice_rows: int) -> Iterator[list[Transaction]]:
    """Cut at day borders: rows of one day stay together, because equal ones are told apart by counting."""
    transactions = sorted(transactions, key=rough_day)
    start = 0
    while start < len(transactions):
        end = min(start + slice_rows, len(transactions))
        while end < len(transactions) and rough_day(transactions[end]) == rough_day(transactions[end - 1]):
            end += 1
        yield transactions[start:end]
        start = end


def _month(transaction: Transaction) -> int:
    """Return the number of months since year 0, which is faster to compute than a date."""
    day = rough_day(transaction)
    return day.year * 12 + day.month

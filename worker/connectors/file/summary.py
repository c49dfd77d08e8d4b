"""Summary of a statement file per account: rows, sums, period, balances, and whether they add up."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum

from worker.connectors.base import Window
from worker.connectors.file.overlap import join_windows
from worker.connectors.file.reused_ids import ReusedIds
from worker.connectors.file.statement.events import (
    BadRow,
    Closed,
    Event,
    Note,
    Opened,
    Row,
    Skipped,
    StatedBalance,
    StatementAccount,
    day_of,
)

_KEPT = 50


class StatementProof(StrEnum):
    """Whether opening balance plus booked rows is the closing balance."""

    PROVEN = "proven"
    MISMATCH = "mismatch"
    UNPROVEN = "unproven"


@dataclass(slots=True, kw_only=True)
class AccountSummary:
    """One account of one file. sum_in, sum_out: of booked rows; sum_out is negative or zero."""

    account: StatementAccount
    rows: int = 0
    pending: int = 0
    rejected: int = 0
    sum_in: Decimal = Decimal(0)
    sum_out: Decimal = Decimal(0)
    first_on: date | None = None
    last_on: date | None = None
    opening: StatedBalance | None = None
    closing: StatedBalance | None = None
    available: StatedBalance | None = None
    proof: StatementProof = StatementProof.UNPROVEN
    off_by: Decimal | None = None
    statements: int = 0
    periods: list[Window] = field(default_factory=list)
    ids_distrusted: str | None = None
    _running: Decimal = Decimal(0)
    _rejected_before: int = 0
    _outside: bool = False
    _span: tuple[date, date] | None = None

    def begin(self) -> None:
        """Start a statement of this account."""
        self.statements += 1
        self._running, self._rejected_before, self._span = Decimal(0), self.rejected, None

    def add(self, event: Row) -> None:
        """Count one row."""
        transaction, day = event.transaction, day_of(event.transaction)
        self.rows += 1
        self.pending += transaction.pending
        if day is not None:
            self.first_on = min(day, self.first_on or day)
            self.last_on = max(day, self.last_on or day)
            low, high = self._span or (day, day)
            self._span = (min(low, day), max(high, day))
        if not transaction.pending:
            self._running += transaction.amount
            self.sum_in += max(transaction.amount, Decimal(0))
            self.sum_out += min(transaction.amount, Decimal(0))

    def end(self, closed: Closed) -> None:
        """Close a statement: keep its balances, and its period when balances and rows prove that nothing is missing."""
        self.opening = self.opening or closed.opening
        if closed.closing and (self.closing is None or closed.closing.on >= self.closing.on):
            self.closing, self.available = closed.closing, closed.available or self.available
        proven, period = self._prove(closed), closed.period
        inside = self._span is None or (period is not None and self._span[0] in period and self._span[1] in period)
        if period is not None and proven and inside and self.rejected == self._rejected_before:
            self.periods = list(join_windows([*self.periods, period]))

    def _prove(self, closed: Closed) -> bool:
        if closed.opening is None or closed.closing is None or closed.opening.currency != closed.closing.currency:
            return False
        difference = closed.closing.amount - closed.opening.amount - self._running
        if difference:
            self.proof, self.off_by = StatementProof.MISMATCH, difference
        elif self.proof is not StatementProof.MISMATCH:
            self.proof = StatementProof.PROVEN
        return not difference


@dataclass(slots=True, kw_only=True)
class FileSummary:
    """One file. bad_rows, notes, skipped: the first fifty of each; the counts hold all."""

    accounts: dict[str, AccountSummary] = field(default_factory=dict)
    bad_rows: list[BadRow] = field(default_factory=list)
    bad_count: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    _guard: ReusedIds = field(default_factory=ReusedIds)

    def take(self, event: Event) -> None:
        """Count one event."""
        match event:
            case Row():
                self.accounts[event.transaction.account_id].add(event)
                self._guard.see(event.transaction)
            case BadRow():
                self._take_bad(event)
            case Opened():
                self.accounts.setdefault(event.account.key, AccountSummary(account=event.account)).begin()
            case Closed():
                self.accounts[event.account].end(event)
            case Skipped():
                self.skipped[event.reason] = self.skipped.get(event.reason, 0) + 1
            case Note() if len(self.notes) < _KEPT:
                self.notes.append(event.message)

    def _take_bad(self, event: BadRow) -> None:
        self.bad_count += 1
        if len(self.bad_rows) < _KEPT:
            self.bad_rows.append(event)
        for key, account in self.accounts.items():
            if event.account in {None, key}:
                account.rejected += 1

    def finish(self) -> None:
        """Judge what only the whole file can tell."""
        for key, account in self.accounts.items():
            account.ids_distrusted = self._guard.verdict(key)
            if account.proof is StatementProof.MISMATCH:
                account.periods = []


def summarise(events: Iterable[Event]) -> FileSummary:
    """Return the summary of a file's events."""
    result = FileSummary()
    for event in events:
        result.take(event)
    result.finish()
    return result

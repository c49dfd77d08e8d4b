"""Summary of a statement file per account: rows, sums, period, balances, and whether they add up."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum

from worker.connectors.base import Window
from worker.connectors.file.overlap import join_windows
from worker.connectors.file.reused_ids import UsedIds
from worker.connectors.file.statement.events import (
    Accounted,
    BadRow,
    Closed,
    Event,
    Note,
    Opened,
    Remark,
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Imbalance:
    """A statement whose balances and rows do not fit.

    Attributes:
        amount: Closing balance less opening balance less rows.
        on: Day of the closing balance.
        reason: The sentence for people.
    """

    amount: Decimal
    on: date
    reason: str


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
    imbalances: list[Imbalance] = field(default_factory=list)
    statements: int = 0
    periods: list[Window] = field(default_factory=list)
    ids: UsedIds = field(default_factory=UsedIds)
    _running: Decimal = Decimal(0)
    _rejected_before: int = 0
    _span: tuple[date, date] | None = None
    _ended_with: StatedBalance | None = None

    @property
    def off_by(self) -> Decimal | None:
        """The amount of the last imbalance; None where there is none."""
        return self.imbalances[-1].amount if self.imbalances else None

    def begin(self) -> None:
        """Start a statement of this account."""
        self.statements += 1
        self._running, self._rejected_before, self._span = Decimal(0), self.rejected, None

    def add(self, event: Row) -> None:
        """Count one row."""
        transaction, day = event.transaction, day_of(event.transaction)
        self.rows += 1
        self.pending += transaction.pending
        if self.account.has_ids:
            self.ids.see(transaction)
        if day is not None:
            self.first_on = min(day, self.first_on or day)
            self.last_on = max(day, self.last_on or day)
            low, high = self._span or (day, day)
            self._span = (min(low, day), max(high, day))
        if not transaction.pending:
            self._running += transaction.amount
            self.sum_in += max(transaction.amount, Decimal(0))
            self.sum_out += min(transaction.amount, Decimal(0))

    def end(self, closed: Closed) -> Remark | None:
        """Close a statement: keep its balances, and its period when balances and rows prove that nothing is missing.

        Returns: A remark where its opening balance is not the closing balance of the statement before it.
        """
        self.opening = self.opening or closed.opening
        if closed.closing and (self.closing is None or closed.closing.on >= self.closing.on):
            self.closing = closed.closing
        self.available = closed.available or self.available
        proven, period = self._prove(closed), closed.period
        inside = self._span is None or (period is not None and self._span[0] in period and self._span[1] in period)
        if period is not None and proven and inside and self.rejected == self._rejected_before:
            self.periods = list(join_windows([*self.periods, period]))
        before, self._ended_with = self._ended_with, closed.closing
        return _gap(before, closed.opening, closed.line)

    def _prove(self, closed: Closed) -> bool:
        if closed.opening is None or closed.closing is None or closed.opening.currency != closed.closing.currency:
            return False
        difference = closed.closing.amount - closed.opening.amount - self._running
        if difference:
            reason = (
                f"the statement that closes on {closed.closing.on} does not add up: opening balance"
                f" {closed.opening.amount:f} and rows of {self._running:f} miss the closing balance"
                f" {closed.closing.amount:f} by {difference:f}"
            )
            self.imbalances.append(Imbalance(amount=difference, on=closed.closing.on, reason=reason))
            self.proof = StatementProof.MISMATCH
        elif self.proof is not StatementProof.MISMATCH:
            self.proof = StatementProof.PROVEN
        return not difference


def _gap(before: StatedBalance | None, opening: StatedBalance | None, line: int) -> Remark | None:
    """Say where consecutive statements of an account do not follow one another."""
    if before is None or opening is None or before.currency != opening.currency or before.amount == opening.amount:
        return None
    if opening.on < before.on:
        return None  # the file is not in the order of time
    return Remark(
        line=line,
        reason=f"a statement may be missing: one closes with {before.amount:f} on {before.on},"
        f" the next opens with {opening.amount:f} on {opening.on}",
    )


@dataclass(slots=True, kw_only=True)
class FileSummary:
    """One file. bad_rows, notes, remarks: the first fifty of each; the counts hold all."""

    accounts: dict[str, AccountSummary] = field(default_factory=dict)
    bad_rows: list[BadRow] = field(default_factory=list)
    bad_count: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)
    remark_count: int = 0
    accounted: Accounted | None = None

    @property
    def id_count(self) -> int:
        """Ids that are held to judge them against those of other files."""
        return sum(len(account.ids.facts) for account in self.accounts.values())

    def take(self, event: Event) -> None:
        """Count one event."""
        match event:
            case Row():
                self.accounts[event.transaction.account_id].add(event)
            case BadRow():
                self._take_bad(event)
            case Opened():
                self.accounts.setdefault(event.account.key, AccountSummary(account=event.account)).begin()
            case Closed():
                gap = self.accounts[event.account].end(event)
                if gap is not None:
                    self.take(gap)
            case _:
                self._take_aside(event)

    def _take_aside(self, event: Skipped | Remark | Accounted | Note) -> None:
        match event:
            case Skipped():
                self.skipped[event.reason] = self.skipped.get(event.reason, 0) + 1
            case Remark():
                self.remark_count += 1
                self.remarks += [event] if len(self.remarks) < _KEPT else []
            case Accounted():
                self.accounted = event
            case Note():
                self.notes += [event.message] if len(self.notes) < _KEPT else []

    def _take_bad(self, event: BadRow) -> None:
        self.bad_count += 1
        if len(self.bad_rows) < _KEPT:
            self.bad_rows.append(event)
        for key, account in self.accounts.items():
            if event.account in {None, key}:
                account.rejected += 1

    def finish(self) -> None:
        """Judge what only the whole file can tell."""
        for account in self.accounts.values():
            if account.imbalances:
                account.periods = []
        if self.accounted is not None and self.accounted.unaccounted:
            pieces = f"{self.accounted.unaccounted} of {self.accounted.total} {self.accounted.unit}s"
            self.take(Remark(line=1, reason=f"{pieces} were not accounted for"))


def summarise(events: Iterable[Event]) -> FileSummary:
    """Return the summary of a file's events."""
    result = FileSummary()
    for event in events:
        result.take(event)
    result.finish()
    return result

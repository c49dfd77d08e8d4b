"""Sums up a statement file per account: rows, sums, period, balances, and whether they add up."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields, replace
from datetime import date, timedelta
from decimal import Decimal

from worker.connectors.base import Account, IdClass, Window
from worker.connectors.file.accounts_by_balances import DayBalances
from worker.connectors.file.day_order import DayOrder
from worker.connectors.file.repeated_statements import RepeatedStatement, StatementNumber, mark_repeated
from worker.connectors.file.reused_ids import IdDoubt, UsedIds
from worker.connectors.file.statement.accounting import Accounted
from worker.connectors.file.statement.events import (
    BadRow,
    Closed,
    Details,
    Event,
    Note,
    Opened,
    Remark,
    Row,
    Skipped,
    StatedBalance,
    Voided,
    day_of,
)
from worker.connectors.file.statement.joined_windows import join_windows
from worker.connectors.file.statement.notification_details import EntryReference
from worker.connectors.file.statement_proof import Imbalance, StatementProof, gap_between

_KEPT = 50
_MAX_ENTRIES = 10_000


@dataclass(slots=True, kw_only=True)
class AccountSummary:
    """One account of one file.

    Attributes:
        sum_in: Of booked rows.
        sum_out: Of booked rows, negative or zero.
        day_ends: The balances at the end of days, of statements that add up.
        day_balances: The balances behind the rows of each day, where a column of them proved itself.
    """

    account: Account
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
    day_ends: dict[date, Decimal] = field(default_factory=dict)
    day_balances: dict[date, DayBalances] = field(default_factory=dict)
    ids: UsedIds = field(default_factory=UsedIds)
    _before: "AccountSummary | None" = None
    _order: DayOrder = field(default_factory=DayOrder)
    _running: Decimal = Decimal(0)
    _rejected_before: int = 0
    _span: tuple[date, date] | None = None
    _ended_with: StatedBalance | None = None
    _distrusted_before: IdDoubt | None = None
    _foreign: Counter[str] = field(default_factory=Counter)

    @property
    def off_by(self) -> Decimal | None:
        """The amount of the last imbalance; None where there is none."""
        return self.imbalances[-1].amount if self.imbalances else None

    def begin(self) -> None:
        """Start a statement of this account."""
        self._before = replace(
            self,
            _before=None,
            imbalances=list(self.imbalances),
            periods=list(self.periods),
            day_balances=dict(self.day_balances),
        )
        self._distrusted_before = self.ids.distrusted
        self.statements += 1
        self._order = DayOrder()
        self._running, self._rejected_before, self._span = Decimal(0), self.rejected, None

    def add(self, event: Row) -> None:
        """Count one row."""
        transaction, day = event.transaction, day_of(event.transaction)
        self.rows += 1
        self.pending += transaction.pending
        if self.account.id_class is IdClass.STABLE:
            self.ids.see(transaction)
        if day is not None:
            self.first_on = min(day, self.first_on or day)
            self.last_on = max(day, self.last_on or day)
            self._order.see(event.line, day)
            if (balances := DayBalances.of(transaction)) is not None:
                known = self.day_balances.get(day)
                self.day_balances[day] = known.then(balances) if known is not None else balances
            low, high = self._span or (day, day)
            self._span = (min(low, day), max(high, day))
        if transaction.currency != self.account.currency and transaction.currency and self.account.currency:
            self._foreign[transaction.currency] += 1
        if not transaction.pending:
            self._running += transaction.amount
            if transaction.amount > 0:
                self.sum_in += transaction.amount
            else:
                self.sum_out += transaction.amount

    def forget_last(self) -> None:
        """Take back everything that the last statement brought: it stands twice in the file."""
        before = self._before
        if before is not None:
            for each in fields(before):
                setattr(self, each.name, getattr(before, each.name))
            self.ids.distrusted = self._distrusted_before

    def end(self, closed: Closed) -> Iterator[Remark]:
        """Close a statement: keep its balances, and its period when balances and rows prove that nothing is missing.

        Yields: What is odd about its days, and about its balances beside those of the statement before it.
        """
        self.opening = self.opening or closed.opening
        if closed.closing and (self.closing is None or closed.closing.on >= self.closing.on):
            self.closing = closed.closing
        self.available = closed.available or self.available
        proven, period = self._prove(closed), closed.period
        self._before = None
        inside = self._span is None or (period is not None and self._span[0] in period and self._span[1] in period)
        if period is not None and proven and inside and self.rejected == self._rejected_before:
            self.periods = list(join_windows([*self.periods, period]))
            self._keep_day_ends(closed, period)
        before, self._ended_with = self._ended_with, closed.closing
        if closed.opening and closed.closing and closed.opening.currency != closed.closing.currency:
            currencies = f"{closed.opening.currency} and {closed.closing.currency}"
            yield Remark(line=closed.line, reason=f"a statement opens and closes in two currencies, {currencies}")
        for code, number in self._foreign.items():
            reason = f"{number} rows are in {code}, the account in {self.account.currency}"
            yield Remark(line=closed.line, reason=reason)
        self._foreign = Counter()
        if (gap := gap_between(before, closed.opening, closed.line)) is not None:
            yield gap
        for odd in self._order.odd():
            yield Remark(line=odd.line, reason=f"day {odd.day} stands out of the order of all others")
        self._order = DayOrder()

    def _keep_day_ends(self, closed: Closed, period: Window) -> None:
        """Keep the balances before and after a statement that adds up."""
        known = {self.account.currency, None}
        if closed.opening is not None and closed.closing is not None and closed.closing.currency in known:
            self.day_ends[period.from_on - timedelta(days=1)] = closed.opening.amount
            self.day_ends[period.to_on] = closed.closing.amount

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


@dataclass(slots=True, kw_only=True)
class FileSummary:
    """One file. bad_rows, notes, remarks: the first fifty of each; the counts hold all.

    Attributes:
        open_entries: Entries of one line whose payments a notification may list.
        notified: Entries of a notification whose payments a statement books.
        repeated: Statements that stand in the file before; their rows are not counted.
    """

    accounts: dict[str, AccountSummary] = field(default_factory=dict)
    bad_rows: list[BadRow] = field(default_factory=list)
    bad_count: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)
    remark_count: int = 0
    accounted: Accounted | None = None
    open_entries: list[EntryReference] = field(default_factory=list)
    notified: list[EntryReference] = field(default_factory=list)
    repeated: set[StatementNumber] = field(default_factory=set)

    @property
    def id_count(self) -> int:
        """Ids that are held to judge them against those of other files."""
        return sum(len(account.ids.facts) for account in self.accounts.values())

    def take(self, event: Event | RepeatedStatement) -> None:
        """Count one event."""
        match event:
            case Row():
                self.accounts[event.transaction.account_id].add(event)
                if event.entry is not None:
                    self._keep_entry(self.open_entries, event.entry)
            case Details():
                self._keep_entry(self.notified, event.entry)
            case BadRow():
                self._take_bad(event)
            case Opened() | Closed() | RepeatedStatement():
                self._take_edge(event)
            case Voided():
                pass  # it was counted as skipped
            case _:
                self._take_aside(event)

    def _take_edge(self, event: Opened | Closed | RepeatedStatement) -> None:
        match event:
            case Opened():
                self.accounts.setdefault(event.account.external_id, AccountSummary(account=event.account)).begin()
            case Closed():
                for remark in self.accounts[event.account].end(event):
                    self.take(remark)
            case RepeatedStatement():
                self.repeated.add(event.statement)
                self.accounts[event.account].forget_last()
                self.take(Remark(line=event.line, reason="this statement stands in the file before, and is read once"))

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
                if event.message not in self.notes and len(self.notes) < _KEPT:
                    self.notes.append(event.message)

    def _keep_entry(self, kept: list[EntryReference], entry: EntryReference) -> None:
        if len(kept) < _MAX_ENTRIES:
            kept.append(entry)

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
        if _MAX_ENTRIES in {len(self.open_entries), len(self.notified)}:
            self.take(Remark(line=1, reason=f"details are joined to the first {_MAX_ENTRIES} entries of a file only"))
        if self.accounted is not None and self.accounted.unaccounted:
            pieces = f"{self.accounted.unaccounted} of {self.accounted.total} {self.accounted.unit}s"
            self.take(Remark(line=1, reason=f"{pieces} were not accounted for"))


def summarise(events: Iterable[Event]) -> FileSummary:
    """Return the summary of a file's events."""
    result = FileSummary()
    for event in mark_repeated(events):
        result.take(event)
    result.finish()
    return result

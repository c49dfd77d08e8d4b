"""Delivers the rows of an account from files that tell no day twice, within the requested days, in batches."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from worker.connectors.base import DatedBalance, Page, RejectedRow, RemovedTransaction, Transaction, Window
from worker.connectors.file.indexed_files import IndexedFile
from worker.connectors.file.reading import Format
from worker.connectors.file.reused_ids import IdDoubt
from worker.connectors.file.statement.accounting import Accounted
from worker.connectors.file.statement.events import BadRow, Event, Row, Voided, day_of
from worker.connectors.file.statement.joined_windows import join_windows


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDelivery:
    """What is handed over to the importer.

    Attributes:
        account_id: The account; None for all.
        window: The days; None for all.
        events_of: Gives the events of a file.
        distrusted: Accounts whose ids are no identities, with the reason.
        details: The payments of entries, by the id of the entry.
        reopened: Files that were delivered before; only entries whose payments are known now come from them.
    """

    account_id: str | None
    files: tuple[IndexedFile, ...]
    window: Window | None
    events_of: Callable[[IndexedFile], Iterable[Event]]
    distrusted: Mapping[str, IdDoubt] = field(default_factory=dict)
    details: Mapping[str, tuple[Transaction, ...]] = field(default_factory=dict)
    reopened: tuple[IndexedFile, ...] = ()

    def pages(self, size: int) -> Iterator[Page]:
        """Yield the rows, good, bad and void, in the order of the files, at most `size` on a page.

        Raises: StatementError when a file changed and broke since it was looked at.
        """
        good: list[Transaction] = []
        bad: list[RejectedRow] = []
        void: list[Transaction] = []
        for item in self._items():
            match item:
                case Transaction():
                    good.append(item)
                case Voided():
                    void.append(item.transaction)
                case _:
                    bad.append(item)
            if len(good) + len(bad) + len(void) >= size:
                yield Page(transactions=tuple(good), rejected=tuple(bad), voided=tuple(void))
                good, bad, void = [], [], []
        if good or bad or void:
            yield Page(transactions=tuple(good), rejected=tuple(bad), voided=tuple(void))

    def _items(self) -> Iterator[Transaction | Voided | RejectedRow]:
        for file in self.files:
            yield from self._file_items(file)
        for file in self.reopened:
            yield from self._detailed_items(file)

    def _file_items(self, file: IndexedFile) -> Iterator[Transaction | Voided | RejectedRow]:
        name = file.member.name
        reports_strays = self.account_id in {None, next(iter(file.summary.accounts), None)}
        for event in self.events_of(file):
            if isinstance(event, Row):
                yield from (self._identified(file, row) for row in self._payments(event) if self._wanted(row))
            elif isinstance(event, Voided):
                if self._wanted(event.transaction):
                    yield replace(event, transaction=self._identified(file, event.transaction))
            elif isinstance(event, BadRow) and (
                event.account == self.account_id or (reports_strays and not event.account)
            ):
                yield RejectedRow(
                    code="bad_row",
                    message=f"{name}, line {event.line}: {event.reason}",
                    raw=event.raw,
                    account_id=event.account or self.account_id,
                )

    def _detailed_items(self, file: IndexedFile) -> Iterator[Transaction]:
        for event in self.events_of(file):
            if isinstance(event, Row) and event.entry is not None and event.entry.id in self.details:
                yield from filter(self._wanted, self._payments(event))

    def _payments(self, event: Row) -> Iterator[Transaction]:
        """Yield what a row stands for: itself, or its payments where a notification lists them.

        Of an entry whose payments are not known it has the id of the entry: no identity, but what finds it again then.
        """
        known = self.details.get(event.entry.id, ()) if event.entry is not None else ()
        row = event.transaction
        for payment in known:
            booked = replace(payment, booking_on=row.booking_on, booking_at=row.booking_at, value_on=row.value_on)
            yield replace(booked, pending=row.pending)
        if not known:
            yield row if event.entry is None else replace(row, external_id=event.entry.id)

    def _wanted(self, transaction: Transaction) -> bool:
        if self.account_id is not None and transaction.account_id != self.account_id:
            return False
        day = day_of(transaction)
        return self.window is None or day is None or day in self.window

    def _identified(self, file: IndexedFile, transaction: Transaction) -> Transaction:
        """Let an id that may return for another payment name day and amount too, so that it can overwrite nothing."""
        account = file.summary.accounts[transaction.account_id].account
        may_return = file.understood.format is Format.OFX
        if transaction.external_id is None or not may_return or account.external_id in self.distrusted:
            return transaction
        facts = f"{transaction.external_id}/{day_of(transaction)}/{transaction.amount:f}"
        return replace(transaction, external_id=facts)

    def removed(self) -> tuple[RemovedTransaction, ...]:
        """Return the rows that their payments replace: an earlier delivery may have brought them in one line."""
        booked = (entry.id for file in (*self.files, *self.reopened) for entry in file.summary.open_entries)
        known = dict.fromkeys(entry for entry in booked if entry in self.details)
        return tuple(RemovedTransaction(external_id=entry, account_id=self.account_id) for entry in known)

    def balances(self) -> tuple[DatedBalance, ...]:
        """Return the balances before and after statements that add up."""
        return tuple(
            DatedBalance(account_id=key, on=on, amount=amount)
            for file in self.files
            for key, summary in file.summary.accounts.items()
            if self.account_id in {None, key}
            for on, amount in summary.day_ends.items()
        )

    def covers(self) -> Window | None:
        """Return the days that statements declare to hold completely, where they follow one another without a gap."""
        periods = [
            period
            for file in self.files
            for key, one in file.summary.accounts.items()
            if self._about(key)
            for period in one.periods
        ]
        joined = join_windows(periods)
        if len(joined) != 1:
            return None
        if self.window is None:
            return joined[0]
        start, end = max(joined[0].from_on, self.window.from_on), min(joined[0].to_on, self.window.to_on)
        return Window(from_on=start, to_on=end) if start <= end else None

    def _about(self, key: str) -> bool:
        return self.account_id in {None, key}

    def warnings(self) -> tuple[str, ...]:
        """Return what the reader of a run should know, a sentence each, without account numbers."""
        found: list[str] = []
        for file in self.files:
            name, counted = file.member.name, file.summary
            found += [f"{name}: {note}" for note in counted.notes]
            found += [f"{name}: {count} lines left out: {reason}" for reason, count in counted.skipped.items()]
            found += [f"{name}, line {remark.line}: {remark.reason}" for remark in counted.remarks]
            if counted.remark_count > len(counted.remarks):
                found.append(f"{name}: {counted.remark_count} remarks in all")
            if counted.accounted is not None:
                found.append(f"{name}: {_used(counted.accounted)}")
            if file.understood.table and file.understood.confidence < 1:
                profile = file.understood.table.layout.profile.name
                found.append(f"{name}: read with profile {profile}, confidence {file.understood.confidence:.2f}")
            for account in (one for key, one in counted.accounts.items() if self._about(key)):
                found += [f"{name}: {account.account.external_id}: {one.reason}" for one in account.imbalances]
        doubts = [(key, reason) for key, reason in self.distrusted.items() if self._about(key)]
        found += [f"ids of {key} are not used as identities: {reason}" for key, reason in doubts]
        return tuple(found)


def _used(accounted: Accounted) -> str:
    """Return a file's accounting as a sentence."""
    parts = ", ".join(f"{count} {part.value.replace('_', ' ')}" for part, count in accounted.parts.items() if count)
    return f"{accounted.total} {accounted.unit}s: {parts}"

"""Rows of an account from several files: without repetition, within the requested days, in batches."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from worker.connectors.base import RejectedRow, Transaction, Window
from worker.connectors.file.config import FileConfig
from worker.connectors.file.folder import IndexedFile
from worker.connectors.file.overlap import Overlap, join_windows, shared_windows
from worker.connectors.file.overrides import EventOverrides
from worker.connectors.file.reading import Choices, read
from worker.connectors.file.reused_ids import IdDoubt
from worker.connectors.file.statement.events import Accounted, BadRow, Row, day_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Some rows, good and bad, in the order of the files."""

    transactions: tuple[Transaction, ...]
    rejected: tuple[RejectedRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDelivery:
    """What is handed over to the importer.

    Attributes:
        account_id: The account; None for all.
        window: The days; None for all.
        distrusted: Accounts whose ids are no identities, with the reason.
    """

    account_id: str | None
    files: tuple[IndexedFile, ...]
    window: Window | None
    settings: FileConfig
    distrusted: Mapping[str, IdDoubt] = field(default_factory=dict)

    def batches(self, size: int) -> Iterator[Batch]:
        """Yield the rows in batches of at most `size`.

        Raises: StatementError when a file changed and broke since it was looked at.
        """
        good: list[Transaction] = []
        bad: list[RejectedRow] = []
        for item in self._items():
            if isinstance(item, Transaction):
                good.append(item)
            else:
                bad.append(item)
            if len(good) + len(bad) >= size:
                yield Batch(transactions=tuple(good), rejected=tuple(bad))
                good, bad = [], []
        if good or bad:
            yield Batch(transactions=tuple(good), rejected=tuple(bad))

    def _items(self) -> Iterator[Transaction | RejectedRow]:
        overlaps: dict[str, Overlap] = {}
        choices = self.settings.choices()
        for file in self.files:
            for overlap in overlaps.values():
                overlap.next_file()
            for item in self._file_items(file, choices):
                if isinstance(item, RejectedRow):
                    yield item
                    continue
                overlap = overlaps.setdefault(item.account_id, Overlap(shared=self._shared(item.account_id)))
                if overlap.is_new(item):
                    yield item

    def _shared(self, account: str) -> tuple[Window, ...]:
        """Return the days of an account that more than one file holds."""
        spans = [file.summary.accounts[account] for file in self.files if account in file.summary.accounts]
        return shared_windows(
            [Window(from_on=span.first_on, to_on=span.last_on) for span in spans if span.first_on and span.last_on]
        )

    def _file_items(self, file: IndexedFile, choices: Choices) -> Iterator[Transaction | RejectedRow]:
        name = file.understood.member.name
        reports_strays = self.account_id in {None, next(iter(file.summary.accounts), None)}
        for event in EventOverrides(self.settings).events(read(file.understood, choices)):
            if isinstance(event, Row) and self._wanted(event.transaction):
                yield self._identified(file, event.transaction)
            elif isinstance(event, BadRow) and (
                event.account == self.account_id or (reports_strays and not event.account)
            ):
                yield RejectedRow(
                    code="bad_row",
                    message=f"{name}, line {event.line}: {event.reason}",
                    raw=event.raw,
                    account_id=event.account or self.account_id,
                )

    def _wanted(self, transaction: Transaction) -> bool:
        if self.account_id is not None and transaction.account_id != self.account_id:
            return False
        day = day_of(transaction)
        return self.window is None or day is None or day in self.window

    def _identified(self, file: IndexedFile, transaction: Transaction) -> Transaction:
        """Let an id that may return for another payment name day and amount too, so that it can overwrite nothing."""
        account = file.summary.accounts[transaction.account_id].account
        if transaction.external_id is None or not account.ids_may_restart or account.key in self.distrusted:
            return transaction
        facts = f"{transaction.external_id}/{day_of(transaction)}/{transaction.amount:f}"
        return replace(transaction, external_id=facts)

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
            name, counted = file.understood.member.name, file.summary
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
                found += [f"{name}: {account.account.key}: {one.reason}" for one in account.imbalances]
        doubts = [(key, reason) for key, reason in self.distrusted.items() if self._about(key)]
        found += [f"ids of {key} are not used as identities: {reason}" for key, reason in doubts]
        return tuple(found)


def _used(accounted: Accounted) -> str:
    """Return a file's accounting as a sentence."""
    parts = ", ".join(f"{count} {part.value.replace('_', ' ')}" for part, count in accounted.parts.items() if count)
    return f"{accounted.total} {accounted.unit}s: {parts}"

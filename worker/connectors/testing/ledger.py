"""The expected accounts and entries of a bank, set up by the checks and served by a fake server."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from zoneinfo import ZoneInfo

from worker.money import MINOR_UNITS

_AFTERNOON = time(15)
"""An hour at which the kit's zone and UTC have the same day all year: only checks about days choose another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerAccount:
    """An account that really exists."""

    id: str
    name: str
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A transaction that really happened.

    Attributes:
        amount: Negative when money leaves the account. booked_at, booked_on: None while pending; the day is the bank's.
        replaces: Id of the pending entry this one posts.
    """

    id: str
    account_id: str
    amount: Decimal
    currency: str
    description: str
    counterparty: str
    made_at: datetime
    made_on: date
    booked_at: datetime | None
    booked_on: date | None
    replaces: str | None = None

    @property
    def pending(self) -> bool:
        """Whether the bank has not posted it yet."""
        return self.booked_at is None

    @property
    def on(self) -> date:
        """The day a window finds it by: of booking, or while pending the day it was made."""
        return self.booked_on or self.made_on


class ChangeKind(StrEnum):
    """What happened to an entry."""

    ADDED = "added"
    MODIFIED = "modified"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One step of the ledger's history, for providers with a cursor."""

    kind: ChangeKind
    entry: Entry


@dataclass(slots=True, kw_only=True)
class Ledger:
    """One user's accounts at the bank, on a day that the checks choose.

    Attributes:
        page_size: How many rows the server should put on a page, where its provider pages.
    """

    zone: ZoneInfo
    now: datetime
    accounts: tuple[LedgerAccount, ...]
    page_size: int = 1_000
    history: list[Change] = field(default_factory=list)
    _entries: list[Entry] = field(default_factory=list)
    _made: int = 0

    @property
    def today(self) -> date:
        """The day it is at the bank."""
        return self.now.astimezone(self.zone).date()

    def entries(
        self, account_id: str | None = None, from_on: date | None = None, to_on: date | None = None
    ) -> list[Entry]:
        """Return entries of days `from_on` to `to_on`, both included, in the bank's order of the moment."""
        return [
            entry
            for entry in self._entries
            if account_id in (None, entry.account_id)
            and (from_on is None or entry.on >= from_on)
            and (to_on is None or entry.on <= to_on)
        ]

    def balance(self, account_id: str) -> Decimal:
        """Return what the account holds by its posted entries."""
        return sum((entry.amount for entry in self.entries(account_id) if not entry.pending), Decimal(0))

    def changes(self, since: int) -> list[Change]:
        """Return what happened after the first `since` changes; `len(ledger.history)` is the newest cursor."""
        return self.history[since:]

    def midnight(self, day: date) -> datetime:
        """Return the moment a day begins at the bank (UTC)."""
        return datetime.combine(day, time(), self.zone).astimezone(UTC)

    def book(
        self,
        minor: int,
        day: date,
        *,
        account: int = 0,
        at: time = _AFTERNOON,
        text: str = "Corner Shop",
        nameless: bool = False,
    ) -> Entry:
        """Post a transaction of `minor` units of the account's currency at the local time `at` of `day`.

        Args:
            nameless: The bank has no id for it; `Entry.id` is empty.
        """
        moment = datetime.combine(day, at, self.zone).astimezone(UTC)
        entry = self._entry(minor, moment, account, text, booked_at=moment)
        return self._add(replace(entry, id="") if nameless else entry)

    def hold(self, minor: int, day: date, *, account: int = 0, text: str = "Corner Shop") -> Entry:
        """Reserve money for a purchase that is not posted yet."""
        moment = datetime.combine(day, _AFTERNOON, self.zone).astimezone(UTC)
        return self._add(self._entry(minor, moment, account, text, booked_at=None))

    def post(self, pending: Entry, day: date, *, amount: Decimal | None = None) -> Entry:
        """Post a pending entry on `day`, under a new id and perhaps another amount."""
        self.remove(pending)
        moment = datetime.combine(day, _AFTERNOON, self.zone).astimezone(UTC)
        posted = replace(
            pending,
            id=self._next_id(),
            amount=pending.amount if amount is None else amount,
            booked_at=moment,
            booked_on=day,
            replaces=pending.id,
        )
        return self._add(posted)

    def amend(self, entry: Entry, amount: Decimal) -> Entry:
        """Correct an amount; the id stays."""
        corrected = replace(entry, amount=amount)
        self._entries[self._entries.index(entry)] = corrected
        self.history.append(Change(kind=ChangeKind.MODIFIED, entry=corrected))
        return corrected

    def remove(self, entry: Entry) -> None:
        """Take an entry back, as banks do with a cancelled payment."""
        self._entries.remove(entry)
        self.history.append(Change(kind=ChangeKind.REMOVED, entry=entry))

    def reorder(self) -> None:
        """Turn the order of all entries round; a bank may list them in any."""
        self._entries.reverse()

    def _add(self, entry: Entry) -> Entry:
        self._entries.append(entry)
        self.history.append(Change(kind=ChangeKind.ADDED, entry=entry))
        return entry

    def _entry(self, minor: int, made_at: datetime, account: int, text: str, booked_at: datetime | None) -> Entry:
        holder = self.accounts[account % len(self.accounts)]
        day = made_at.astimezone(self.zone).date()
        return Entry(
            id=self._next_id(),
            account_id=holder.id,
            amount=Decimal(minor).scaleb(-MINOR_UNITS[holder.currency]),
            currency=holder.currency,
            description=f"Card payment {text}",
            counterparty=text,
            made_at=made_at,
            made_on=day,
            booked_at=booked_at,
            booked_on=day if booked_at else None,
        )

    def _next_id(self) -> str:
        self._made += 1
        return f"entry-{self._made:04}"


def days(from_on: date, count: int) -> Iterator[date]:
    """Yield `count` days in a row."""
    return (from_on + timedelta(days=offset) for offset in range(count))

"""Events that the readers of all formats yield while they read a file.

A statement is `Opened`, any number of `Row`, `BadRow` and `Skipped`, then `Closed`. `Remark` and `Note` may come
anywhere. The last event of a file is `Accounted`: how many pieces the file has, and what each of them was used as.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from worker.connectors.base import Account, BalanceKind, Transaction, Window
from worker.connectors.file.statement.accounting import Accounted
from worker.connectors.file.statement.notification_details import EntryReference


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedBalance:
    """A balance as printed: at the end of the day `on`, or at the moment `at` where the file gives one."""

    amount: Decimal
    on: date
    at: datetime | None = None
    currency: str | None = None
    kind: BalanceKind = BalanceKind.BOOKED


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedEvent:
    """An event about one place of a file. line: where it begins, counted from 1."""

    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened(PlacedEvent):
    """A statement begins. The same account may be opened several times in one file (one statement per day)."""

    account: Account


@dataclass(frozen=True, slots=True, kw_only=True)
class Row(PlacedEvent):
    """One booked or pending line. entry: for an entry of one line, whose payments a notification may list."""

    transaction: Transaction
    entry: EntryReference | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Details(PlacedEvent):
    """Payments that a notification lists for an entry of a statement; they are no rows of their own."""

    entry: EntryReference
    payments: tuple[Transaction, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow(PlacedEvent):
    """One line that cannot be read; the lines around it are good. account: id of its account, where it is known."""

    reason: str
    raw: str
    account: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped(PlacedEvent):
    """One line that is no transaction (a total, a repeated header, a declined payment), and why."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Voided(PlacedEvent):
    """A line that was skipped because it is void: how it was told before, if it was."""

    transaction: Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark(PlacedEvent):
    """Content that was not used, or is missing: what it is and its text."""

    reason: str
    raw: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """A statement ends.

    Attributes:
        period: The days it declares to hold every booked line of; believed only when it adds up.
        moments: Between which an intraday report tells entries.
        tells_new: Whether its rows are new ones although an earlier statement of the file may hold equal ones.
    """

    account: str
    opening: StatedBalance | None = None
    closing: StatedBalance | None = None
    available: StatedBalance | None = None
    period: Window | None = None
    moments: tuple[datetime, datetime] | None = None
    tells_new: bool = False
    line: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A decision about the whole file that a person should know (an encoding, an order of day and month)."""

    message: str


Event = Opened | Row | Details | BadRow | Skipped | Voided | Closed | Note | Remark | Accounted


def day_of(transaction: Transaction) -> date | None:
    """Return the day a line counts for: booked, else value, else transaction day; a moment counts as written."""
    moment = transaction.booking_at or transaction.transaction_at
    return (
        transaction.booking_on
        or transaction.value_on
        or transaction.transaction_on
        or (moment.date() if moment is not None else None)
    )

"""Events that the readers of all formats yield while they read a file.

A statement is `Opened`, any number of `Row`, `BadRow` and `Skipped`, then `Closed`. `Remark` and `Note` may come
anywhere. The last event of a file is `Accounted`: how many pieces the file has, and what each of them was used as.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from worker.connectors.base import AccountType, BalanceKind, Transaction, Window
from worker.connectors.errors import InvalidDataError


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """One thing that a file does not say and a person has to state.

    Attributes:
        field: Key of the config that settles it: `positive_is`, `date_order`, `decimal` or `columns`.
        text: The question.
        choices: What may be answered.
        column: The column asked about, for `columns`.
    """

    field: str
    text: str
    choices: tuple[str, ...]
    column: str | None = None


class StatementError(InvalidDataError):
    """The file as a whole cannot be read; nothing of it is used.

    Attributes:
        line: Counted from 1; None where there is none.
        reason: The sentence alone.
        file: Its name, once it is known.
        doubts: What a person may state so that the file can be read.
    """

    def __init__(
        self, reason: str, *, line: int | None = None, file: str | None = None, doubts: tuple[Doubt, ...] = ()
    ) -> None:
        place = ", ".join(part for part in (file, f"line {line}" if line else None) if part)
        super().__init__(f"{place}: {reason}" if place else reason)
        self.line = line
        self.reason = reason
        self.file = file
        self.doubts = doubts

    def of(self, file: str) -> "StatementError":
        """Return the same refusal with the file's name."""
        return StatementError(self.reason, line=self.line, file=file, doubts=self.doubts)


class StatementUnbalancedError(InvalidDataError):
    """The balances of a statement do not agree with its rows; the rows are imported, the account stays in doubt."""

    code = "statement_unbalanced"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementAccount:
    """The account a statement is about.

    Attributes:
        key: `account_id` of its transactions; holds no account number.
        has_ids: Whether its transactions carry ids of the bank.
        ids_may_restart: Whether an id may return for another transaction in another file, as FITIDs do.
    """

    key: str
    name: str
    anchor: str | None = None
    mask: str | None = None
    account_type: AccountType = AccountType.UNKNOWN
    currency: str | None = None
    institution_name: str | None = None
    has_ids: bool = False
    ids_may_restart: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedBalance:
    """A balance as printed: at the end of the day `on`, or at the moment `at` where the file gives one."""

    amount: Decimal
    on: date
    at: datetime | None = None
    currency: str | None = None
    kind: BalanceKind = BalanceKind.BOOKED


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A statement begins. The same account may be opened several times in one file (one statement per day)."""

    account: StatementAccount
    line: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One booked or pending line. line: where it begins in the file, counted from 1."""

    line: int
    transaction: Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """One line that cannot be read; the lines around it are good."""

    line: int
    reason: str
    raw: str
    account: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """One line that is no transaction (a total, a repeated header, a declined payment), and why."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """A statement ends. period: the days it declares to hold every booked line of; believed only when it adds up."""

    account: str
    opening: StatedBalance | None = None
    closing: StatedBalance | None = None
    available: StatedBalance | None = None
    period: Window | None = None
    line: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A decision about the whole file that a person should know (an encoding, an order of day and month)."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """Content that was not used, or is missing: what it is, where it stands and its text."""

    line: int
    reason: str
    raw: str = ""


class Part(StrEnum):
    """What a piece of a file (a line, a tag, a field, an element) was used as."""

    TRANSACTION = "transaction"
    REJECTED = "rejected"
    LEFT_OUT = "left_out"
    BALANCE = "balance"
    HEADER = "header"
    REMARK = "remark"


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounted:
    """The use of every piece of a file.

    Attributes:
        unit: What a piece is: `line`, `tag`, `field` or `element`.
        total: All pieces of the file, counted where they are split.
        parts: Pieces per use; together they are `total`.
    """

    unit: str
    total: int
    parts: Mapping[Part, int]

    @property
    def unaccounted(self) -> int:
        """Pieces that no reader used for anything: 0 unless a reader is wrong."""
        return self.total - sum(self.parts.values())


@dataclass(slots=True)
class PartCounter:
    """Counts the pieces of one file while it is read."""

    unit: str
    total: int = 0
    parts: Counter[Part] = field(default_factory=Counter)

    def use(self, part: Part, pieces: int = 1) -> None:
        """Count pieces as used."""
        self.parts[part] += pieces

    def event(self) -> Accounted:
        """Return the closing event of the file."""
        return Accounted(unit=self.unit, total=self.total, parts=dict(self.parts))


Event = Opened | Row | BadRow | Skipped | Closed | Note | Remark | Accounted


def day_of(transaction: Transaction) -> date | None:
    """Return the day a line counts for: booked, else value, else transaction day; a moment counts as written."""
    moment = transaction.booking_at or transaction.transaction_at
    return (
        transaction.booking_on
        or transaction.value_on
        or transaction.transaction_on
        or (moment.date() if moment is not None else None)
    )

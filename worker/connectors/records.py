"""Frozen dataclasses that connectors and the importer exchange. Import them from `worker.connectors.base`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from decimal import Decimal
from enum import StrEnum
from typing import Any

from worker.connectors.capabilities import IdClass
from worker.connectors.errors import ConnectorError


class AccountType(StrEnum):
    """What kind of account it is, as far as the provider says."""

    CHECKING = "checking"
    SAVINGS = "savings"
    CREDIT = "credit"
    LOAN = "loan"
    INVESTMENT = "investment"
    CASH = "cash"
    UNKNOWN = "unknown"


class TransactionKind(StrEnum):
    """What the provider itself says a transaction is; never guessed from words in the description.

    Attributes:
        TRADE: Securities bought or sold, which the account holder keeps: neither spending nor income.
    """

    PURCHASE = "purchase"
    REFUND = "refund"
    FEE = "fee"
    INTEREST = "interest"
    TRANSFER = "transfer"
    CARD_PAYMENT = "card_payment"
    CASH = "cash"
    INCOME = "income"
    TRADE = "trade"
    OTHER = "other"


class BalanceKind(StrEnum):
    """`booked` counts posted transactions only; `available` subtracts holds and adds credit."""

    BOOKED = "booked"
    AVAILABLE = "available"


class AuthState(StrEnum):
    """Whether the connection can be used now."""

    OK = "ok"
    NEEDS_USER = "needs_user"
    CHALLENGE = "challenge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A range of days, both edges included."""

    from_on: date
    to_on: date

    def __contains__(self, day: date) -> bool:
        return self.from_on <= day <= self.to_on


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What the bank says the account holds; negative = owed by the account holder. `at` is when it was so (UTC)."""

    amount: Decimal
    kind: BalanceKind
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One account under a connection.

    Attributes:
        external_id: The provider's id; it may change when the user links again.
        anchor: What does not change, as `kind:value` (`iban:…`, `hash:…`); None where the provider has no such thing.
        currency: ISO 4217 code as given; the importer decides about anything else.
        mask: Last digits for people to recognise it by, never the whole number.
        id_class: Overrides the connector's class for this institution.
    """

    external_id: str
    name: str
    account_type: AccountType = AccountType.UNKNOWN
    currency: str | None = None
    mask: str | None = None
    anchor: str | None = None
    institution_name: str | None = None
    balance: Balance | None = None
    id_class: IdClass | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """One line of a bank's statement, normalised.

    Attributes:
        amount: In major units of `currency`, negative when money leaves the account holder's account.
        booking_on, value_on, transaction_on: Days in the bank's own zone, as the bank states them.
        booking_at, transaction_at: Aware moments, for providers that give moments; the importer takes the day from them
            in the connection's zone. Never turn a moment into a day in the connector.
        pending_external_id: The provider's own link from a posted line to the pending one it replaces.
        counterparty_account: IBAN or the like of the other side.
        kind: What the provider says it is; None when it does not say.
        reference: End-to-end or mandate reference: evidence, never an identity.
        stated_amounts: What the bank states of the money besides, as decimal text by name: `original_amount`,
            `original_currency` and `exchange_rate` of a purchase abroad; `gross`, `fee` and `refund` of a payout; and
            `balance_after`, the account's balance after a posted line, which proves lines that are doubled or missing.
        raw: The provider's own record, kept for explanation (size-capped by the importer).
    """

    account_id: str
    amount: Decimal
    description: str
    currency: str | None = None
    external_id: str | None = None
    pending: bool = False
    booking_on: date | None = None
    value_on: date | None = None
    transaction_on: date | None = None
    booking_at: datetime | None = None
    transaction_at: datetime | None = None
    counterparty: str | None = None
    counterparty_account: str | None = None
    kind: TransactionKind | None = None
    pending_external_id: str | None = None
    reference: str | None = None
    stated_amounts: Mapping[str, str] | None = None
    raw: Mapping[str, Any] | None = None

    def day(self, zone: tzinfo) -> date | None:
        """Return the bank's day of the line: of the booking, else of the purchase. zone: the bank's."""
        booked_on = self.booking_on or (self.booking_at and self.booking_at.astimezone(zone).date())
        return booked_on or self.transaction_on or (self.transaction_at and self.transaction_at.astimezone(zone).date())


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovedTransaction:
    """The provider says explicitly that this transaction is gone. account_id None: the id is unique per connection."""

    external_id: str
    account_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedRow:
    """A row the connector could not read.

    Attributes:
        raw: The row as text, so that it can be replayed later.
    """

    code: str
    message: str
    raw: str
    account_id: str | None = None
    external_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatedBalance:
    """The booked balance at the end of a day in the bank's zone, as a statement or a balance history states it."""

    account_id: str
    on: date
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFailure:
    """One account that failed inside an answer that is good for the others."""

    account_id: str
    error: ConnectorError


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaReading:
    """What a response stated about an allowance.

    Attributes:
        resets_in_s: Seconds until it is renewed, at least 0; None when it is not stated.
    """

    endpoint: str
    limit: int | None = None
    remaining: int | None = None
    resets_in_s: int | None = None
    account_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One answer of a provider.

    Attributes:
        removed: Transactions that are gone; a page states no row that it removes, and what a later page states is back.
        voided: Transactions as they were told before, which are void now: declined, reverted or cancelled. A stored row
            of the same id or content is removed, unless the delivery tells it on. One that nobody told before is none.
        starts_over: Discards the previous pages of this delivery, which starts again with this page. For a
            connector that has to ask again, with other days or without its cursor, after it has yielded pages.
        covers: The days this delivery is complete for, once all its pages were read; None when it proves no absence.
        complete: False when the provider itself says that something is missing or was cut.
        next_cursor: Opaque, the connector's own; the cursor to store when this is the last page; where
            `cursor_resumes`, also when the delivery is cut after this page.
        ends_delivery: What follows is another delivery, because it tells the same days again: what came so far is
            imported first, and `refresh` goes on from `next_cursor`, also where days were asked for.
        session: Id of the session, for connectors whose ids are valid only within a session.
        accounts: Accounts and balances in the response; they update those of `list_accounts`.
    """

    transactions: tuple[Transaction, ...] = ()
    removed: tuple[RemovedTransaction, ...] = ()
    voided: tuple[Transaction, ...] = ()
    rejected: tuple[RejectedRow, ...] = ()
    failures: tuple[AccountFailure, ...] = ()
    accounts: tuple[Account, ...] = ()
    balances: tuple[DatedBalance, ...] = ()
    quota: tuple[QuotaReading, ...] = ()
    warnings: tuple[str, ...] = ()
    covers: Window | None = None
    complete: bool = True
    next_cursor: str | None = None
    session: str | None = None
    starts_over: bool = False
    ends_delivery: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncState:
    """Where a refresh starts. account_id None: all accounts. cursor None: from the beginning."""

    account_id: str | None
    cursor: str | None
    window: Window


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthStatus:
    """Whether the bank lets us in.

    Attributes:
        challenge: What to show the user when `state` is `challenge`.
    """

    state: AuthState = AuthState.OK
    reason: str | None = None
    challenge: Mapping[str, Any] | None = None
    expires_at: datetime | None = None

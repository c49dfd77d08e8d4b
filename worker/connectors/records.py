"""What passes between a connector and the importer: plain frozen data. Import it from `worker.connectors.base`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from worker.connectors.errors import ConnectorError


class IdClass(StrEnum):
    """How far a provider's transaction ids may be trusted.

    Attributes:
        STABLE: One id for one transaction, for ever.
        SESSION: Stable until the user links again.
        POSITIONAL: Derived from the place in a list.
        DELIVERY: Minted anew with every answer.
        NONE: There is no id.
    """

    STABLE = "stable"
    SESSION = "session"
    POSITIONAL = "positional"
    DELIVERY = "delivery"
    NONE = "none"


class Scope(StrEnum):
    """What one answer (or one cursor) of a provider covers."""

    ACCOUNT = "account"
    CONNECTION = "connection"


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
    """Whether the connection can be used as it is."""

    OK = "ok"
    NEEDS_USER = "needs_user"
    CHALLENGE = "challenge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """An allowance the provider grants: `calls` per rolling `window_s`, counted per `scope` and endpoint.

    Attributes:
        reserve: Calls of it that scheduled runs leave for a person who asks.
    """

    endpoint: str
    calls: int
    window_s: int
    scope: Scope = Scope.CONNECTION
    reserve: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """A short-term limit shared by all workers: at most `calls` per `per_s` seconds for one client of the provider."""

    calls: int
    per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a connector can do and what its provider promises.

    Attributes:
        history_days: How far back the provider goes; None = no stated limit.
        window_days: Longest window of one request, both edges included; None = any.
        fetch_scope: Whether one call answers for one account or for all of the connection.
        cursor_scope: Whom a cursor belongs to; None = the provider has no cursor, windows are used.
        windows_complete: A transaction missing from a covered window is gone at the bank.
        links_pending: The provider itself names the pending transaction a posted one replaces, so nothing is guessed.
        timezone: IANA zone in which the bank's days are counted.
    """

    id_class: IdClass
    history_days: int | None = None
    window_days: int | None = None
    fetch_scope: Scope = Scope.ACCOUNT
    cursor_scope: Scope | None = None
    pending: bool = False
    windows_complete: bool = False
    links_pending: bool = False
    balances: bool = False
    quotas: tuple[Quota, ...] = ()
    burst: Burst | None = None
    timezone: str = "UTC"


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
            `original_currency` and `exchange_rate` of a purchase abroad; `gross`, `fee` and `refund` of a payout.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovedTransaction:
    """The provider says explicitly that this transaction is gone. account_id None: the id is unique per connection."""

    external_id: str
    account_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedRow:
    """A row the connector could not read. raw: the row as text, so that it can be replayed later."""

    code: str
    message: str
    raw: str
    account_id: str | None = None
    external_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFailure:
    """One account that failed inside an answer that is good for the others."""

    account_id: str
    error: ConnectorError


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaReading:
    """What a response said about an allowance. resets_in_s: seconds, clamped to zero or more; None = not said."""

    endpoint: str
    limit: int | None = None
    remaining: int | None = None
    resets_in_s: int | None = None
    account_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One answer of a provider.

    Attributes:
        starts_over: Discards the pages of this delivery before this one; it begins anew with this page. For a
            connector that has to ask again, with other days or without its cursor, after it has yielded pages.
        covers: The days this delivery is complete for, once all its pages were read; None when it proves no absence.
        complete: False when the provider itself says that something is missing or was cut.
        next_cursor: Opaque, the connector's own; the cursor to store when this is the last page.
        session: Names the id space for connectors whose ids live only as long as a session.
        accounts: Accounts and balances that came along; they refresh what `list_accounts` said.
    """

    transactions: tuple[Transaction, ...] = ()
    removed: tuple[RemovedTransaction, ...] = ()
    rejected: tuple[RejectedRow, ...] = ()
    failures: tuple[AccountFailure, ...] = ()
    accounts: tuple[Account, ...] = ()
    quota: tuple[QuotaReading, ...] = ()
    warnings: tuple[str, ...] = ()
    covers: Window | None = None
    complete: bool = True
    next_cursor: str | None = None
    session: str | None = None
    starts_over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncState:
    """Where a refresh starts. account_id None: all accounts. cursor None: from the beginning."""

    account_id: str | None
    cursor: str | None
    window: Window


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthStatus:
    """Whether the bank lets us in. challenge: what to show the user when `state` is `challenge`."""

    state: AuthState = AuthState.OK
    reason: str | None = None
    challenge: Mapping[str, Any] | None = None
    expires_at: datetime | None = None

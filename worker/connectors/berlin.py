"""The shared reader of Berlin Group (PSD2) records: aggregators differ in field names and signs, not in what they mean.

A connector copies a provider's record into an `ApiEntry`, field by field; everything that needs judgement is here.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from worker.connectors.base import AccountType, Balance, BalanceKind, Transaction, TransactionKind
from worker.connectors.errors import InvalidDataError

MAX_ANCHOR = 100
TIMEZONE = "Europe/Berlin"
"""Where the days of PSD2 banks are counted, unless the connection says otherwise."""

_ZONE = ZoneInfo(TIMEZONE)
_AMOUNT = re.compile(r"[+-]?\d+(\.\d+)?")
_POSITIONAL = re.compile(r"\d{4}-?\d{2}-?\d{2}[.\-_/]\d{1,4}")
_NOTHING = frozenset({"", "notprovided", "not provided", "null", "none", "n/a", "-"})

_ACCOUNT_TYPES = {
    "CACC": AccountType.CHECKING,
    "TRAN": AccountType.CHECKING,
    "SVGS": AccountType.SAVINGS,
    "CARD": AccountType.CREDIT,
    "LOAN": AccountType.LOAN,
    "CASH": AccountType.CASH,
}
# What moves money inside the bank's own world, by ISO 20022 family and sub-family; anything else is left unsaid.
_KINDS = (
    (re.compile(r"\bCWDL\b"), TransactionKind.CASH),
    (re.compile(r"\bCCRD\b.*\bRIMB\b"), TransactionKind.REFUND),
    (re.compile(r"\bCCRD\b.*\b(POSD|POSP|POSC|XBCP)\b"), TransactionKind.PURCHASE),
    (re.compile(r"\bINTR\b"), TransactionKind.INTEREST),
    (re.compile(r"\b(CHRG|FEES|COMM)\b"), TransactionKind.FEE),
    (re.compile(r"\bSALA\b"), TransactionKind.INCOME),
    (re.compile(r"\b(ICDT|RCDT)\b.*\bBOOK\b"), TransactionKind.TRANSFER),
)
# In order of preference: what is booked up to now is compared with the rows of now, yesterday's close is not.
_BOOKED = ("ITBD", "INTERIMBOOKED", "CLBD", "CLOSINGBOOKED", "PRCD", "PREVIOUSLYCLOSEDBOOKED", "OPBD", "OPENINGBOOKED")
_AVAILABLE = ("ITAV", "INTERIMAVAILABLE", "CLAV", "CLOSINGAVAILABLE", "XPCD", "EXPECTED", "FWAV", "FORWARDAVAILABLE")

# A spent daily allowance in the words of the banks; most of them do not say "daily". docs/providers.md lists them.
_ALLOWANCE_SPENT = re.compile(
    r"HUB046|CLO03941|ACCESS_EXCEEDED"
    r"|allowed number of accesses"
    r"|access(es)?\s+(has\s+been\s+|have\s+been\s+)?exceeded"
    r"|consented\s+multiplicity"
    r"|daily\s+(request|access|consent|call)?\s*(limit|allowance|quota)"
    r"|(limit|maximum)\b.{0,60}\b(per|a)\s+day"
    r"|n[úu]mero\s+m[áa]ximo\s+de\s+(accesos|consultas|peticiones)"
    r"|nombre\s+m[àa]xim\s+d.\s*(accessos|consultes|peticions)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """One side of a payment. account: IBAN or whatever number the bank gives."""

    name: str | None = None
    account: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiEntry:
    """One Berlin Group entry, in neutral names and still in the bank's own text.

    direction: `CRDT` or `DBIT` decide the sign whatever the amount's own sign; None = the amount is signed.
    booking, value, transaction: a day or a moment as text. code: the bank transaction code, all parts joined by `-`.
    """

    amount: str
    currency: str | None
    pending: bool
    direction: str | None = None
    external_id: str | None = None
    booking: str | None = None
    value: str | None = None
    transaction: str | None = None
    creditor: Party = Party()
    debtor: Party = Party()
    remittance: tuple[object, ...] = ()
    details: tuple[str | None, ...] = ()
    code: str = ""
    references: tuple[str | None, ...] = ()


def read_entry(entry: ApiEntry, account_id: str, raw: Mapping[str, Any]) -> Transaction:
    """Turn an entry into a transaction: negative when money leaves the account.

    Raises: InvalidDataError naming the field that cannot be read.
    """
    amount = signed_amount(entry.amount, entry.direction)
    other = entry.creditor if amount < 0 else entry.debtor
    booking, transaction = read_day(entry.booking, "booking date"), read_day(entry.transaction, "transaction date")
    value = read_day(entry.value, "value date")
    return Transaction(
        account_id=account_id,
        amount=amount,
        currency=said(entry.currency),
        description=describe(entry, other),
        external_id=said(entry.external_id),
        pending=entry.pending,
        booking_on=booking.on,
        booking_at=booking.at,
        transaction_on=transaction.on,
        transaction_at=transaction.at,
        value_on=value.on,
        counterparty=said(other.name),
        counterparty_account=said(other.account),
        kind=kind_of(entry.code),
        reference=next(filter(None, map(said, entry.references)), None),
        raw=raw,
    )


@dataclass(frozen=True, slots=True)
class Stated:
    """A day as the bank states it, or an aware moment; never both, and a moment is not turned into a day here."""

    on: date | None = None
    at: datetime | None = None


def read_day(text: str | None, field: str) -> Stated:
    """Read a day, a moment with its offset, or a moment without one (then its date is the bank's own day)."""
    text = said(text)
    if text is None:
        return Stated()
    try:
        if len(text) == len("2026-01-31"):
            return Stated(date.fromisoformat(text))
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidDataError(f"{field} is not a date") from error
    return Stated(moment.date()) if moment.tzinfo is None else Stated(None, moment.astimezone(UTC))


def signed_amount(text: object, direction: str | None = None) -> Decimal:
    """Read an amount; `direction` overrules its own sign. Raises: InvalidDataError."""
    if not isinstance(text, str) or not _AMOUNT.fullmatch(text.strip()):
        raise InvalidDataError("amount is not a decimal number")
    try:
        amount = Decimal(text.strip())
    except InvalidOperation as error:
        raise InvalidDataError("amount is not a decimal number") from error
    match direction:
        case None:
            return amount
        case "CRDT":
            return abs(amount)
        case "DBIT":
            return -abs(amount)
        case _:
            raise InvalidDataError("credit_debit_indicator is neither CRDT nor DBIT")


def said(text: object) -> str | None:
    """Return the text, or None for the words banks use for nothing."""
    if not isinstance(text, str) or text.strip().casefold() in _NOTHING:
        return None
    return text.strip()


def describe(entry: ApiEntry, other: Party) -> str:
    """Say what the entry is for: the payer's words, else the bank's, else the other side, else its code."""
    for words in (entry.remittance, entry.details, (other.name,), (entry.code,)):
        text = " ".join(dict.fromkeys(filter(None, map(said, words))))
        if text:
            return text
    return ""


def kind_of(code: str) -> TransactionKind | None:
    """Return what the bank itself calls the entry, where its code is an ISO 20022 one."""
    return next((kind for pattern, kind in _KINDS if pattern.search(code.upper().replace("-", " "))), None)


def is_positional(external_id: str | None) -> bool:
    """Say whether an id is a place in a day's list (`2026-08-01.0`), which names another row tomorrow."""
    return external_id is not None and _POSITIONAL.fullmatch(external_id.strip()) is not None


def account_type(code: str | None) -> AccountType:
    """Return the kind of account for an ISO 20022 cash account type."""
    return _ACCOUNT_TYPES.get((code or "").upper(), AccountType.UNKNOWN)


def mask_of(number: str | None) -> str | None:
    """Return the last four characters of an account number, for people to recognise it by."""
    compact = re.sub(r"[^0-9A-Za-z]", "", number or "")
    return compact[-4:] if len(compact) > len("1234") else None


def anchor(kind: str, value: str | None) -> str | None:
    """Return `kind:value`, hashed where it would not fit its column; None without a value."""
    value = said(value)
    if value is None:
        return None
    compact = value.replace(" ", "").upper() if kind == "iban" else value
    full = f"{kind}:{compact}"
    return full if len(full) <= MAX_ANCHOR else f"{kind}:{hashlib.sha256(compact.encode()).hexdigest()}"


def allowance_spent(*texts: str | None) -> bool:
    """Say whether a bank's words mean that today's allowance is used up."""
    return any(_ALLOWANCE_SPENT.search(text) for text in texts if text)


def rest_of_day_s(now: datetime) -> float:
    """Return how long a spent daily allowance stays spent where nobody says: until midnight in central Europe."""
    local = now.astimezone(_ZONE)
    midnight = datetime.combine(local.date() + timedelta(days=1), time.min, _ZONE)
    return (midnight - now).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiBalance:
    """One balance of a bank's list, still in its own text."""

    amount: str
    currency: str | None
    balance_type: str
    changed: str | None = None
    reference_on: str | None = None


def pick_balance(
    balances: Iterable[ApiBalance], currency: str | None, now: datetime, zone: tzinfo = UTC
) -> Balance | None:
    """Choose the balance that tells most: booked before available, in the account's currency; unreadable ones are left.

    now: when the list was read, for balances without a time of their own. zone: of the bank's days.
    """
    ours = [one for one in balances if currency in (None, one.currency)]
    for kind, names in ((BalanceKind.BOOKED, _BOOKED), (BalanceKind.AVAILABLE, _AVAILABLE)):
        for name in names:
            for one in ours:
                if one.balance_type.upper() == name and _AMOUNT.fullmatch(one.amount.strip()):
                    return Balance(amount=Decimal(one.amount.strip()), kind=kind, at=_balance_at(one, now, zone))
    return None


def _balance_at(balance: ApiBalance, now: datetime, zone: tzinfo) -> datetime:
    """Return when a balance was so: its own moment, the end of its day, else now; never in the future."""
    for text in (balance.changed, balance.reference_on):
        try:
            stated = read_day(text, "balance date")
        except InvalidDataError:
            continue
        if stated.at is not None:
            return min(stated.at, now)
        if stated.on is not None:
            return min(datetime.combine(stated.on, time.max, zone).astimezone(UTC), now)
    return now

"""Reads transactions of the Berlin Group's (PSD2) API under the field names of each aggregator. Pure.

A connector copies a provider's record into an `ApiEntry`, field by field; everything that needs judgement is here.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from worker.connectors.base import AccountType, Transaction, TransactionKind
from worker.connectors.errors import InvalidDataError
from worker.connectors.reading import meaningful, read_day, usable_id

MAX_ANCHOR = 100

_AMOUNT = re.compile(r"[+-]?\d+(\.\d+)?")
_POSITIONAL = re.compile(r"\d{4}-?\d{2}-?\d{2}[.\-_/]\d{1,4}")

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """One side of a payment.

    Attributes:
        account: IBAN, or the number that the bank gives instead.
    """

    name: str | None = None
    account: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiEntry:
    """One Berlin Group entry, in neutral names and still in the bank's own text.

    Attributes:
        direction: `CRDT` or `DBIT` decides the sign, whatever the amount's own sign; None: the amount is signed.
        booking: Day or moment as text, like `value` and `transaction`.
        remittance: The payer's words.
        details: The bank's words.
        code: Bank transaction code, all parts joined by `-`.
        references: End-to-end, mandate and check references, the most telling one first.
        exchange: Original amount, its currency and the rate, by their names in `Transaction.stated_amounts`.
        balance_after: The signed balance after the entry.
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
    exchange: Mapping[str, str | None] = field(default_factory=dict)
    balance_after: str | None = None


def read_entry(entry: ApiEntry, account_id: str, raw: Mapping[str, Any]) -> Transaction:
    """Turn an entry into a transaction: negative when money leaves the account.

    Raises:
        InvalidDataError: naming the field that cannot be read.
    """
    amount = signed_amount(entry.amount, entry.direction)
    other = entry.creditor if amount < 0 else entry.debtor
    booking, transaction = read_day(entry.booking, "booking date"), read_day(entry.transaction, "transaction date")
    value = read_day(entry.value, "value date")
    return Transaction(
        account_id=account_id,
        amount=amount,
        currency=meaningful(entry.currency),
        description=describe(entry, other),
        external_id=usable_id(entry.external_id),
        pending=entry.pending,
        booking_on=booking.on,
        booking_at=booking.at,
        transaction_on=transaction.on,
        transaction_at=transaction.at,
        value_on=value.on,
        counterparty=meaningful(other.name),
        counterparty_account=meaningful(other.account),
        kind=kind_of(entry.code),
        reference=next(filter(None, map(meaningful, entry.references)), None),
        stated_amounts=_stated_amounts(entry),
        raw=raw,
    )


def _stated_amounts(entry: ApiEntry) -> dict[str, str] | None:
    readable = entry.balance_after is not None and _AMOUNT.fullmatch(entry.balance_after)
    stated = {**entry.exchange, "balance_after": entry.balance_after if readable else None}
    return {name: text for name, text in stated.items() if text} or None


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
            return amount.copy_abs()
        case "DBIT":
            return amount.copy_abs().copy_negate()
        case _:
            raise InvalidDataError("credit_debit_indicator is neither CRDT nor DBIT")


def describe(entry: ApiEntry, other: Party) -> str:
    """Say what the entry is for: the payer's words, else the bank's, else the other side, else its code."""
    for words in (entry.remittance, entry.details, (other.name,), (entry.code,)):
        text = " ".join(dict.fromkeys(filter(None, map(meaningful, words))))
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
    value = meaningful(value)
    if value is None:
        return None
    compact = value.replace(" ", "").upper() if kind == "iban" else value
    full = f"{kind}:{compact}"
    return full if len(full) <= MAX_ANCHOR else f"{kind}:{hashlib.sha256(compact.encode()).hexdigest()}"

"""Converts Plaid's records to transactions. Pure. In Plaid's amounts positive means that money leaves the account."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from worker.connectors.base import (
    Account,
    AccountType,
    Balance,
    BalanceKind,
    RemovedTransaction,
    Transaction,
    TransactionKind,
)
from worker.connectors.errors import InvalidDataError
from worker.connectors.reading import StatedDay, day_text, inside, objects, part, read_day, read_moment, text

_DEPOSITORY = {
    "savings": AccountType.SAVINGS,
    "cd": AccountType.SAVINGS,
    "money market": AccountType.SAVINGS,
    "hsa": AccountType.SAVINGS,
    "isa": AccountType.SAVINGS,
}
_TYPES = {
    "depository": AccountType.CHECKING,
    "credit": AccountType.CREDIT,
    "loan": AccountType.LOAN,
    "investment": AccountType.INVESTMENT,
    "brokerage": AccountType.INVESTMENT,
}
_OWED = frozenset({AccountType.CREDIT, AccountType.LOAN})

# Banks in the EU and the UK say `transaction_code`; elsewhere Plaid's own category says it.
_KINDS_BY_CODE = {
    "atm": TransactionKind.CASH,
    "cash": TransactionKind.CASH,
    "bank charge": TransactionKind.FEE,
    "interest": TransactionKind.INTEREST,
    "purchase": TransactionKind.PURCHASE,
    "refund": TransactionKind.REFUND,
    "cashback": TransactionKind.REFUND,
}
_KINDS_BY_CATEGORY = {
    "LOAN_PAYMENTS_CREDIT_CARD_PAYMENT": TransactionKind.CARD_PAYMENT,
    "BANK_FEES_INTEREST_CHARGE": TransactionKind.INTEREST,
    "INCOME_INTEREST_EARNED": TransactionKind.INTEREST,
    "TRANSFER_OUT_WITHDRAWAL": TransactionKind.CASH,
    "TRANSFER_IN_ACCOUNT_TRANSFER": TransactionKind.TRANSFER,
    "TRANSFER_OUT_ACCOUNT_TRANSFER": TransactionKind.TRANSFER,
    "BANK_FEES": TransactionKind.FEE,
    "INCOME": TransactionKind.INCOME,
}


def read_transaction(record: Mapping[str, Any]) -> Transaction:
    """Turn one of Plaid's transactions into ours: negative = money leaves the account.

    Raises: InvalidDataError naming the field.
    """
    pending = record.get("pending") is True
    day, authorized = (
        read_day(day_text(record, "date"), "date"),
        read_day(day_text(record, "authorized_date"), "authorized_date"),
    )
    made = authorized if authorized != StatedDay() or not pending else day
    return Transaction(
        account_id=part(record, "account_id", str),
        external_id=text(record, "transaction_id"),
        amount=_number(record, "amount").copy_negate(),
        currency=text(record, "iso_currency_code", "unofficial_currency_code"),
        description=text(record, "name", "original_description", "merchant_name") or "",
        pending=pending,
        booking_on=None if pending else day.on,
        booking_at=None if pending else day.at,
        transaction_on=made.on,
        transaction_at=made.at,
        counterparty=text(record, "merchant_name") or _counterparty(record),
        kind=_kind(record),
        pending_external_id=None if pending else text(record, "pending_transaction_id"),
        reference=text(inside(record, "payment_meta"), "reference_number") or text(record, "check_number"),
        raw=record,
    )


def read_removed(record: Mapping[str, Any]) -> RemovedTransaction:
    """Turn an entry of `removed` into ours. Raises: InvalidDataError."""
    return RemovedTransaction(external_id=part(record, "transaction_id", str), account_id=text(record, "account_id"))


def read_account(record: Mapping[str, Any], institution_name: str | None, now: datetime) -> Account:
    """Turn one of Plaid's accounts into ours.

    Args:
        now: When it was read, for balances without a time of their own.

    Raises: InvalidDataError.
    """
    account_type, balances = account_type_of(text(record, "type"), text(record, "subtype")), inside(record, "balances")
    persistent_id = text(record, "persistent_account_id")
    return Account(
        external_id=part(record, "account_id", str),
        name=text(record, "name", "official_name") or "Account",
        account_type=account_type,
        currency=text(balances, "iso_currency_code", "unofficial_currency_code"),
        mask=text(record, "mask"),
        anchor=f"plaid:{persistent_id}" if persistent_id else None,
        institution_name=institution_name,
        balance=_balance(balances, account_type, now),
    )


def account_type_of(kind: str | None, subtype: str | None) -> AccountType:
    """Return our word for Plaid's type and subtype."""
    if kind == "depository":
        return _DEPOSITORY.get(subtype or "", AccountType.CHECKING)
    return _TYPES.get(kind or "", AccountType.UNKNOWN)


def _balance(balances: Mapping[str, Any], account_type: AccountType, now: datetime) -> Balance | None:
    """Return the booked balance if there is one; on cards and loans Plaid states debt as a positive number."""
    at = read_moment(balances.get("last_updated_datetime")) or now
    current, available = _number_or_none(balances, "current"), _number_or_none(balances, "available")
    if current is not None:
        return Balance(
            amount=current.copy_negate() if account_type in _OWED else current, kind=BalanceKind.BOOKED, at=at
        )
    if available is not None:
        return Balance(amount=available, kind=BalanceKind.AVAILABLE, at=at)
    return None


def _kind(record: Mapping[str, Any]) -> TransactionKind | None:
    category = inside(record, "personal_finance_category")
    return (
        _KINDS_BY_CODE.get(text(record, "transaction_code") or "")
        or _KINDS_BY_CATEGORY.get(text(category, "detailed") or "")
        or _KINDS_BY_CATEGORY.get(text(category, "primary") or "")
    )


def _counterparty(record: Mapping[str, Any]) -> str | None:
    """Return the merchant among the parties; a payment app or marketplace only stands in for one."""
    ranked = sorted(objects(record.get("counterparties")), key=lambda party: party.get("type") != "merchant")
    return next((name for party in ranked if (name := text(party, "name"))), None)


def _number(record: Mapping[str, Any], field: str) -> Decimal:
    """Read a JSON number as it was written: the client parses floats as Decimal."""
    value = record.get(field)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise InvalidDataError(f"{field} is not a number")
    return Decimal(value)


def _number_or_none(record: Mapping[str, Any], field: str) -> Decimal | None:
    """Return a number that proves nothing where it cannot be read: the account goes on without it."""
    try:
        return _number(record, field)
    except InvalidDataError:
        return None

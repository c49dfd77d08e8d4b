"""Builds a transaction from the fields of an OFX record. Pure."""

from collections.abc import Mapping
from datetime import date

from worker.connectors.base import Account, Transaction, TransactionKind
from worker.connectors.file.ofx.evidence import IN_TYPES, OUT_TYPES, OfxReading
from worker.connectors.file.ofx.values import parse_ofx_amount, parse_ofx_day

_KINDS = {
    "POS": TransactionKind.PURCHASE,
    "FEE": TransactionKind.FEE,
    "SRVCHG": TransactionKind.FEE,
    "INT": TransactionKind.INTEREST,
    "DIV": TransactionKind.INCOME,
    "XFER": TransactionKind.TRANSFER,
    "ATM": TransactionKind.CASH,
    "CASH": TransactionKind.CASH,
}
_NOT_BOOKED = frozenset({"HOLD", "PENDING"})
_NO_ID = frozenset({"", "0", "-1", "NONE", "NULL", "N/A"})


def ofx_transaction(account: Account, values: Mapping[str, str], reading: OfxReading, *, pending: bool) -> Transaction:
    """Return the transaction.

    Args:
        values: Fields of the record under their tags, a nested one as `OUTER.TAG`.
        pending: Whether the record is one of a list of pending transactions.

    Raises: ValueError saying what is missing or wrong.
    """
    amount = values.get("TRNAMT") or values.get("TOTAL")
    if not amount:
        raise ValueError("has no amount (TRNAMT)")
    posted = next((values[tag] for tag in ("DTPOSTED", "DTTRADE", "DTSETTLE", "DTTRAN") if values.get(tag)), None)
    if posted is None:
        raise ValueError("has no date (DTPOSTED)")
    booked_on = _day(posted)
    user_on = _day(values["DTUSER"]) if "DTUSER" in values else None
    try:
        money = parse_ofx_amount(amount, reading.mark, account.currency)
    except ValueError as error:
        raise ValueError(f"TRNAMT {error}") from None
    kind = values.get("TRNTYPE", "").upper()
    if reading.direction_from == "word" and kind in OUT_TYPES | IN_TYPES:
        money = -abs(money) if kind in OUT_TYPES else abs(money)
    number = values.get("FITID", "").strip()
    return Transaction(
        account_id=account.external_id,
        amount=money,
        currency=values.get("CURRENCY.CURSYM", account.currency or "").upper() or account.currency,
        description=_description(values),
        external_id=None if number.upper() in _NO_ID else number,
        pending=pending or kind in _NOT_BOOKED,
        booking_on=booked_on,
        transaction_on=user_on,
        counterparty=values.get("NAME") or values.get("PAYEE.NAME"),
        kind=_KINDS.get(kind),
        reference=values.get("REFNUM") or values.get("CHECKNUM"),
        raw=dict(values),
    )


def _day(text: str) -> date:
    try:
        return parse_ofx_day(text)
    except ValueError as error:
        raise ValueError(f"date '{text[:40]}' {error}") from None


def contradicts_type(transaction: Transaction) -> bool:
    """Return whether the sign of an amount says otherwise than the type of its record."""
    kind = str((transaction.raw or {}).get("TRNTYPE", "")).upper()
    return (kind in OUT_TYPES and transaction.amount > 0) or (kind in IN_TYPES and transaction.amount < 0)


def _description(values: Mapping[str, str]) -> str:
    """Join name and memo; banks repeat the (cut) name at the beginning of the memo."""
    name = values.get("NAME") or values.get("PAYEE.NAME") or ""
    memo = values.get("MEMO", "")
    if name and memo.casefold().startswith(name.casefold()):
        return memo
    return " ".join(part for part in (name, memo) if part) or values.get("TRNTYPE", "")

"""Converts Enable Banking's records to transactions. Pure."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from worker.connectors.base import Transaction
from worker.connectors.berlin import entries
from worker.connectors.berlin.balances import ApiBalance
from worker.connectors.enablebanking.config import EnableBankingAccount
from worker.connectors.errors import InvalidDataError
from worker.connectors.reading import day_text, inside, objects, part, text

_PENDING = frozenset({"PDNG", "HOLD"})
_BOOKED = frozenset({None, "BOOK"})
_VOID = frozenset({"RJCT", "CNCL"})
_NEVER_MOVED = _VOID | {"SCHD", "OTHR"}
"""Rejected, cancelled, scheduled, expected: no money has moved, so they are no entries of a ledger."""


def ledger_records(records: Iterable[Any]) -> list[Any]:
    """Return the records that moved money or are about to, and any with an unknown status, which are rejected."""
    return [one for one in records if not isinstance(one, Mapping) or text(one, "status") not in _NEVER_MOVED]


def void_rows(records: Iterable[Any], account_id: str) -> tuple[Transaction, ...]:
    """Return the rejected and cancelled records as the pending rows that they may have been; others are left out."""
    found: list[Transaction] = []
    for record in records:
        if isinstance(record, Mapping) and text(record, "status") in _VOID:
            with suppress(InvalidDataError):
                found.append(read_transaction({**record, "status": "PDNG"}, account_id))
    return tuple(found)


def read_transaction(record: Mapping[str, Any], account_id: str) -> Transaction:
    """Turn one record into a transaction. Raises: InvalidDataError naming the field."""
    status = text(record, "status")
    if status not in _BOOKED | _PENDING:
        raise InvalidDataError("status is none we know")
    amount, code = inside(record, "transaction_amount"), inside(record, "bank_transaction_code")
    reference, words = text(record, "entry_reference"), record.get("remittance_information")
    entry = entries.ApiEntry(
        amount=text(amount, "amount") or "",
        currency=text(amount, "currency"),
        direction=text(record, "credit_debit_indicator") or _sign_alone(text(amount, "amount")),
        pending=status in _PENDING,
        external_id=None if entries.is_positional(reference) else reference,
        booking=day_text(record, "booking_date"),
        value=day_text(record, "value_date"),
        transaction=day_text(record, "transaction_date"),
        creditor=_party(record, "creditor"),
        debtor=_party(record, "debtor"),
        remittance=tuple(words) if isinstance(words, list) else (),
        details=(text(record, "note"), text(code, "description")),
        code="-".join(filter(None, (text(code, "code"), text(code, "sub_code")))),
        references=(text(record, "reference_number"),),
        exchange=_exchange(record),
        balance_after=text(inside(record, "balance_after_transaction"), "amount"),
    )
    return entries.read_entry(entry, account_id, record)


def linked_account(record: Mapping[str, Any]) -> EnableBankingAccount:
    """Return what to keep of an account: no whole account number. Raises: InvalidDataError."""
    return EnableBankingAccount(
        uid=part(record, "uid", str),
        identification_hash=text(record, "identification_hash"),
        name=text(record, "details", "product", "name") or "Account",
        currency=text(record, "currency"),
        cash_account_type=text(record, "cash_account_type"),
        mask=entries.mask_of(_number(record, "account_id")),
    )


def read_balances(answer: Mapping[str, Any]) -> list[ApiBalance]:
    """Return the balances of an answer, still as text."""
    return [
        ApiBalance(
            amount=text(inside(balance, "balance_amount"), "amount") or "",
            currency=text(inside(balance, "balance_amount"), "currency"),
            balance_type=text(balance, "balance_type") or "",
            changed=text(balance, "last_change_date_time"),
            reference_on=text(balance, "reference_date"),
        )
        for balance in objects(answer.get("balances"))
    ]


def _sign_alone(amount: str | None) -> str | None:
    """Return the direction where the indicator is missing: None, as the sign decides, else one that is refused."""
    return None if (amount or "").startswith(("+", "-")) else ""


def _exchange(record: Mapping[str, Any]) -> dict[str, str | None]:
    exchange = inside(record, "exchange_rate")
    original = inside(exchange, "instructed_amount")
    return {
        "original_amount": text(original, "amount"),
        "original_currency": text(original, "currency"),
        "exchange_rate": text(exchange, "exchange_rate"),
    }


def _party(record: Mapping[str, Any], side: str) -> entries.Party:
    return entries.Party(name=text(inside(record, side), "name"), account=_number(record, f"{side}_account"))


def _number(record: Mapping[str, Any], field: str) -> str | None:
    account = inside(record, field)
    return text(account, "iban") or text(inside(account, "other"), "identification")

"""Converts GoCardless's records to transactions. Pure. Amounts are signed text: negative = money leaves the account."""

from collections.abc import Mapping, Sequence
from typing import Any

from worker.connectors.base import Transaction
from worker.connectors.berlin import entries
from worker.connectors.berlin.balances import ApiBalance
from worker.connectors.errors import InvalidDataError
from worker.connectors.gocardless.config import GoCardlessAccount
from worker.connectors.reading import day_text, inside, meaningful, objects, text


def read_transaction(record: Mapping[str, Any], account_id: str, *, pending: bool) -> Transaction:
    """Turn one record into a transaction. Raises: InvalidDataError naming the field.

    Args:
        pending: Which of the two lists the record came in; the record itself does not say.
    """
    amount = inside(record, "transactionAmount")
    external_id = _id(record)
    entry = entries.ApiEntry(
        amount=text(amount, "amount") or "",
        currency=text(amount, "currency"),
        pending=pending,
        external_id=None if entries.is_positional(external_id) else external_id,
        booking=day_text(record, "bookingDate", "bookingDateTime"),
        value=day_text(record, "valueDate"),
        creditor=_party(record, "creditor"),
        debtor=_party(record, "debtor"),
        remittance=_remittance(record),
        details=(text(record, "additionalInformation"), text(record, "proprietaryBankTransactionCode")),
        code=text(record, "bankTransactionCode") or "",
        exchange=_exchange(record),
        balance_after=text(inside(inside(record, "balanceAfterTransaction"), "balanceAmount"), "amount"),
        references=(text(record, "endToEndId"), text(record, "mandateId"), text(record, "checkId")),
    )
    return entries.read_entry(entry, account_id, record)


def posted_once(lists: Mapping[str, Any]) -> tuple[Sequence[Any], Sequence[Any]]:
    """Return the booked and the pending records; one that stands under its id in both lists is booked.

    Raises:
        InvalidDataError: when there is neither list.
    """
    booked, pending = lists.get("booked"), lists.get("pending")
    if not isinstance(booked, list) and not isinstance(pending, list):
        raise InvalidDataError("booked is missing or of another kind")
    booked, pending = booked or [], pending or []
    posted = {_id(record) for record in objects(booked)} - {None}
    return booked, [record for record in pending if not isinstance(record, Mapping) or _id(record) not in posted]


def names_next_page(lists: Mapping[str, Any]) -> bool:
    """Return whether a bank says that its lists go on elsewhere, as Berlin Group answers do: they are not whole."""
    return bool(inside(lists, "_links").get("next") or inside(lists, "links").get("next"))


def linked_account(account_id: str, metadata: Mapping[str, Any], details: Mapping[str, Any]) -> GoCardlessAccount:
    """Return what to keep of an account: no whole number but the one that anchors it across requisitions."""
    number = text(details, "iban") or text(metadata, "iban")
    other = text(details, "bban") or text(metadata, "bban") or text(details, "maskedPan")
    return GoCardlessAccount(
        id=account_id,
        name=text(details, "displayName", "name", "product") or text(metadata, "name") or "Account",
        currency=text(details, "currency"),
        cash_account_type=text(details, "cashAccountType"),
        mask=entries.mask_of(number or other),
        anchor=entries.anchor("iban", number) or entries.anchor("bban", other),
    )


def read_balances(answer: Mapping[str, Any]) -> list[ApiBalance]:
    """Return the balances of an answer, still as text."""
    return [
        ApiBalance(
            amount=text(inside(balance, "balanceAmount"), "amount") or "",
            currency=text(inside(balance, "balanceAmount"), "currency"),
            balance_type=text(balance, "balanceType") or "",
            changed=text(balance, "lastChangeDateTime"),
            reference_on=text(balance, "referenceDate"),
            includes_credit=balance.get("creditLimitIncluded") is True,
        )
        for balance in objects(answer.get("balances"))
    ]


def _id(record: Mapping[str, Any]) -> str | None:
    return text(record, "transactionId", "internalTransactionId")


def _exchange(record: Mapping[str, Any]) -> dict[str, str | None]:
    """Read the one exchange there is: banks send a list, an object, or neither."""
    stated = record.get("currencyExchange")
    exchange = next(iter(objects(stated if isinstance(stated, list) else [stated])), {})
    original = inside(exchange, "instructedAmount")
    return {
        "original_amount": text(original, "amount"),
        "original_currency": text(original, "currency") or text(exchange, "sourceCurrency"),
        "exchange_rate": text(exchange, "exchangeRate"),
    }


def _party(record: Mapping[str, Any], side: str) -> entries.Party:
    number = text(inside(record, f"{side}Account"), "iban", "bban", "maskedPan", "pan")
    return entries.Party(name=text(record, f"{side}Name"), account=number)


def _remittance(record: Mapping[str, Any]) -> tuple[str | None, ...]:
    """Return the payer's words; banks fill one of four fields, free text says most."""
    for field in ("remittanceInformationUnstructured", "remittanceInformationStructured"):
        words = record.get(f"{field}Array") or [record.get(field)]
        found = tuple(word for word in words if meaningful(word)) if isinstance(words, list) else ()
        if found:
            return found
    return ()

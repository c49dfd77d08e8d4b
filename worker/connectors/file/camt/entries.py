"""One CAMT entry as one transaction (or its payments, where they are asked for and add up). Pure."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from worker.connectors.base import Account, Transaction
from worker.connectors.file.camt.xml_stream import Node
from worker.connectors.file.statement.amounts import parse_amount
from worker.connectors.file.statement.currencies import currency_sign, parse_currency
from worker.connectors.file.statement.notification_details import SERVICER, EntryReference

_SIGNS = {"CRDT": 1, "DBIT": -1}
_NO_REFERENCE = {"NOTPROVIDED", "NONREF", "NOT PROVIDED"}
_NAMES = ("Nm", "Pty/Nm", "Agt/FinInstnId/Nm")
_MAX_KEPT_DETAILS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class CamtEntry:
    """An entry and how it is to be read.

    Attributes:
        day: The statement's own day, for an entry that states none.
        turned: Whether a reversal keeps the direction of the original booking, so that the money went the other way.
    """

    account: Account
    node: Node
    pending: bool
    split: bool
    day: date | None = None
    turned: bool = False


_STATED_ONCE = ("Amt", "CdtDbtInd", "BookgDt", "ValDt", "Sts")


def looks_like_entry(node: Node) -> bool:
    """Return whether an element holds what only an entry holds, so that its own tag may be lost."""
    names = {child.name for child in node.children} | {node.name}
    return bool(names & {"CdtDbtInd", "BookgDt", "NtryRef", "NtryDtls"}) or node.name == "Amt"


def entry_fault(node: Node) -> str | None:
    """Return why an entry cannot be one entry; None for a sound one."""
    names = [child.name for child in node.children]
    doubled = next((name for name in _STATED_ONCE if names.count(name) > 1), None)
    return f"states {doubled} twice: two entries have run together" if doubled else None


def is_reversal(node: Node) -> bool:
    """Return whether an entry takes an earlier one back."""
    return node.get("RvslInd") in {"true", "1"}


def entry_amount(node: Node) -> tuple[Decimal, str | None]:
    """Return the signed amount and currency of an entry, a balance or a payment.

    The sign comes from `CdtDbtInd` alone: for a reversal it already gives the direction of the money (ISO 20022).
    Raises: ValueError when the amount or the direction cannot be read.
    """
    amount = node.find("Amt")
    direction = node.get("CdtDbtInd")
    if amount is None or direction not in _SIGNS:
        raise ValueError("has no amount" if amount is None else f"direction '{direction}' is neither CRDT nor DBIT")
    text = amount.text.strip()
    currency = amount.attributes.get("Ccy")
    try:
        value, code = parse_amount(text, "."), parse_currency(currency) if currency else None
    except ValueError as error:
        raise ValueError(f"amount '{text[:40]}' {error}") from None
    if value < 0:
        raise ValueError(f"amount '{text[:40]}' is negative, and its direction is stated besides")
    return _SIGNS[direction] * value if value else value, code


def entry_currency(node: Node) -> str | None:
    """Return the currency of an entry's amount, which is that of its account."""
    amount = node.find("Amt")
    return currency_sign(amount.attributes.get("Ccy", "")) if amount is not None else None


def stated(node: Node | None) -> date | datetime | None:
    """Return a day as the bank writes it, in the bank's own offset; a moment only where it is given in plain UTC.

    Raises: ValueError when the text is neither.
    """
    text = node.get("Dt", "DtTm") if node is not None else None
    if text is None:
        return None
    if text.endswith(("Z", "+00:00")) and "T" in text:
        return datetime.fromisoformat(text).astimezone(UTC)
    return date.fromisoformat(text[:10])


def _details(node: Node) -> list[Node]:
    return list(node.all("NtryDtls/TxDtls"))


def _parties(details: Node, amount: Decimal, *, reversed_: bool) -> tuple[str | None, str | None]:
    """Return name and account of the other side: the creditor of money out, the debtor of money in."""
    other = "Cdtr" if (amount < 0) != reversed_ else "Dbtr"
    parties = (other, f"Ultmt{other}")
    name = details.get(*(f"RltdPties/{party}/{leaf}" for party in parties for leaf in _NAMES))
    account = details.get(*(f"RltdPties/{other}Acct/Id/{leaf}" for leaf in ("IBAN", "Othr/Id", "PrtryAcct/Id")))
    return name, account


def _text(details: Node | None, entry: Node) -> str:
    """Return what the payment was for: free remittance text, else its structured reference, else the bank's words."""
    if details is not None:
        free = " ".join(" ".join(line.text.split()) for line in details.all("RmtInf/Ustrd"))
        if free.strip():
            return free
        structured = details.get(
            "RmtInf/Strd/CdtrRefInf/Ref", "RmtInf/Strd/CdtrRefInf/CdtrRef", "RmtInf/Strd/AddtlRmtInf"
        )
        if structured:
            return structured
        if words := details.get("AddtlTxInf"):
            return words
    return entry.get("AddtlNtryInf", "BkTxCd/Prtry/Cd", "BkTxCd/Domn/Fmly/SubFmlyCd") or ""


def _reference(details: Node | None) -> str | None:
    if details is None:
        return None
    found = details.get("Refs/EndToEndId"), details.get("Refs/MndtId")
    return next((text for text in found if text and text.upper() not in _NO_REFERENCE), None)


def _raw(node: Node, details: list[Node]) -> dict[str, Any]:
    raw = {
        "AcctSvcrRef": node.get("AcctSvcrRef"),
        "NtryRef": node.get("NtryRef"),
        "BkTxCd": node.get("BkTxCd/Domn/Fmly/SubFmlyCd", "BkTxCd/Prtry/Cd"),
        "AddtlNtryInf": node.get("AddtlNtryInf"),
        "RvslInd": node.get("RvslInd"),
        "InstdAmt": _instructed(details[0]) if details else None,
        "TxDtls": [_detail(detail) for detail in details[:_MAX_KEPT_DETAILS]] if len(details) > 1 else None,
        "NbOfTxs": node.get("NtryDtls/Btch/NbOfTxs", "Btch/NbOfTxs")
        or (str(len(details)) if len(details) > 1 else None),
    }
    return {name: value for name, value in raw.items() if value}


def _instructed(details: Node) -> str | None:
    amount = details.find("AmtDtls/InstdAmt/Amt")
    return f"{amount.text.strip()} {amount.attributes.get('Ccy', '')}".strip() if amount is not None else None


def _detail(details: Node) -> dict[str, str]:
    found = {
        "amount": details.get("Amt", "AmtDtls/TxAmt/Amt"),
        "end_to_end_id": details.get("Refs/EndToEndId"),
        "name": details.get("RltdPties/Cdtr/Nm", "RltdPties/Cdtr/Pty/Nm", "RltdPties/Dbtr/Nm", "RltdPties/Dbtr/Pty/Nm"),
        "text": details.get("RmtInf/Ustrd"),
    }
    return {name: value for name, value in found.items() if value}


def whole_transaction(entry: CamtEntry) -> Transaction:
    """Return the entry as one line; names and texts come from its payment only where there is exactly one."""
    node = entry.node
    amount, currency = entry_amount(node)
    details = _details(node)
    only = details[0] if len(details) == 1 else None
    reversal = is_reversal(node)
    if reversal and entry.turned:
        amount = -amount
    name, account = _parties(only, amount, reversed_=reversal) if only is not None else (None, None)
    booked, value = stated(node.find("BookgDt")), stated(node.find("ValDt"))
    booked = booked if booked or value or entry.pending else entry.day
    return Transaction(
        account_id=entry.account.external_id,
        amount=amount,
        currency=currency or entry.account.currency,
        description=_text(only, node) or name or "",
        pending=entry.pending,
        booking_on=booked if not isinstance(booked, datetime) else None,
        booking_at=booked if isinstance(booked, datetime) else None,
        value_on=value.date() if isinstance(value, datetime) else value,
        counterparty=name,
        counterparty_account=account,
        reference=_reference(only),
        raw=_raw(node, details),
    )


def _payments(whole: Transaction, node: Node, *, turned: bool) -> list[Transaction]:
    """Return the single payments of a collective entry, or nothing when they do not add up to it."""
    payments: list[Transaction] = []
    for details in _details(node):
        amount = details.find("Amt") or details.find("AmtDtls/TxAmt/Amt")
        if amount is None or amount.attributes.get("Ccy", whole.currency) != whole.currency:
            return []
        direction = details.get("CdtDbtInd")
        sign = -1 if whole.amount < 0 else 1
        if direction in _SIGNS:
            sign = _SIGNS[direction] * (-1 if turned else 1)
        signed = sign * parse_amount(amount.text.strip(), ".")
        name, account = _parties(details, signed, reversed_=False)
        payments.append(
            replace(
                whole,
                amount=signed,
                description=_text(details, node) or name or "",
                counterparty=name,
                counterparty_account=account,
                reference=_reference(details),
                raw=_detail(details) | ({"RvslInd": "true"} if is_reversal(node) else {}),
            )
        )
    return payments if sum(payment.amount for payment in payments) == whole.amount else []


def payments_fit(node: Node, whole: Transaction) -> bool:
    """Return whether an entry of one line may stay one: its payments state no amounts that could have been booked."""
    found = [details.find("Amt") or details.find("AmtDtls/TxAmt/Amt") for details in _details(node)]
    amounts = [amount for amount in found if amount is not None]
    same = {amount.attributes.get("Ccy", whole.currency) for amount in amounts} == {whole.currency}
    return len(amounts) < 2 or not same or len(amounts) < len(found)  # noqa: PLR2004 - a batch has two payments or more


def entry_transactions(entry: CamtEntry) -> list[Transaction]:
    """Return the entry's lines: one, or one per payment where that is asked for and they add up.

    Raises: ValueError saying what cannot be read.
    """
    whole = whole_transaction(entry)
    if whole.booking_on is None and whole.booking_at is None and whole.value_on is None and not whole.pending:
        raise ValueError("has neither a booking nor a value date")
    payments = _payments(whole, entry.node, turned=entry.turned and is_reversal(entry.node)) if entry.split else []
    return payments if len(payments) > 1 else [whole]


def lists_payments(node: Node) -> bool:
    """Return whether an entry names the other side, or a text, of its payments."""
    return any(one.find("RltdPties") or one.find("RmtInf") for one in _details(node))


def awaits_details(node: Node, transactions: list[Transaction]) -> bool:
    """Return whether an entry of one line says nothing of its payments, or of several without their amounts."""
    return len(transactions) == 1 and (len(_details(node)) > 1 or not lists_payments(node))


def entry_reference(node: Node, whole: Transaction, messages: frozenset[str]) -> EntryReference:
    """Return what finds an entry again in a notification, or in the statement that a notification is about.

    Args:
        messages: Ids of the notification that holds the entry; empty for a statement.
    """
    stated_keys = {
        SERVICER: node.get("AcctSvcrRef"),
        "entry:": node.get("NtryRef"),
        "batch:": node.get("NtryDtls/Btch/PmtInfId", "Btch/PmtInfId"),
        "order:": node.get("NtryDtls/Btch/MsgId", "Btch/MsgId"),
        "message:": node.get("AddtlInfInd/MsgId"),
    }
    keys = {f"{kind}{text}" for kind, text in stated_keys.items() if text and text.upper() not in _NO_REFERENCE}
    moment = whole.booking_at.date() if whole.booking_at is not None else None
    return EntryReference(
        account=whole.account_id,
        amount=whole.amount,
        currency=whole.currency,
        days=frozenset(day for day in (whole.booking_on, whole.value_on, moment) if day is not None),
        keys=frozenset(keys | {f"message:{text}" for text in messages}),
    )

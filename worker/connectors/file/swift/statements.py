"""MT940 and MT942 in the dialects of real banks: fields are cut here, one transaction at a time is read by `mt940`."""

import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import mt940
from mt940.tags import StatementASNB, StatementGLS, Tag

from worker.connectors.base import BalanceKind, Transaction
from worker.connectors.file.statement.account_numbers import (
    account_anchor,
    account_key,
    account_mask,
    find_iban,
    german_iban,
)
from worker.connectors.file.statement.events import (
    BadRow,
    Closed,
    Event,
    Note,
    Opened,
    Row,
    StatedBalance,
    StatementAccount,
    StatementError,
)

_FIELD = re.compile(r"^:(NS|\d{2}[A-Z]?):")
_PAGE_END = re.compile(r"\s*--?\s*$|-[A-Za-z]{3}")
_ENDS = "\r\n\x03\x00\x1a"
_BLOCK = re.compile(r"\{[1-5]:|-\}|\{5:.*")
_DIALECTS: tuple[dict[int | str, Tag], ...] = ({}, {61: StatementASNB()}, {61: StatementGLS()})
_OPTIONS = mt940.Options.all()
logging.getLogger("mt940").setLevel(logging.CRITICAL + 1)  # it logs the lines it cannot read: account data
_ANGLED, _ANGLED_START = re.compile(r">(?=\d{2})"), re.compile(r"\d{3}>\d{2}")
_MAX_FIELD_CHARACTERS = 64 * 1024
_MAX_FIELDS = 200
_NO_REFERENCE = {"NONREF", "NOTPROVIDED", "KREF+", ""}
_TEXT_KEYS = ("purpose", "additional_purpose", "transaction_details", "extra_details", "non_swift_text", "posting_text")


@dataclass(slots=True)
class _Field:
    """One `:61:` field with its following lines."""

    tag: str
    line: int
    text: str


@dataclass(slots=True)
class _Statement:
    """The statement being read: what is known of it so far, and the transaction whose fields are being gathered."""

    line: int
    number: str | None = None
    account: StatementAccount | None = None
    currency: str | None = None
    interim: bool = False
    opening: StatedBalance | None = None
    closing: StatedBalance | None = None
    available: StatedBalance | None = None
    group: list[_Field] = field(default_factory=list)


def fields(lines: Iterable[str]) -> Iterator[_Field]:
    """Yield the fields of a file, envelopes ({1:…}) and page ends (`-`) left out.

    Raises: StatementError for a field no bank would send.
    """
    current: _Field | None = None
    for number, raw in enumerate(lines, start=1):
        line = _BLOCK.sub("", raw.rstrip(_ENDS).removeprefix("\ufeff").lstrip("\x01")).rstrip()
        found = _FIELD.match(line)
        if found or _PAGE_END.match(line):
            yield from [current] if current is not None else []
            current = _Field(found[1], number, line[found.end() :]) if found else None
        elif current is not None and line:
            current.text += "\n" + line
            if len(current.text) > _MAX_FIELD_CHARACTERS:
                raise StatementError(f"field :{current.tag}: is longer than any bank's", line=current.line)
    yield from [current] if current is not None else []


def rejoin(lines: Iterable[str]) -> Iterator[str]:
    """Mend fields that a bank's line wrapping cut between the colon and the number (`:` newline `86:`)."""
    waiting = ""
    for line in lines:
        if line.strip() == ":":
            waiting = ":"
            continue
        yield waiting + line
        waiting = ""


def read_swift(lines: Iterable[str]) -> Iterator[Event]:
    """Yield the events of an MT940 or MT942 file; MT942 lines are pending, because the day is not over.

    Raises: StatementError when there is no statement or account in it.
    """
    statement: _Statement | None = None
    found = False
    for item in fields(rejoin(lines)):
        if item.tag == "20" or statement is None:
            yield from _end(statement)
            statement = _Statement(line=item.line)
        found = found or item.tag in {"25", "61", "60F", "60M"}
        yield from _take(statement, item)
    yield from _end(statement)
    if not found:
        raise StatementError("holds no MT940 statement (no account, balance or transaction field)")


def _take(statement: _Statement, item: _Field) -> Iterator[Event]:
    tag = item.tag
    if tag in {"61", "62F", "62M", "64", "65", "90D", "90C"}:
        yield from _flush(statement)
    if tag in {"25", "25P"} and statement.number is None:
        statement.number = item.text.splitlines()[0].strip() if item.text.strip() else None
    elif tag[:2] in {"60", "62", "64"}:
        yield from _take_balance(statement, item)
    elif tag[:2] in {"34", "90"} and statement.opening is None:
        statement.interim = True
        statement.currency = statement.currency or _first_currency(item.text)
    elif tag == "61" or (tag in {"86", "NS"} and statement.group and statement.closing is None):
        statement.group.append(item)
        if len(statement.group) > _MAX_FIELDS:
            raise StatementError("one transaction has more fields than any bank sends", line=item.line)


def _first_currency(text: str) -> str | None:
    found = re.search(r"[A-Z]{3}", text)
    return found[0] if found else None


def _parsed(text: str, tags: dict[int | str, Tag]) -> mt940.models.Transactions:
    # not mt940.parse: it takes a text that happens to be a path for the file of that name
    read = mt940.models.Transactions(tags=tags, options=_OPTIONS)
    read.parse(text)
    return read


def _take_balance(statement: _Statement, item: _Field) -> Iterator[Event]:
    try:
        data = _parsed(f":{item.tag}:{item.text}", {}).data
        stated = next(value for name, value in data.items() if name.endswith("balance"))
        balance = _balance(stated, BalanceKind.AVAILABLE if item.tag == "64" else BalanceKind.BOOKED)
    except (RuntimeError, ValueError, ArithmeticError, StopIteration):
        yield Note(message=f"line {item.line}: balance :{item.tag}: cannot be read")
        return
    statement.currency = statement.currency or balance.currency
    if item.tag.startswith("60"):
        statement.opening = balance
    elif item.tag.startswith("62"):
        statement.closing = balance
    else:
        statement.available = balance


def _balance(stated: Any, kind: BalanceKind) -> StatedBalance:  # noqa: ANN401 - the library's own model
    on = date(stated.date.year, stated.date.month, stated.date.day)
    return StatedBalance(amount=stated.amount.amount, on=on, currency=stated.amount.currency, kind=kind)


def _account(statement: _Statement) -> tuple[StatementAccount, list[Event]]:
    """Return the statement's account, and its opening event the first time."""
    if statement.account is not None:
        return statement.account, []
    number = statement.number
    if not number:
        raise StatementError("the statement names no account (:25:)", line=statement.line)
    plain = number.removesuffix(statement.currency or "").strip() if statement.currency else number
    iban = find_iban(plain) or german_iban(plain.replace(" ", ""))
    anchor = account_anchor(iban or plain)
    statement.account = StatementAccount(
        key=account_key(anchor),
        name=f"account {account_mask(plain) or ''}".strip(),
        anchor=anchor,
        mask=account_mask(plain),
        currency=statement.currency,
    )
    return statement.account, [Opened(account=statement.account, line=statement.line)]


def _flush(statement: _Statement) -> Iterator[Event]:
    """Read the gathered `:61:` with its `:86:` fields as one transaction."""
    group, statement.group = statement.group, []
    if not group:
        return
    account, opening = _account(statement)
    yield from opening
    raw = "\n".join(f":{item.tag}:{_with_question_marks(item.text)}" for item in group)
    data = _read_group(raw)
    if isinstance(data, str):
        yield BadRow(line=group[0].line, reason=data, raw=raw, account=account.key)
    else:
        yield Row(line=group[0].line, transaction=_transaction(account, data, raw, pending=statement.interim))


def _with_question_marks(text: str) -> str:
    """Some banks set off the sub-fields of `:86:` with `>20` instead of `?20`."""
    return _ANGLED.sub("?", text) if _ANGLED_START.match(text) else text


def _read_group(raw: str) -> dict[str, Any] | str:
    """Return the library's reading of one transaction in the first dialect that fits, or why none does."""
    for tags in _DIALECTS:
        try:
            read = _parsed(raw, tags)
        except (RuntimeError, ValueError, ArithmeticError, KeyError, TypeError):
            continue
        if len(read.transactions) == 1 and "amount" in read.transactions[0].data:
            return dict(read.transactions[0].data)
    return "field :61: fits no known form (date, C or D, amount, type)"


def _plain_day(value: Any) -> date | None:  # noqa: ANN401 - the library's own model
    return date(value.year, value.month, value.day) if value is not None else None


def _transaction(account: StatementAccount, data: dict[str, Any], raw: str, *, pending: bool) -> Transaction:
    value_on = _plain_day(data.get("date"))
    name = _joined(data.get("applicant_name"))
    reference = next(
        (
            text
            for key in ("end_to_end_reference", "customer_reference")
            if (text := _joined(data.get(key))) and text.upper() not in _NO_REFERENCE
        ),
        None,
    )
    return Transaction(
        account_id=account.key,
        amount=data["amount"].amount,
        currency=account.currency,
        description=_description(data) or name or "",
        pending=pending,
        booking_on=_plain_day(data.get("guessed_entry_date") or data.get("entry_date")) or value_on,
        value_on=value_on,
        counterparty=name,
        counterparty_account=_joined(data.get("applicant_iban") or data.get("gvc_applicant_iban")),
        reference=reference,
        raw={"text": raw, "bank_reference": data.get("bank_reference"), "type": data.get("id")},
    )


def _joined(value: object) -> str | None:
    return " ".join(str(value).split()) or None if value else None


def _description(data: dict[str, Any]) -> str | None:
    """Return the purpose of a structured `:86:`, else its whole text, else what stands behind the `:61:`."""
    return next((text for key in _TEXT_KEYS if (text := _joined(data.get(key)))), None)


def _end(statement: _Statement | None) -> Iterator[Event]:
    if statement is None or not (statement.number or statement.group or statement.opening or statement.closing):
        return
    yield from _flush(statement)
    account, opening = _account(statement)
    yield from opening
    yield Closed(
        account=account.key,
        opening=statement.opening,
        closing=statement.closing,
        available=statement.available,
    )

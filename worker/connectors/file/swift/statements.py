"""MT940 and MT942 in the dialects of real banks; the text of one transaction at a time is read by `mt940`."""

import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
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
    Opened,
    Part,
    PartCounter,
    Remark,
    Row,
    StatedBalance,
    StatementAccount,
    StatementError,
)
from worker.connectors.file.swift.amounts import line_head, stated_balance
from worker.connectors.file.swift.fields import CUT, LOST_LINE, SwiftField, split_fields

_DIALECTS: tuple[dict[int | str, Tag], ...] = ({}, {61: StatementASNB()}, {61: StatementGLS()})
_OPTIONS = mt940.Options.all()
logging.getLogger("mt940").setLevel(logging.CRITICAL + 1)  # it logs the lines it cannot read: account data
_ANGLED, _ANGLED_START = re.compile(r">(?=\d{2})"), re.compile(r"\d{3}>\d{2}")
_CODED_TEXT = re.compile(r"\d{3}[?>]\d{2}")
_MAX_FIELDS = 200
_MAX_RAW_CHARACTERS = 500
_NO_REFERENCE = {"NONREF", "NOTPROVIDED", "NOREF", "EREF", "EREF+", "KREF", "KREF+", "MREF", "MREF+", "N", ""}
_TEXT_KEYS = ("purpose", "additional_purpose", "transaction_details", "extra_details", "non_swift_text", "posting_text")
_NO_FORM = "field :61: fits no known form (date, C or D, amount, type)"


@dataclass(slots=True)
class _Statement:
    """The statement being read.

    Attributes:
        reference: Text of `:20:`; None before it.
        number: Account number of `:25:`; None before it.
        begun: Whether a balance or a transaction was read.
        interim: Whether it is an MT942, whose day is not over.
        group: The transaction whose fields are being gathered.
    """

    line: int
    reference: str | None = None
    number: str | None = None
    account: StatementAccount | None = None
    currency: str | None = None
    begun: bool = False
    interim: bool = False
    opening: StatedBalance | None = None
    closing: StatedBalance | None = None
    final: bool = False
    available: StatedBalance | None = None
    group: list[SwiftField] = field(default_factory=list)


def read_swift(lines: Iterable[str]) -> Iterator[Event]:
    """Yield the events of an MT940 or MT942 file; MT942 lines are pending, because the day is not over.

    Raises: StatementError when there is no statement or account in it.
    """
    yield from _SwiftReader().events(lines)


class _SwiftReader:
    def __init__(self) -> None:
        self._statement: _Statement | None = None
        self._parts = PartCounter("field")

    def events(self, lines: Iterable[str]) -> Iterator[Event]:
        found = False
        for item in split_fields(lines):
            if item.tag == CUT:
                yield Remark(line=item.line, reason="the file ends within a message: it may have been cut off")
                continue
            self._parts.total += 1
            if item.tag == "25" and _CODED_TEXT.match(item.text):
                yield Remark(line=item.line, reason="field :25: holds the text of a transaction and is read as :86:")
                item.tag = "86"
            found = found or item.tag in {"25", "25P", "61", "60F", "60M"}
            yield from self._take(item)
        yield from self._end()
        if not found:
            raise StatementError("holds no MT940 statement (no account, balance or transaction field)")
        yield self._parts.event()

    def _take(self, item: SwiftField) -> Iterator[Event]:
        if self._statement is None or self._begins(self._statement, item):
            inherited = self._inherited(item)
            yield from self._end()
            self._statement = _Statement(line=item.line, number=inherited)
        statement, tag = self._statement, item.tag
        if tag in {"61", LOST_LINE}:
            yield from self._flush(statement)
            statement.begun = True
            statement.group.append(item)
        elif tag[:2] in {"60", "62", "64"}:
            yield from self._flush(statement)
            yield from self._take_balance(statement, item)
        elif tag in {"86", "NS"} and statement.group:
            yield from self._take_text(statement, item)
        elif tag == "":
            self._parts.use(Part.REMARK)
            yield Remark(line=item.line, reason="text outside of a field", raw=item.text[:_MAX_RAW_CHARACTERS])
        else:
            yield from self._take_header(statement, item)

    def _take_text(self, statement: _Statement, item: SwiftField) -> Iterator[Event]:
        before = [one for one in statement.group if one.tag == "86"]
        if before and _CODED_TEXT.match(before[0].text) and _CODED_TEXT.match(item.text):
            yield Remark(line=item.line, reason="a second text for one transaction: a line :61: may be missing")
        statement.group.append(item)
        if len(statement.group) > _MAX_FIELDS:
            raise StatementError("one transaction has more fields than any bank sends", line=item.line)

    def _begins(self, statement: _Statement, item: SwiftField) -> bool:
        """Whether a field begins another statement: banks put `:20:` and `:25:` in any order, or leave `:20:` out."""
        text = item.text.strip()
        if item.tag == "20":
            return statement.begun or statement.reference is not None
        if item.tag in {"25", "25P"}:
            return statement.number is not None and (statement.begun or statement.number != _first_line(text))
        return item.tag == "60F" and statement.final

    def _inherited(self, item: SwiftField) -> str | None:
        """Return the account of a statement that names none but opens with the balance the last one closed with."""
        before = self._statement
        if before is None or before.closing is None or item.tag != "60F":
            return None
        try:
            opening = stated_balance(item.text, BalanceKind.BOOKED)
        except ValueError:
            return None
        return before.number if opening.amount == before.closing.amount else None

    def _take_header(self, statement: _Statement, item: SwiftField) -> Iterator[Event]:
        tag = item.tag
        if tag in {"65", "90C", "90D"}:
            yield from self._flush(statement)
        if tag == "20":
            statement.reference = item.text.strip()
        elif tag in {"25", "25P"}:
            statement.number = _first_line(item.text) or statement.number
        elif tag[:2] in {"34", "90"} and statement.opening is None:
            statement.interim = True
            statement.currency = statement.currency or _first_currency(item.text)
        self._parts.use(Part.BALANCE if tag[:2] in {"65", "90"} else Part.HEADER)
        if tag[:2] not in {"20", "21", "13", "25", "28", "34", "65", "86", "90", "94", "NS"}:
            self._parts.use(Part.HEADER, -1)
            self._parts.use(Part.REMARK)
            yield Remark(line=item.line, reason=f"field :{tag}: is not known", raw=item.text[:_MAX_RAW_CHARACTERS])

    def _take_balance(self, statement: _Statement, item: SwiftField) -> Iterator[Event]:
        statement.begun = True
        try:
            kind = BalanceKind.AVAILABLE if item.tag == "64" else BalanceKind.BOOKED
            balance = stated_balance(item.text, kind)
        except ValueError:
            self._parts.use(Part.REMARK)
            reason = f"balance :{item.tag}: cannot be read"
            yield Remark(line=item.line, reason=reason, raw=item.text[:_MAX_RAW_CHARACTERS])
            return
        self._parts.use(Part.BALANCE)
        statement.currency = statement.currency or balance.currency
        if item.tag.startswith("60"):
            yield from self._open_page(statement, item, balance)
        elif item.tag.startswith("62"):
            statement.closing, statement.final = balance, item.tag == "62F"
        else:
            statement.available = balance

    def _open_page(self, statement: _Statement, item: SwiftField, balance: StatedBalance) -> Iterator[Event]:
        """Keep the first opening balance; a further page opens with what the page before it closed with."""
        before = statement.closing
        if statement.opening is None:
            statement.opening = balance
        elif before is not None and before.amount != balance.amount:
            reason = f"a page may be missing: one closes with {before.amount:f}, the next opens with {balance.amount:f}"
            yield Remark(line=item.line, reason=reason)
        statement.closing = None

    def _flush(self, statement: _Statement) -> Iterator[Event]:
        """Read the gathered `:61:` with its `:86:` fields as one transaction."""
        group, statement.group = statement.group, []
        if not group:
            return
        account, opening = self._account(statement)
        yield from opening
        event = _read_group(group, account, pending=statement.interim)
        self._parts.use(Part.TRANSACTION if isinstance(event, Row) else Part.REJECTED, len(group))
        yield event

    def _account(self, statement: _Statement) -> tuple[StatementAccount, list[Event]]:
        """Return the statement's account, and its opening event the first time."""
        if statement.account is None:
            statement.account = _account_of(statement)
            return statement.account, [Opened(account=statement.account, line=statement.line)]
        return statement.account, []

    def _end(self) -> Iterator[Event]:
        statement, self._statement = self._statement, None
        if statement is None:
            return
        if not statement.begun:
            yield Remark(line=statement.line, reason="a statement without balance and transaction")
        if not (statement.number or statement.begun):
            return
        yield from self._flush(statement)
        account, opening = self._account(statement)
        yield from opening
        yield Closed(
            account=account.key,
            opening=statement.opening,
            closing=statement.closing,
            available=statement.available,
            line=statement.line,
        )
        if (statement.opening is None) != (statement.closing is None):
            missing = ":62F:: it may have been cut off" if statement.closing is None else ":60F:"
            yield Remark(line=statement.line, reason=f"the statement has no balance {missing}")


def _first_line(text: str) -> str | None:
    return text.strip().splitlines()[0].strip() if text.strip() else None


def _first_currency(text: str) -> str | None:
    found = re.search(r"[A-Z]{3}", text)
    return found[0] if found else None


def _account_of(statement: _Statement) -> StatementAccount:
    number = statement.number
    if not number:
        raise StatementError("the statement names no account (:25:)", line=statement.line)
    plain = number.removesuffix(statement.currency or "").strip() if statement.currency else number
    iban = find_iban(plain) or german_iban(plain.replace(" ", ""))
    anchor = account_anchor(iban or plain)
    return StatementAccount(
        key=account_key(anchor),
        name=f"account {account_mask(plain) or ''}".strip(),
        anchor=anchor,
        mask=account_mask(plain),
        currency=statement.currency,
    )


def _read_group(group: list[SwiftField], account: StatementAccount, *, pending: bool) -> Event:
    raw = "\n".join(f":{one.tag}:{one.text}" for one in group)
    first = group[0]
    if first.tag == LOST_LINE:
        return BadRow(line=first.line, reason="looks like a :61: whose tag is damaged", raw=raw, account=account.key)
    try:
        head = line_head(first.text)
    except ValueError as error:
        return BadRow(line=first.line, reason=f"field :61: {error}", raw=raw, account=account.key)
    data = _details(group, head.plain) if head is not None else None
    if head is None or data is None:
        return BadRow(line=first.line, reason=_NO_FORM, raw=raw, account=account.key)
    return Row(line=first.line, transaction=_transaction(account, head.amount, data, raw, pending=pending))


def _details(group: list[SwiftField], plain: str) -> dict[str, Any] | None:
    """Return the library's reading of one transaction in the first dialect that fits; None where none does."""
    texts = "\n".join(f":{one.tag}:{_with_question_marks(one.text)}" for one in group[1:])
    for tags in _DIALECTS:
        # not mt940.parse: it takes a text that happens to be a path for the file of that name
        read = mt940.models.Transactions(tags=tags, options=_OPTIONS)
        try:
            read.parse(f":61:{plain}\n{texts}".rstrip())
        except (RuntimeError, ValueError, ArithmeticError, KeyError, TypeError):
            continue
        if len(read.transactions) == 1 and "amount" in read.transactions[0].data:
            return dict(read.transactions[0].data)
    return None


def _with_question_marks(text: str) -> str:
    """Some banks set off the sub-fields of `:86:` with `>20` instead of `?20`."""
    return _ANGLED.sub("?", text) if _ANGLED_START.match(text) else text


def _plain_day(value: Any) -> date | None:  # noqa: ANN401 - the library's own model
    return date(value.year, value.month, value.day) if value is not None else None


def _transaction(
    account: StatementAccount, amount: Decimal, data: dict[str, Any], raw: str, *, pending: bool
) -> Transaction:
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
        amount=amount,
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

"""MT940 and MT942 in the dialects of real banks: statements, their accounts and balances, page by page."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from worker.connectors.base import Account, BalanceKind
from worker.connectors.file.statement.account_numbers import (
    account_anchor,
    account_key,
    account_mask,
    find_iban,
    german_iban,
    is_broken_iban,
)
from worker.connectors.file.statement.accounting import Part
from worker.connectors.file.statement.currencies import NO_CURRENCY
from worker.connectors.file.statement.errors import StatementError
from worker.connectors.file.statement.events import Closed, Event, Note, Opened, StatedBalance
from worker.connectors.file.statement.reader import StatementReader
from worker.connectors.file.swift.fields import CUT, LOST_LINE, SwiftField, split_fields
from worker.connectors.file.swift.line_heads import stated_balance
from worker.connectors.file.swift.totals import LineTotals
from worker.connectors.file.swift.transactions import read_group

_CODED_TEXT = re.compile(r"\d{3}[?>~<^@|]\d{2}")
_FIELD_WITHIN = re.compile(r":\d{2}[A-Z]?:")
_PAGE = re.compile(r"(\d{1,5})/(\d{1,5})")
_MAX_FIELDS = 200


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
    account: Account | None = None
    currency: str | None = None
    begun: bool = False
    interim: bool = False
    opening: StatedBalance | None = None
    closing: StatedBalance | None = None
    final: bool = False
    available: StatedBalance | None = None
    group: list[SwiftField] = field(default_factory=list)
    totals: LineTotals = field(default_factory=LineTotals)


class SwiftReader(StatementReader):
    """Turns the fields of one file into events; MT942 lines are pending, because the day is not over."""

    def __init__(self, currency: str | None) -> None:
        """Args: currency: code of accounts whose balances state none, as a person states it."""
        super().__init__("field")
        self._currency = currency
        self._without_currency = False
        self._doubted: set[str] = set()
        self._statement: _Statement | None = None
        self._last_page: tuple[int, int] | None = None

    def events(self, lines: Iterable[str]) -> Iterator[Event]:
        """Yield the events of a file. Raises: StatementError when there is no statement or account in it."""
        found = False
        for item in split_fields(lines):
            if item.tag == CUT:
                yield self.remark(item.line, "the file ends within a message: it may have been cut off")
                continue
            self.parts.total += 1
            if item.tag == "25" and _CODED_TEXT.match(item.text):
                yield self.remark(item.line, "field :25: holds the text of a transaction and is read as :86:")
                item.tag = "86"
            found = found or item.tag in {"25", "25P", "61", "60F", "60M"}
            yield from self._take(item)
        yield from self._end()
        if not found:
            raise StatementError("holds no MT940 statement (no account, balance or transaction field)")
        if self._without_currency:
            yield Note(message=NO_CURRENCY)
        yield self.parts.event()

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
            yield self.remark(item.line, "text outside of a field", item.text, pieces=1)
        else:
            yield from self._take_header(statement, item)

    def _take_text(self, statement: _Statement, item: SwiftField) -> Iterator[Event]:
        before = [one for one in statement.group if one.tag == "86"]
        if before and _CODED_TEXT.match(before[0].text) and _CODED_TEXT.match(item.text):
            yield self.remark(item.line, "a second text for one transaction: a line :61: may be missing")
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
            if (doubt := _doubt(item)) is not None and item.text not in self._doubted:
                self._doubted.add(item.text)
                yield self.remark(item.line, doubt, item.text)
        elif tag in {"28", "28C"}:
            yield from self._page(item)
        elif tag[:2] in {"34", "90"} and statement.opening is None:
            yield from self._take_interim(statement, item)
        if tag[:2] in {"20", "21", "13", "25", "28", "34", "65", "86", "90", "94", "NS"}:
            self.parts.use(Part.BALANCE if tag[:2] in {"65", "90"} else Part.HEADER)
        else:
            yield self.remark(item.line, f"field :{tag}: is not known", item.text, pieces=1)

    def _take_interim(self, statement: _Statement, item: SwiftField) -> Iterator[Event]:
        """Read a field that only an MT942 has, of which each line is counted."""
        statement.interim = True
        statement.currency = statement.currency or _first_currency(item.text)
        for difference in statement.totals.differences(item):
            yield self.remark(item.line, difference)

    def _page(self, item: SwiftField) -> Iterator[Event]:
        """Compare the number of a page, `statement/page`, with that of the page before it."""
        found = _PAGE.fullmatch(item.text.strip())
        page = (int(found[1]), int(found[2])) if found is not None else None
        before, self._last_page = self._last_page, page
        if page is not None and before is not None and page[0] == before[0] and page[1] > before[1] + 1:
            yield self.remark(
                item.line, f"page {page[1]} of statement {page[0]} follows page {before[1]}: one is missing"
            )

    def _take_balance(self, statement: _Statement, item: SwiftField) -> Iterator[Event]:
        statement.begun = True
        try:
            kind = BalanceKind.AVAILABLE if item.tag == "64" else BalanceKind.BOOKED
            balance = stated_balance(item.text, kind)
        except ValueError:
            yield self.remark(item.line, f"balance :{item.tag}: cannot be read", item.text, pieces=1)
            return
        self.parts.use(Part.BALANCE)
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
            if statement.account is not None:
                yield self.remark(item.line, "the opening balance stands behind transactions")
        elif before is not None and before.amount != balance.amount:
            reason = f"a page may be missing: one closes with {before.amount:f}, the next opens with {balance.amount:f}"
            yield self.remark(item.line, reason)
        statement.closing = None

    def _flush(self, statement: _Statement) -> Iterator[Event]:
        """Read the gathered `:61:` with its `:86:` fields as one transaction."""
        group, statement.group = statement.group, []
        if not group:
            return
        account, opening = self._account(statement)
        yield from opening
        event = read_group(group, account, pending=statement.interim)
        statement.totals.count(event)
        yield self.counted(event, len(group))

    def _account(self, statement: _Statement) -> tuple[Account, list[Event]]:
        """Return the statement's account, and its opening event the first time."""
        if statement.account is None:
            statement.account = account = _account_of(statement, statement.currency or self._currency)
            self._without_currency = self._without_currency or account.currency is None
            return statement.account, [Opened(account=statement.account, line=statement.line)]
        return statement.account, []

    def _end(self) -> Iterator[Event]:
        statement, self._statement = self._statement, None
        if statement is None:
            return
        if not statement.begun:
            yield self.remark(statement.line, "a statement without balance and transaction")
        if not (statement.number or statement.begun):
            return
        yield from self._flush(statement)
        account, opening = self._account(statement)
        yield from opening
        yield Closed(
            account=account.external_id,
            opening=statement.opening,
            closing=statement.closing,
            available=statement.available,
            line=statement.line,
        )
        if (statement.opening is None) != (statement.closing is None):
            missing = ":62F:: it may have been cut off" if statement.closing is None else ":60F:"
            yield self.remark(statement.line, f"the statement has no balance {missing}")


def _first_line(text: str) -> str | None:
    return text.strip().splitlines()[0].strip() if text.strip() else None


def _doubt(item: SwiftField) -> str | None:
    """Return why the account number in a field may not be the one that the bank wrote; None for a sound one."""
    lines = item.text.strip().splitlines()
    if len(lines) > 1 and item.tag == "25":
        return "field :25: has more than one line: the account number may be broken"
    if lines and _FIELD_WITHIN.search(lines[0]):
        return "another field has run into :25:"
    if lines and is_broken_iban(lines[0].strip()):
        return "the account number looks like an IBAN, and its check digits are wrong"
    return None


def _first_currency(text: str) -> str | None:
    found = re.search(r"[A-Z]{3}", text)
    return found[0] if found else None


def _account_of(statement: _Statement, currency: str | None) -> Account:
    number = statement.number
    if not number:
        raise StatementError("the statement names no account (:25:)", line=statement.line)
    plain = number.removesuffix(currency).strip() if currency else number
    iban = find_iban(plain) or german_iban(plain.replace(" ", ""))
    anchor = account_anchor(iban or plain)
    return Account(
        external_id=account_key(anchor, currency),
        name=f"account {account_mask(plain) or ''}".strip(),
        anchor=anchor,
        mask=account_mask(plain),
        currency=currency,
    )

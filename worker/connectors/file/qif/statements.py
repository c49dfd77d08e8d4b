"""QIF: bank, card and cash sections; it states no currency, and days and amounts are ambiguous as in CSV files."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date

from worker.connectors.base import Account, AccountType, Transaction
from worker.connectors.file.qif.evidence import QifReading
from worker.connectors.file.statement.account_numbers import account_anchor, account_key, account_mask
from worker.connectors.file.statement.accounting import Part
from worker.connectors.file.statement.amounts import parse_amount
from worker.connectors.file.statement.currencies import NO_CURRENCY
from worker.connectors.file.statement.errors import StatementError
from worker.connectors.file.statement.events import Closed, Event, Note, Opened, Row, Skipped, StatedBalance
from worker.connectors.file.statement.reader import StatementReader, bad_row
from worker.connectors.file.statement.written_days import read_day

_SECTIONS = {
    "bank": AccountType.CHECKING,
    "ccard": AccountType.CREDIT,
    "cash": AccountType.CASH,
    "oth a": AccountType.UNKNOWN,
    "oth l": AccountType.LOAN,
}
_OTHER_SECTIONS = frozenset({"invst", "cat", "class", "memorized", "security", "prices", "budget", "invoice", "tax"})
_ONCE = "DTPN"
_PARTS = "LSE%AXU"
_VOID = re.compile(r"(?i)\*\*\s*void\s*\*\*")
_OPENING = re.compile(
    r"(?i)(?:opening|starting|beginning) balance|anfangssaldo|solde initial|saldo (?:inicial|iniziale)"
)
_LEAST_NUMBER = 4


@dataclass(slots=True)
class _Record:
    """The transaction whose lines are being collected."""

    line: int
    values: dict[str, str] = field(default_factory=dict)
    splits: list[str] = field(default_factory=list)
    lines: int = 0
    damaged: str | None = None

    @property
    def raw(self) -> str:
        """The record as text, for the list of rejected rows."""
        return " ".join(f"{code}{text}" for code, text in self.values.items())


class QifReader(StatementReader):
    """Turns the lines of one file into events."""

    def __init__(self, reading: QifReading, currency: str | None) -> None:
        """Args: currency: code of all accounts, as a person states it: the format has none."""
        super().__init__("line")
        self._reading, self._currency = reading, currency
        self._record: _Record | None = None
        self._section: str | None = None
        self._described: dict[str, str] = {}
        self._account: Account | None = None
        self._open: dict[str, Account] = {}
        self._balances: dict[str, StatedBalance] = {}
        self._left_out = 0

    def events(self, lines: Iterable[str]) -> Iterator[Event]:
        """Yield the events of a file. Raises: StatementError when it holds no section of transactions."""
        yield from (Note(message=note) for note in self._reading.notes)
        number, sections = 0, 0
        for number, raw in enumerate(lines, start=1):
            line = raw.strip("\r\n\ufeff").rstrip()
            if not line:
                continue
            self.parts.total += 1
            sections += line.lower().startswith("!type:")
            yield from self._take(number, line)
        if self._record is not None:
            yield self.remark(number, "the last transaction is not ended: the file may have been cut off")
            yield from self._end()
        if not sections:
            raise StatementError("holds no section of transactions (!Type:Bank, CCard, Cash)")
        if self._left_out:
            yield Skipped(line=1, reason=f"{self._left_out} records of lists and securities: no money spent")
        if self._currency is None and self._open:
            yield Note(message=NO_CURRENCY)
        yield from (Closed(account=key, opening=self._balances.get(key)) for key in self._open)
        yield self.parts.event()

    def _take(self, number: int, line: str) -> Iterator[Event]:
        if line.startswith("!"):
            yield from self._begin(number, line)
        elif self._section == "account":
            self._describe(line)
        elif self._section is None:
            self.parts.use(Part.REJECTED)
            if line == "^":
                yield bad_row(number, "a record stands before any section (!Type:)", line, None)
        elif self._section not in _SECTIONS:
            self.parts.use(Part.LEFT_OUT)
            self._left_out += line == "^"
        else:
            yield from self._collect(number, line)

    def _begin(self, number: int, line: str) -> Iterator[Event]:
        kind, _, name = line[1:].strip().lower().partition(":")
        self.parts.use(Part.HEADER)
        if kind in {"option", "clear"}:
            return  # it sets how the file is read, and begins no section
        yield from self._end()
        self._section = name.strip() if kind == "type" else kind
        self._account = None
        if self._section == "account":
            self._described = {}
        elif kind == "type" and self._section not in _SECTIONS.keys() | _OTHER_SECTIONS:
            raise StatementError(f"section '{line[:40]}' is not known", line=number)
        elif self._section in _SECTIONS:
            self._account = self._account_of(self._section)
            if self._account.external_id in self._open:
                yield Closed(account=self._account.external_id, line=number)
            self._open[self._account.external_id] = self._account
            yield Opened(account=self._account, line=number)

    def _describe(self, line: str) -> None:
        self.parts.use(Part.HEADER)
        self._described.setdefault(line[:1].upper(), line[1:].strip())

    def _account_of(self, section: str) -> Account:
        """Return the account that an `!Account` block before the section describes, else one for its type."""
        name = self._described.get("N", "")
        has_number = sum(mark.isdigit() for mark in name) >= _LEAST_NUMBER
        anchor = account_anchor(name) if has_number else None
        return Account(
            external_id=account_key(anchor or f"file:qif:{section}:{name.casefold()}", self._currency),
            name=account_mask(name) or "account" if has_number else name or f"QIF {section}",
            anchor=anchor,
            mask=account_mask(name) if has_number else None,
            account_type=_SECTIONS[section],
            currency=self._currency,
        )

    def _collect(self, number: int, line: str) -> Iterator[Event]:
        if line == "^":
            self._record = self._record or _Record(number)
            self._record.lines += 1
            yield from self._end()
            return
        record = self._record = self._record or _Record(number)
        record.lines += 1
        code, text = line[:1].upper(), line[1:].strip()
        if code in record.values and code in _ONCE and record.values[code] != text:
            record.damaged = "two transactions have run together: the line ^ between them is missing"
        elif code == "M" and record.values.get("M", text) != text:
            record.values["M"] += f" {text}"
            yield self.remark(number, "a second memo: the line ^ before it may be missing", line)
        elif code == "$":
            record.splits.append(text)
        elif code in "DTPNMCLU" or code in _PARTS:
            record.values.setdefault(code, text)
        else:
            yield self.remark(number, f"a line that begins with '{code}' is not known", line)

    def _end(self) -> Iterator[Event]:
        record, self._record = self._record, None
        if record is None or self._account is None:
            return
        if not record.values:
            reason = "a transaction without any line: its lines may be missing"
            yield self.remark(record.line, reason, pieces=record.lines)
            return
        if self._is_opening(record):
            self.parts.use(Part.BALANCE, record.lines)
            yield from self._opening(record, self._account)
        elif _VOID.search(record.values.get("P", "")) or _VOID.search(record.values.get("T", "")):
            self.parts.use(Part.LEFT_OUT, record.lines)
            yield Skipped(line=record.line, reason="a void transaction")
        else:
            event = self._row(record, self._account)
            yield self.counted(event, record.lines)
            if isinstance(event, Row) and (difference := self._difference(record)) is not None:
                yield self.remark(record.line, difference, record.raw)

    def _is_opening(self, record: _Record) -> bool:
        """Return whether a record is the balance that the account began with, which programs write as a transaction."""
        return _OPENING.fullmatch(record.values.get("P", "")) is not None

    def _opening(self, record: _Record, account: Account) -> Iterator[Event]:
        try:
            amount = parse_amount(record.values.get("T") or record.values.get("U", ""), self._reading.mark)
            on = self._day(record.values.get("D", ""))
        except ValueError:
            yield self.remark(record.line, "the opening balance cannot be read", record.raw)
            return
        self._balances[account.external_id] = StatedBalance(amount=amount, on=on)
        yield Skipped(line=record.line, reason="an opening balance, no booking")

    def _difference(self, record: _Record) -> str | None:
        """Return how the parts of a split transaction miss its amount; None where they make it, or cannot be read."""
        try:
            parts = sum(parse_amount(text, self._reading.mark) for text in record.splits)
            whole = parse_amount(record.values.get("T") or record.values.get("U", ""), self._reading.mark)
        except ValueError:
            return None
        return f"the parts of a split make {parts:f}, the whole {whole:f}" if record.splits and parts != whole else None

    def _day(self, text: str) -> date:
        return read_day(text, self._reading.order, croatian=self._reading.croatian_months)

    def _row(self, record: _Record, account: Account) -> Event:
        try:
            return Row(line=record.line, transaction=self._transaction(record, account))
        except ValueError as error:
            return bad_row(record.line, str(error), record.raw, account)

    def _transaction(self, record: _Record, account: Account) -> Transaction:
        """Raises: ValueError saying what is missing or wrong."""
        values = record.values
        if record.damaged:
            raise ValueError(record.damaged)
        amount = values.get("T") or values.get("U")
        if not amount or not values.get("D"):
            raise ValueError("has no amount (T)" if values.get("D") else "has no date (D)")
        stated = {parse_amount(text, self._reading.mark) for code in "TU" if (text := values.get(code))}
        if len(stated) > 1:
            raise ValueError("states two amounts (T and U)")
        money = stated.pop()
        payee = values.get("P") or None
        return Transaction(
            account_id=account.external_id,
            amount=-money if self._reading.positive_is == "out" and money else money,
            description=" ".join(part for part in (payee, values.get("M")) if part),
            booking_on=self._day(values["D"]),
            counterparty=payee,
            reference=values.get("N"),
            raw=dict(values),
        )

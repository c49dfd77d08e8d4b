"""QIF: bank, card and cash sections; it states no currency, and days and amounts are ambiguous as in CSV files."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from worker.connectors.base import AccountType, Transaction
from worker.connectors.file.statement.account_numbers import account_anchor, account_key, account_mask
from worker.connectors.file.statement.amounts import Mark, decide_decimal, decimal_evidence, parse_amount
from worker.connectors.file.statement.dates import Order, decide_order, fitting_orders, parse_day
from worker.connectors.file.statement.events import (
    BadRow,
    Closed,
    Doubt,
    Event,
    Opened,
    Part,
    PartCounter,
    Remark,
    Row,
    Skipped,
    StatementAccount,
    StatementError,
)

_SECTIONS = {
    "bank": AccountType.CHECKING,
    "ccard": AccountType.CREDIT,
    "cash": AccountType.CASH,
    "oth a": AccountType.UNKNOWN,
    "oth l": AccountType.LOAN,
}
_OTHER_SECTIONS = frozenset({"invst", "cat", "class", "memorized", "security", "prices", "budget", "invoice", "tax"})
_ONCE = "DTPN"
_PARTS = "LSE$%AXU"
_SAMPLE = 500
_LEAST_NUMBER = 4
_MAX_RAW_CHARACTERS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class QifReading:
    """How the cells of a file are read."""

    order: Order
    mark: Mark


@dataclass(slots=True)
class _Record:
    """The transaction whose lines are being collected."""

    line: int
    values: dict[str, str] = field(default_factory=dict)
    lines: int = 0
    damaged: str | None = None

    @property
    def raw(self) -> str:
        """The record as text, for the list of rejected rows."""
        return " ".join(f"{code}{text}" for code, text in self.values.items())[:_MAX_RAW_CHARACTERS]


def decide_qif(lines: Iterable[str], order: Order | None, mark: Mark | None) -> QifReading:
    """Decide how days and amounts of a file are written, from all of them; what a person states wins.

    Raises: StatementError when the file fits two readings and proves neither.
    """
    days: list[str] = []
    orders: set[Order] = {"ymd", "dmy", "mdy"}
    marks: set[Mark | None] = set()
    undecided = None
    for line in lines:
        code, text = line[:1].upper(), line[1:].strip()
        if code == "D" and (fits := fitting_orders(text)):
            orders &= fits
            days += [text] if len(days) < _SAMPLE else []
        elif code in {"T", "U"} and text:
            marks.add(evidence := decimal_evidence(text))
            undecided = text if evidence is None and ("," in text or "." in text) else undecided
    if order is None:
        order = _order(frozenset(orders), days)
    if mark is None:
        mark = _mark(marks, undecided)
    return QifReading(order=order, mark=mark)


def _order(orders: frozenset[Order], days: list[str]) -> Order:
    if not days:
        return "mdy"
    try:
        return decide_order(orders, days)[0]
    except ValueError as error:
        choices = tuple(sorted(orders)) or ("dmy", "mdy")
        doubt = Doubt(field="date_order", text=f"In which order is '{days[0]}' written?", choices=choices)
        raise StatementError(str(error), doubts=(doubt,)) from None


def _mark(marks: set[Mark | None], undecided: str | None) -> Mark:
    doubt = Doubt(field="decimal", text="Which decimal mark do the amounts have?", choices=(".", ","))
    try:
        decided = decide_decimal(marks)
    except ValueError as error:
        raise StatementError(f"{error}: state --decimal", doubts=(doubt,)) from None
    if decided is None and undecided is not None:
        reason = f"amounts like '{undecided[:20]}' fit decimal point and comma: state --decimal"
        raise StatementError(reason, doubts=(doubt,))
    return decided or "."


def read_qif(lines: Iterable[str], reading: QifReading) -> Iterator[Event]:
    """Yield the events of a QIF file.

    Raises: StatementError when it holds no section of transactions.
    """
    yield from _QifReader(reading).events(lines)


class _QifReader:
    def __init__(self, reading: QifReading) -> None:
        self._reading = reading
        self._parts = PartCounter("line")
        self._record: _Record | None = None
        self._section: str | None = None
        self._described: dict[str, str] = {}
        self._account: StatementAccount | None = None
        self._open: dict[str, StatementAccount] = {}
        self._left_out = 0

    def events(self, lines: Iterable[str]) -> Iterator[Event]:
        number, sections = 0, 0
        for number, raw in enumerate(lines, start=1):
            line = raw.strip("\r\n\ufeff").rstrip()
            if not line:
                continue
            self._parts.total += 1
            sections += line.lower().startswith("!type:")
            yield from self._take(number, line)
        if self._record is not None:
            yield Remark(line=number, reason="the last transaction is not ended: the file may have been cut off")
            yield from self._end()
        if not sections:
            raise StatementError("holds no section of transactions (!Type:Bank, CCard, Cash)")
        if self._left_out:
            yield Skipped(line=1, reason=f"{self._left_out} records of lists and securities: no money spent")
        yield from (Closed(account=key) for key in self._open)
        yield self._parts.event()

    def _take(self, number: int, line: str) -> Iterator[Event]:
        if line.startswith("!"):
            yield from self._begin(number, line)
        elif self._section == "account":
            self._describe(line)
        elif self._section not in _SECTIONS:
            self._parts.use(Part.LEFT_OUT)
            self._left_out += line == "^"
        else:
            yield from self._collect(number, line)

    def _begin(self, number: int, line: str) -> Iterator[Event]:
        yield from self._end()
        self._parts.use(Part.HEADER)
        kind, _, name = line[1:].strip().lower().partition(":")
        self._section = name.strip() if kind == "type" else kind
        self._account = None
        if self._section == "account":
            self._described = {}
        elif kind == "type" and self._section not in _SECTIONS.keys() | _OTHER_SECTIONS:
            raise StatementError(f"section '{line[:40]}' is not known", line=number)
        elif self._section in _SECTIONS:
            self._account = self._account_of(self._section)
            if self._account.key not in self._open:
                self._open[self._account.key] = self._account
                yield Opened(account=self._account, line=number)

    def _describe(self, line: str) -> None:
        self._parts.use(Part.HEADER)
        self._described.setdefault(line[:1].upper(), line[1:].strip())

    def _account_of(self, section: str) -> StatementAccount:
        """Return the account that an `!Account` block before the section describes, else one for its type."""
        name = self._described.get("N", "")
        has_number = sum(mark.isdigit() for mark in name) >= _LEAST_NUMBER
        anchor = account_anchor(name) if has_number else None
        return StatementAccount(
            key=account_key(anchor or f"file:qif:{section}:{name.casefold()}"),
            name=account_mask(name) or "account" if has_number else name or f"QIF {section}",
            anchor=anchor,
            mask=account_mask(name) if has_number else None,
            account_type=_SECTIONS[section],
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
            yield Remark(line=number, reason="a second memo: the line ^ before it may be missing", raw=line)
        elif code in "DTPNMCLU" or code in _PARTS:
            record.values.setdefault(code, text)
        else:
            yield Remark(line=number, reason=f"a line that begins with '{code}' is not known", raw=line)

    def _end(self) -> Iterator[Event]:
        record, self._record = self._record, None
        if record is None or self._account is None:
            return
        if not record.values:
            self._parts.use(Part.REMARK, record.lines)
            yield Remark(line=record.line, reason="a transaction without any line: its lines may be missing")
            return
        event = self._row(record, self._account)
        self._parts.use(Part.TRANSACTION if isinstance(event, Row) else Part.REJECTED, record.lines)
        yield event

    def _row(self, record: _Record, account: StatementAccount) -> Event:
        try:
            return Row(line=record.line, transaction=self._transaction(record, account))
        except ValueError as error:
            return BadRow(line=record.line, reason=str(error), raw=record.raw, account=account.key)

    def _transaction(self, record: _Record, account: StatementAccount) -> Transaction:
        """Raises: ValueError saying what is missing or wrong."""
        values = record.values
        if record.damaged:
            raise ValueError(record.damaged)
        amount = values.get("T") or values.get("U")
        if not amount or not values.get("D"):
            raise ValueError("has no amount (T)" if values.get("D") else "has no date (D)")
        payee = values.get("P") or None
        return Transaction(
            account_id=account.key,
            amount=parse_amount(amount, self._reading.mark),
            description=" ".join(part for part in (payee, values.get("M")) if part),
            booking_on=parse_day(values["D"], self._reading.order),
            counterparty=payee,
            reference=values.get("N"),
            raw=dict(values),
        )

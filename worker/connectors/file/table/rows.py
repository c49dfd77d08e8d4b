"""Reads a table: finds its layout, decides how cells are read, then turns rows into events."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from worker.connectors.base import Transaction, TransactionKind
from worker.connectors.file.statement.account_numbers import find_iban
from worker.connectors.file.statement.dates import parse_day, parse_day_as, parse_moment
from worker.connectors.file.statement.events import (
    BadRow,
    Event,
    Note,
    Part,
    PartCounter,
    Remark,
    Row,
    Skipped,
    StatementError,
)
from worker.connectors.file.table.accounts import Accounts
from worker.connectors.file.table.csv_records import Record
from worker.connectors.file.table.decisions import Decisions, Hints, decide_reading
from worker.connectors.file.table.layout import (
    LEAST_CONFIDENCE,
    Layout,
    detect_layout,
    holds_amount,
    looks_like_booking,
    numbered,
    says_total,
)
from worker.connectors.file.table.profile import Profile, plain
from worker.connectors.file.table.row_amount import cell, decimals, row_amount, stated_amounts
from worker.connectors.file.table.sources import TableSource

_LEAST_DATE_DIGITS = 4
_LONGEST_DAY = 10
_FIGURE = re.compile(r"[1-9]")
_MAX_RAW_CHARACTERS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table understood, before a row of it is used.

    Attributes:
        currency: Code of rows whose own currency is missing or not understood, as a person states it.
    """

    source: TableSource
    layout: Layout
    decisions: Decisions
    currency: str | None = None

    def records(self) -> Iterator[Record]:
        """Yield the records that hold anything."""
        return _filled(self.source, self.layout)


def _filled(source: TableSource, layout: Layout) -> Iterator[Record]:
    return (record for record in source.all_records(layout.delimiter) if not record.blank)


def understand_table(
    source: TableSource,
    profiles: Sequence[Profile],
    *,
    chosen: Profile | None = None,
    stated: Mapping[str, str] | None = None,
    hints: Hints,
) -> Table:
    """Find out how a table is to be read.

    Raises: StatementError when no layout fits, confidence is below one half, or the table fits two readings.
    """
    layout = detect_layout(source.heads(), profiles, chosen=chosen, stated=stated)
    if layout.confidence < LEAST_CONFIDENCE:
        raise StatementError("the layout is not recognised well enough; describe it in a profile")

    def rows() -> Iterator[Record]:
        return (record for record in _filled(source, layout) if record.line > layout.header_line)

    layout, decisions = decide_reading(layout, rows, hints)
    return Table(source=source, layout=layout, decisions=decisions, currency=hints.currency)


def read_table(table: Table, parts: PartCounter) -> Iterator[Event]:
    """Yield the events of a table, and count in `parts` what its rows were used as.

    Raises: StatementError naming the line where another table or account begins.
    """
    yield from (Note(message=note) for note in table.decisions.notes)
    if table.decisions.unused:
        yield Note(message=f"columns that are not read: {', '.join(table.decisions.unused)}")
    accounts = Accounts(table.layout, table.decisions.chain, table.currency)
    reader = _RowReader(table.layout, table.decisions, accounts)
    for record in table.records():
        parts.total += 1
        part, event = reader.use(record)
        parts.use(part)
        yield from accounts.newly_opened(record.line)
        if event is not None:
            yield event
        if record.damaged and isinstance(event, Row):
            yield Remark(line=record.line, reason=record.damaged, raw=record.raw[:_MAX_RAW_CHARACTERS])
    yield from accounts.close()


class _RowReader:
    """Turns records into events by one layout."""

    def __init__(self, layout: Layout, decisions: Decisions, accounts: Accounts) -> None:
        profile = layout.profile
        self._layout, self._decisions, self._profile, self._accounts = layout, decisions, profile, accounts
        self._footers = [re.compile(pattern) for pattern in profile.footer]
        self._skip = self._conditions(profile.skip)
        self._pending = self._conditions(profile.pending)
        self._booked = self._conditions(profile.booked)
        self._texts = [layout.column(name) for name in profile.description]
        self._date_at = layout.column(profile.date)
        money = (profile.amount, profile.debit, profile.credit, profile.amount_in, *profile.amounts)
        self._money_at = layout.places(*money)
        self._bought_at, self._value_at = layout.column(profile.transaction_date), layout.column(profile.value_date)
        self._name_at, self._reference_at = layout.column(profile.counterparty), layout.column(profile.reference)
        self._id_at, self._other_at = layout.column(profile.id), layout.column(profile.counterparty_account)
        self._detail_at = layout.column(profile.detail)
        # words that stand in the place of the day of a pending row
        self._undated = frozenset(word for at, words in self._pending if at == self._date_at for word in words)
        self._transfers = self._conditions(profile.transfers)

    def _conditions(self, stated: Mapping[str, Sequence[str]]) -> list[tuple[int | None, frozenset[str]]]:
        return [
            (self._layout.column(name), frozenset(plain(value) for value in values)) for name, values in stated.items()
        ]

    def use(self, record: Record) -> tuple[Part, Event | None]:
        """Return what one record of the file is, and its event."""
        if record.line <= self._layout.header_line:
            return self._above(record)
        if (reason := self._no_booking(record)) is not None:
            header = reason == _HEADER_AGAIN
            return Part.HEADER if header else Part.LEFT_OUT, Skipped(line=record.line, reason=reason)
        try:
            event: Event = self._row(record)
        except ValueError as error:
            event = self._unread(record, str(error))
        match event:
            case Row():
                return Part.TRANSACTION, event
            case Skipped():
                return Part.LEFT_OUT, event
            case Remark():
                return Part.REMARK, event
            case _:
                return Part.REJECTED, event

    def _above(self, record: Record) -> tuple[Part, Event | None]:
        is_header = record.line == self._layout.header_line
        if looks_like_booking(record) or self._reads(record) or (is_header and holds_amount(record)):
            where = "in the line of the header" if is_header else "above the header"
            return Part.REJECTED, BadRow(line=record.line, reason=f"looks like a booking {where}", raw=record.raw)
        return Part.HEADER, None

    def _reads(self, record: Record) -> bool:
        """Return whether a row has a day and an amount where the columns of the table are."""
        try:
            self._day(cell(record, self._date_at))
            row_amount(self._layout, record, self._decisions.mark, self._decisions.signed_sides)
        except ValueError:
            return False
        return True

    def _no_booking(self, record: Record) -> str | None:
        if plain(record.cells[0]) == self._layout.header[0] and numbered(record.cells) == self._layout.header:
            return _HEADER_AGAIN
        if self._footers:
            line = ",".join(record.cells)
            if any(pattern.search(line) for pattern in self._footers):
                return "a line the profile leaves out"
        if self._detail_at is not None and cell(record, self._detail_at) and not self._paid(record):
            return "details of the booking above"
        for index, values in self._skip:
            if plain(text := cell(record, index)) in values:
                return f"left out by the profile ({text or 'empty'})"
        return None

    def _unread(self, record: Record, reason: str) -> Event:
        """Say what a record is that could not be read: a booking, a total, or another table's account."""
        dated = cell(record, self._date_at)
        paid = self._paid(record)
        booking = sum(mark.isdigit() for mark in dated) >= _LEAST_DATE_DIGITS and not says_total(
            Record(record.line, (dated,))
        )
        if says_total(record) and not (booking and paid):
            return Skipped(line=record.line, reason="a total or a remark")
        if booking or paid or looks_like_booking(record) or _in_one_cell(record):
            return BadRow(line=record.line, reason=reason, raw=record.raw)
        own = self._layout.iban
        if (iban := find_iban(record.raw)) is not None and iban != own:
            raise StatementError(
                "another account begins here: save each account in a file of its own", line=record.line
            )
        return Remark(line=record.line, reason="a line that is no booking", raw=record.raw[:_MAX_RAW_CHARACTERS])

    def _paid(self, record: Record) -> bool:
        """Return whether a column of amounts holds a figure."""
        return any(any(mark.isdigit() for mark in cell(record, at)) for at in self._money_at)

    def _row(self, record: Record) -> Row:
        """Read a record as a booking. Raises: ValueError saying what is missing or wrong."""
        transaction, balance = self._transaction(record)
        self._check_width(record)
        self._check_decimals(record)
        for index, values in self._booked:
            text = cell(record, index)
            if plain(text) not in values and not transaction.pending:
                raise ValueError(f"status '{text[:40]}' is neither booked, pending nor void")
        self._accounts.note(transaction, balance)
        return Row(line=record.line, transaction=transaction)

    def _check_width(self, record: Record) -> None:
        """Raises: ValueError for a row wider or narrower than the header, unless many rows of this file are."""
        width, expected = len(record.cells), len(self._layout.header)
        if any(record.cells[expected:]) or (width != expected and width not in self._decisions.widths):
            raise ValueError(f"has {width} cells where the header has {expected}")

    def _check_decimals(self, record: Record) -> None:
        """Raises: ValueError for an amount whose decimals are not those of all others."""
        expected = self._decisions.decimals
        if expected is None:
            return
        for at in self._money_at:
            text = cell(record, at)
            if text and decimals(text) != expected and _FIGURE.search(text):
                raise ValueError(f"amount '{text[:40]}' has not the {expected} decimals that all others have")

    def _day(self, text: str) -> date:
        if self._profile.date_format:
            return parse_day_as(text, self._profile.date_format)
        return parse_day(text, self._decisions.order or "ymd")

    def _stated(self, record: Record, at: int | None) -> date | datetime | None:
        """Return what a date column says: a day, or the moment where it states one in UTC."""
        text = cell(record, at)
        if not text:
            return None
        if len(text) > _LONGEST_DAY and (moment := parse_moment(text)) is not None:
            return moment
        try:
            return self._day(text)
        except ValueError as error:
            raise ValueError(f"date '{text[:40]}' {_short(error)}") from None

    def _transaction(self, record: Record) -> tuple[Transaction, Decimal | None]:
        layout, accounts = self._layout, self._accounts
        pending = any(plain(cell(record, index)) in values for index, values in self._pending)
        undated = pending and plain(cell(record, self._date_at)) in self._undated
        booked = None if undated else self._stated(record, self._date_at)
        bought = self._stated(record, self._bought_at)
        if booked is None and bought is None and not undated:
            raise ValueError("has no date")
        value = self._stated(record, self._value_at)
        amount = row_amount(layout, record, self._decisions.mark, self._decisions.signed_sides)
        account = accounts.of(record)
        moves = any(plain(cell(record, index)) in values for index, values in self._transfers)
        name = cell(record, self._name_at) or None
        reference = cell(record, self._reference_at)
        transaction = Transaction(
            account_id=account.key,
            amount=-amount if self._decisions.flipped and amount else amount,
            currency=accounts.currency(record),
            description=" ".join(" ".join(cell(record, at) for at in self._texts).split()) or name or "",
            external_id=cell(record, self._id_at) or None,
            pending=pending,
            booking_on=_day_only(booked),
            booking_at=_moment_only(booked),
            value_on=value.date() if isinstance(value, datetime) else value,
            transaction_on=_day_only(bought),
            transaction_at=_moment_only(bought),
            counterparty=name,
            counterparty_account=cell(record, self._other_at) or None,
            reference=reference or None,
            stated_amounts=stated_amounts(layout, record, self._decisions.mark, amount),
            kind=TransactionKind.TRANSFER if moves else None,
            raw={key or "-": text for key, text in zip(layout.header, record.cells, strict=False) if text},
        )
        return transaction, accounts.balance(record, self._decisions.mark)


_HEADER_AGAIN = "the header repeated"


def _in_one_cell(record: Record) -> bool:
    """Whether a whole row of the table stands in one cell, as quotes around a line make it."""
    return any(looks_like_booking(Record(record.line, tuple(re.split(r"[,;|\t]", text)))) for text in record.cells)


def _day_only(stated: date | datetime | None) -> date | None:
    return None if isinstance(stated, datetime) else stated


def _moment_only(stated: date | datetime | None) -> datetime | None:
    return stated if isinstance(stated, datetime) else None


def _short(error: ValueError) -> str:
    """Python's own sentences about dates name its modules; ours do not."""
    text = str(error)
    return text if text.startswith(("is", "has", "names", "begins")) else "is no day of the calendar in this format"

"""Reads a CSV statement: finds its layout, decides how cells are read, then turns rows into events."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import islice

from worker.connectors.base import Transaction
from worker.connectors.file.statement.dates import parse_day, parse_day_as, parse_moment
from worker.connectors.file.statement.encodings import text_lines
from worker.connectors.file.statement.events import BadRow, Event, Note, Row, Skipped, StatementError
from worker.connectors.file.statement.files import Member, open_member
from worker.connectors.file.table.accounts import Accounts
from worker.connectors.file.table.csv_records import Record, records
from worker.connectors.file.table.decisions import Decisions, Hints, decide_reading
from worker.connectors.file.table.layout import LEAST_CONFIDENCE, Layout, detect_layout, numbered
from worker.connectors.file.table.profile import Profile, plain
from worker.connectors.file.table.row_amount import cell, row_amount

_HEAD_LINES = 200
_TOTALS = re.compile(
    r"(?i)\b(?:total|totals|sum|summe|subtotal|saldo|solde|balance|kontostand|end of|page|seite|opening|closing|"
    r"anfangssaldo|endsaldo|totale|totaal|suma|generated|printed|statement|records?|rows?)\b"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvTable:
    """A CSV file understood, before a row of it is used."""

    member: Member
    encoding: str
    layout: Layout
    decisions: Decisions


def _rows(member: Member, encoding: str, layout: Layout) -> Iterator[Record]:
    """Yield the records under the header; blank ones are left out."""
    with open_member(member) as stream:
        for record in records(text_lines(stream, encoding), layout.delimiter):
            if record.line > layout.header_line and not record.blank and not record.cells[0].startswith("sep="):
                yield record


def understand_table(
    member: Member, encoding: str, profiles: Sequence[Profile], *, chosen: Profile | None = None, hints: Hints
) -> CsvTable:
    """Find out how a CSV file is to be read.

    Raises: StatementError when no layout fits, confidence is below one half, or the file fits two readings.
    """
    with open_member(member) as stream:
        head = list(islice(text_lines(stream, encoding), _HEAD_LINES))
    layout = detect_layout(head, profiles, chosen=chosen)
    if layout.confidence < LEAST_CONFIDENCE:
        raise StatementError("the layout is not recognised well enough; describe it in a profile")
    decisions = decide_reading(layout, lambda: _rows(member, encoding, layout), hints)
    return CsvTable(member=member, encoding=encoding, layout=layout, decisions=decisions)


def read_table(table: CsvTable) -> Iterator[Event]:
    """Yield the events of a CSV file.

    Raises: StatementError naming the line where the file stops being CSV.
    """
    yield from (Note(message=note) for note in table.decisions.notes)
    accounts = Accounts(table.layout, table.decisions.chain)
    reader = _RowReader(table.layout, table.decisions)
    for record in _rows(table.member, table.encoding, table.layout):
        event = reader.read(record, accounts)
        yield from accounts.newly_opened(record.line)
        yield event
    yield from accounts.close()


class _RowReader:
    """Turns records into events by one layout."""

    def __init__(self, layout: Layout, decisions: Decisions) -> None:
        profile = layout.profile
        self._layout, self._decisions, self._profile = layout, decisions, profile
        self._footers = [re.compile(pattern) for pattern in profile.footer]
        self._skip = self._conditions(profile.skip)
        self._pending = self._conditions(profile.pending)
        self._texts = [layout.column(name) for name in profile.description]

    def _conditions(self, stated: object) -> list[tuple[int | None, frozenset[str]]]:
        items = dict(stated).items() if isinstance(stated, dict) else []
        return [(self._layout.column(name), frozenset(plain(value) for value in values)) for name, values in items]

    def read(self, record: Record, accounts: Accounts) -> Event:
        """Return what one record is."""
        if (reason := self._no_booking(record)) is not None:
            return Skipped(line=record.line, reason=reason)
        try:
            transaction, balance = self._transaction(record, accounts)
        except ValueError as error:
            if self._is_total(record):
                return Skipped(line=record.line, reason="a total or a remark")
            return BadRow(line=record.line, reason=str(error), raw=record.raw)
        accounts.note(transaction, balance)
        return Row(line=record.line, transaction=transaction)

    def _no_booking(self, record: Record) -> str | None:
        if plain(record.cells[0]) == self._layout.header[0] and numbered(record.cells) == self._layout.header:
            return "the header repeated"
        line = ",".join(record.cells)
        if any(pattern.search(line) for pattern in self._footers):
            return "a line the profile leaves out"
        for index, values in self._skip:
            if plain(text := cell(record, index)) in values:
                return f"left out by the profile ({text or 'empty'})"
        return None

    def _is_total(self, record: Record) -> bool:
        """A line without a date that holds no amount either, or says that it is a total."""
        column = self._layout.column
        if cell(record, column(self._profile.date)) and self._dated(record):
            money = (self._profile.amount, self._profile.debit, self._profile.credit)
            return not any(cell(record, column(name)) for name in money) and self._says_total(record)
        money = (self._profile.amount, self._profile.debit, self._profile.credit)
        return not any(cell(record, column(name)) for name in money) or self._says_total(record)

    def _says_total(self, record: Record) -> bool:
        return any(_TOTALS.search(text) for text in record.cells if not any(mark.isdigit() for mark in text[:1]))

    def _dated(self, record: Record) -> bool:
        try:
            self._day(cell(record, self._layout.column(self._profile.date)))
        except ValueError:
            return False
        return True

    def _day(self, text: str) -> date:
        if self._profile.date_format:
            return parse_day_as(text, self._profile.date_format)
        return parse_day(text, self._decisions.order or "ymd")

    def _stated(self, record: Record, name: str | None) -> date | datetime | None:
        """Return what a date column says: a day, or the moment where it states one in UTC."""
        text = cell(record, self._layout.column(name))
        if not text:
            return None
        moment = parse_moment(text)
        if moment is not None:
            return moment
        try:
            return self._day(text)
        except ValueError as error:
            raise ValueError(f"date '{text[:40]}' {_short(error)}") from None

    def _transaction(self, record: Record, accounts: Accounts) -> tuple[Transaction, Decimal | None]:
        layout, profile = self._layout, self._profile
        pending = any(plain(cell(record, index)) in values for index, values in self._pending)
        booked = self._stated(record, profile.date)
        bought = self._stated(record, profile.transaction_date)
        if booked is None and bought is None:
            raise ValueError("has no date")
        value = self._stated(record, profile.value_date)
        amount = row_amount(layout, record, self._decisions.mark)
        account = accounts.of(record)
        name = cell(record, layout.column(profile.counterparty)) or None
        reference = cell(record, layout.column(profile.reference))
        transaction = Transaction(
            account_id=account.key,
            amount=-amount if self._decisions.flipped and amount else amount,
            currency=accounts.currency(record),
            description=" ".join(" ".join(cell(record, at) for at in self._texts).split()) or name or "",
            external_id=cell(record, layout.column(profile.id)) or None,
            pending=pending,
            booking_on=_day_only(booked),
            booking_at=_moment_only(booked),
            value_on=value.date() if isinstance(value, datetime) else value,
            transaction_on=_day_only(bought),
            transaction_at=_moment_only(bought),
            counterparty=name,
            counterparty_account=cell(record, layout.column(profile.counterparty_account)) or None,
            reference=reference or None,
            raw={key or "-": text for key, text in zip(layout.header, record.cells, strict=False) if text},
        )
        return transaction, accounts.balance(record, self._decisions.mark)


def _day_only(stated: date | datetime | None) -> date | None:
    return None if isinstance(stated, datetime) else stated


def _moment_only(stated: date | datetime | None) -> datetime | None:
    return stated if isinstance(stated, datetime) else None


def _short(error: ValueError) -> str:
    """Python's own sentences about dates name its modules; ours do not."""
    text = str(error)
    return text if text.startswith(("is", "has", "names", "begins")) else "is no day of the calendar in this format"

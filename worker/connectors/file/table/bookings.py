"""Reads a record of a table as the bookings that it states, by a layout and a reading that are decided."""

import re
from datetime import date, datetime
from decimal import Decimal

from worker.connectors.base import Transaction, TransactionKind
from worker.connectors.file.statement.amounts import decimal_evidence
from worker.connectors.file.statement.dates import parse_day_as, parse_moment
from worker.connectors.file.statement.events import Row
from worker.connectors.file.statement.written_days import read_day
from worker.connectors.file.table.accounts import Accounts
from worker.connectors.file.table.conditions import Conditions
from worker.connectors.file.table.csv_records import Record
from worker.connectors.file.table.decisions import Decisions
from worker.connectors.file.table.layout import Layout
from worker.connectors.file.table.profile import plain
from worker.connectors.file.table.row_amount import cell, decimals, row_amount, stated_amounts
from worker.connectors.file.table.state_words import UNDATED_WORDS

_GROUP = 3  # figures that a mark of thousands sets off
_LONGEST_DAY = 10
_FIGURE = re.compile(r"[1-9]")


class BookingReader:
    """Turns records that are bookings into rows."""

    def __init__(self, layout: Layout, decisions: Decisions, accounts: Accounts) -> None:
        profile = layout.profile
        self._layout, self._decisions, self._profile, self._accounts = layout, decisions, profile, accounts
        self._pending = Conditions(layout, profile.pending)
        self._booked = Conditions(layout, profile.booked)
        self._transfers = Conditions(layout, profile.transfers)
        self._texts = [layout.column(name) for name in profile.description]
        self.date_at = layout.column(profile.date)
        money = (profile.amount, profile.debit, profile.credit, profile.amount_in, *profile.amounts)
        self.money_at = layout.places(*money)
        self._bought_at, self._value_at = layout.column(profile.transaction_date), layout.column(profile.value_date)
        self._name_at, self._reference_at = layout.column(profile.counterparty), layout.column(profile.reference)
        self._id_at, self._other_at = layout.column(profile.id), layout.column(profile.counterparty_account)
        # words that stand in the place of the day of a pending row
        stated = (word for at, words in self._pending.columns if at == self.date_at for word in words)
        self._undated = frozenset({*UNDATED_WORDS, *stated})
        self._type_at = layout.column(profile.type)
        self._conversions = frozenset(plain(word) for word in profile.conversion_words)
        self.words_at = [at for at in (*self._texts, self._name_at) if at is not None]

    @property
    def states_are_columns(self) -> bool:
        """Whether a column says which rows are booked."""
        return bool(self._booked.columns)

    def read(self, record: Record, state: str | None) -> list[Row]:
        """Read a record as its bookings: one, or two of a conversion of one's own money.

        Args:
            state: The state that a title above the row states.

        Raises: ValueError saying what is missing or wrong.
        """
        bookings = self._bookings(record)
        return [self._row(one, state, moves=len(bookings) > 1) for one in bookings]

    def read_void(self, record: Record) -> Transaction | None:
        """Read a record that is no booking any more as the one that it was before; None where it says too little."""
        try:
            return self._transaction(record, None, moves=False)[0] if self._accounts.knows(record) else None
        except ValueError:
            return None

    def has_day_and_amount(self, record: Record) -> bool:
        """Return whether a row has a day and an amount where the columns of the table are."""
        try:
            self._day(cell(record, self.date_at))
            row_amount(self._layout, record, self._decisions.mark, self._decisions.signs)
        except ValueError:
            return False
        return True

    def holds_figure(self, record: Record) -> bool:
        """Return whether a column of amounts holds a figure."""
        return any(any(mark.isdigit() for mark in cell(record, at)) for at in self.money_at)

    def _bookings(self, record: Record) -> list[Record]:
        """Return the record once for each booking that it states: a conversion of one's own money is two."""
        profile, at = self._profile, self._type_at
        if at is None or plain(cell(record, at)) not in self._conversions:
            return [record]
        paid = record.with_cell(at, profile.debit_words[0])
        received = record.with_cell(at, profile.credit_words[0])
        if self._id_at is not None and cell(record, self._id_at):
            received = received.with_cell(self._id_at, f"{cell(record, self._id_at)}/in")
        return [paid, received]

    def _row(self, record: Record, state: str | None, *, moves: bool) -> Row:
        self._check_width(record)
        transaction, balance = self._transaction(record, state, moves=moves)
        self._check_decimals(record)
        for index, values in self._booked.columns:
            text = cell(record, index)
            if plain(text) not in values and not transaction.pending:
                raise ValueError(f"status '{text[:40]}' is neither booked, pending nor void")
        self._accounts.note(transaction, balance)
        return Row(line=record.line, transaction=transaction)

    def _check_width(self, record: Record) -> None:
        """Raises: ValueError for a row wider or narrower than the header, unless many rows of this file are."""
        width, expected = len(record.cells), len(self._layout.header)
        if any(record.cells[expected:]) or (width != expected and width not in self._decisions.widths):
            lost = ": an amount or text with the delimiter in it may lack its quotes" if width > expected else ""
            raise ValueError(f"has {width} cells where the header has {expected}{lost}")

    def _check_decimals(self, record: Record) -> None:
        """Raises: ValueError for an amount whose decimals are not those of all others."""
        expected, most = self._decisions.decimals, self._decisions.most_decimals
        if most is not None and most < _GROUP:
            for at in self.money_at:
                text = cell(record, at)
                if decimals(text) == _GROUP and (self._decisions.mark in text) and decimal_evidence(text) is None:
                    raise ValueError(f"amount '{text[:40]}' may be thousands: no other has three decimals")
        if expected is None:
            return
        for at in self.money_at:
            text = cell(record, at)
            if text and decimals(text) != expected and _FIGURE.search(text):
                raise ValueError(f"amount '{text[:40]}' has not the {expected} decimals that all others have")

    def _day(self, text: str) -> date:
        if self._profile.date_format:
            return parse_day_as(text, self._profile.date_format)
        return read_day(text, self._decisions.order or "ymd", croatian=self._decisions.croatian_months)

    def _stated(self, record: Record, at: int | None) -> date | datetime | None:
        """Return what a date column says: a day, or the moment where it states one in UTC."""
        text = cell(record, at)
        if not text.strip("-\u2013\u2014 "):
            return None
        if len(text) > _LONGEST_DAY and (moment := parse_moment(text)) is not None:
            return moment
        try:
            return self._day(text)
        except ValueError as error:
            raise ValueError(f"date '{text[:40]}' {_short(error)}") from None

    def _transaction(self, record: Record, state: str | None, *, moves: bool) -> tuple[Transaction, Decimal | None]:
        layout, accounts = self._layout, self._accounts
        written = cell(record, self.date_at)
        undated = not written[:1].isdigit() and plain(written) in self._undated
        pending = undated or state == "pending" or self._pending.met_by(record)
        booked = None if undated else self._stated(record, self.date_at)
        bought = self._stated(record, self._bought_at)
        if booked is None and bought is None and not undated:
            raise ValueError("has no date")
        value = self._stated(record, self._value_at)
        amount = row_amount(layout, record, self._decisions.mark, self._decisions.signs)
        currency = accounts.currency(record)
        account = accounts.of(record, currency)
        moves = moves or self._transfers.met_by(record)
        name = cell(record, self._name_at) or None
        reference = cell(record, self._reference_at)
        balance = accounts.balance(record, self._decisions.mark)
        transaction = Transaction(
            account_id=account.external_id,
            amount=amount,
            currency=currency,
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
            stated_amounts=stated_amounts(
                layout, record, self._decisions.mark, net=amount, balance=accounts.signed(balance)
            ),
            kind=TransactionKind.TRANSFER if moves else None,
            raw={key or "-": text for key, text in zip(layout.header, record.cells, strict=False) if text},
        )
        return transaction, balance


def _day_only(stated: date | datetime | None) -> date | None:
    return None if isinstance(stated, datetime) else stated


def _moment_only(stated: date | datetime | None) -> datetime | None:
    return stated if isinstance(stated, datetime) else None


def _short(error: ValueError) -> str:
    """Python's own sentences about dates name its modules; ours do not."""
    text = str(error)
    return text if text.startswith(("is", "has", "names", "begins")) else "is no day of the calendar in this format"

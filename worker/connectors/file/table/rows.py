"""Turns the rows of a table whose layout and reading are decided into events."""

import re
from collections.abc import Iterator, Sequence

from worker.connectors.file.statement.account_numbers import find_iban
from worker.connectors.file.statement.accounting import Part
from worker.connectors.file.statement.errors import StatementError
from worker.connectors.file.statement.events import BadRow, Event, Remark, Row, Skipped, Voided
from worker.connectors.file.statement.reader import MAX_RAW_CHARACTERS
from worker.connectors.file.table.accounts import Accounts
from worker.connectors.file.table.bookings import BookingReader
from worker.connectors.file.table.conditions import Conditions
from worker.connectors.file.table.csv_records import Record
from worker.connectors.file.table.decisions import Decisions
from worker.connectors.file.table.layout import Layout, numbered
from worker.connectors.file.table.lines_outside_rows import (
    account_line,
    account_title,
    section_currency,
    section_state,
    states_balance,
)
from worker.connectors.file.table.profile import plain
from worker.connectors.file.table.row_amount import cell, row_amount
from worker.connectors.file.table.row_kinds import holds_amount, looks_like_booking, says_total, stands_in_one_cell
from worker.connectors.file.table.state_words import state_in_text
from worker.connectors.file.table.stated_totals import StatedTotals

_LEAST_DATE_DIGITS = 4
_MOST_VOID = 10_000
_FOOTER_CHARACTERS = 200  # of a line, in which the patterns of a profile are looked for
_LINE_END = re.compile(r"\$|\\Z")  # of a pattern: where a longer line is cut is not its end
_SHOP = re.compile(r"(?i)\W*new balance\b")  # a purchase there has a day, the line of a balance has none


class RowReader:
    """Turns records into events by one layout."""

    def __init__(self, layout: Layout, decisions: Decisions, accounts: Accounts) -> None:
        profile = layout.profile
        self._layout, self._decisions, self._profile = layout, decisions, profile
        self._bookings = BookingReader(layout, decisions, accounts)
        self._footers = [re.compile(pattern) for pattern in profile.footer]
        self._long_footers = [one for one in self._footers if not _LINE_END.search(one.pattern)]
        self._skip = Conditions(layout, profile.skip).columns
        self._detail_at = layout.column(profile.detail)
        self._state = layout.above.state
        self._titles: set[str] = set()  # of lines above the header
        self._title_below: str | None = None  # of the last line between the rows that was none of them
        self._void: list[Record] = []
        self.totals = StatedTotals(mark=decisions.mark, money_at=self._bookings.money_at)

    def use(self, record: Record) -> tuple[Part, Sequence[Event]]:
        """Return what one record of the file is, and its events."""
        if record.line <= self._layout.header_line:
            return self._above(record)
        if plain(record.cells[0]) == self._layout.header[0] and numbered(record.cells) == self._layout.header:
            self._state = None
            self._refuse_another_table(record)
            return Part.HEADER, [Skipped(line=record.line, reason="the header repeated")]
        if self._states_balance(record):
            self.totals.read(record)
            return Part.BALANCE, [Skipped(line=record.line, reason="a balance, no booking")]
        if (reason := self._no_booking(record)) is not None:
            return Part.LEFT_OUT, [Skipped(line=record.line, reason=reason)]
        try:
            rows = self._bookings.read(record, self._state)
        except ValueError as error:
            event = self._unread(record, str(error))
        else:
            self._title_below = None
            for row in rows:
                self.totals.count(row.transaction)
            return Part.TRANSACTION, rows
        part = {Skipped: Part.LEFT_OUT, Remark: Part.REMARK}.get(type(event), Part.REJECTED)
        return part, [event]

    def voided(self) -> Iterator[Voided]:
        """Yield the rows that are void, as they were before, once all others were read; of very many the first ones."""
        for record in self._void:
            if (was := self._bookings.read_void(record)) is not None:
                yield Voided(line=record.line, transaction=was)
        self._void.clear()

    def said_in_text(self, row: Row) -> Remark | None:
        """Return a remark where the text of a row begins with a state that no column confirms."""
        text = row.transaction.description
        said = state_in_text(text) if not self._bookings.states_are_columns and self._state is None else None
        if said is None:
            return None
        reason = f"the text begins with '{said}', and no column says so: the row is read as booked"
        return Remark(line=row.line, reason=reason, raw=text[:MAX_RAW_CHARACTERS])

    def _states_balance(self, record: Record) -> bool:
        said = [text for at in self._bookings.words_at if (text := cell(record, at))]
        # a row without a text of its own may say in any other column that it states a balance
        stated = [text for text in said or filter(None, record.cells) if states_balance(text)]
        if stated and all(_SHOP.match(text) for text in stated):
            return not any(mark.isdigit() for mark in cell(record, self._bookings.date_at))
        return bool(stated)

    def _is_sum(self, record: Record) -> bool:
        """Return whether a row that is called a total states what the rows above it make, whatever its day."""
        if not any(self.totals.is_total(cell(record, at)) for at in self._bookings.words_at):
            return False
        try:
            return self.totals.is_sum(row_amount(self._layout, record, self._decisions.mark, self._decisions.signs))
        except ValueError:
            return False

    def _above(self, record: Record) -> tuple[Part, Sequence[Event]]:
        is_header = record.line == self._layout.header_line
        if (
            looks_like_booking(record)
            or self._bookings.has_day_and_amount(record)
            or (is_header and holds_amount(record))
        ):
            where = "in the line of the header" if is_header else "above the header"
            return Part.REJECTED, [BadRow(line=record.line, reason=f"looks like a booking {where}", raw=record.raw)]
        self.totals.read_above(record)
        self._titles.add(_title_of(record))
        return Part.HEADER, []

    def _no_booking(self, record: Record) -> str | None:
        if self._state == "void" and self._bookings.holds_figure(record):
            self._keep_void(record)
            return "below a title that says that nothing of it was booked"
        if self._footers:
            line = ",".join(record.cells)
            patterns = self._footers if len(line) <= _FOOTER_CHARACTERS else self._long_footers
            if any(pattern.search(line[:_FOOTER_CHARACTERS]) for pattern in patterns):
                return "a line the profile leaves out"
        if self._detail_at is not None and cell(record, self._detail_at) and not self._bookings.holds_figure(record):
            return "details of the booking above"
        if self._is_sum(record):
            return "a total or a remark"
        for index, values in self._skip:
            if plain(text := cell(record, index)) in values:
                self._keep_void(record)
                return f"left out by the profile ({text or 'empty'})"
        return None

    def _keep_void(self, record: Record) -> None:
        if len(self._void) < _MOST_VOID:
            self._void.append(record)

    def _unread(self, record: Record, reason: str) -> Event:
        """Say what a record is that could not be read: a booking, a total, or a title of other rows."""
        if sum(map(bool, record.cells)) == 1 and not looks_like_booking(record) and not stands_in_one_cell(record):
            return self._title(record)
        dated = cell(record, self._bookings.date_at)
        paid = self._bookings.holds_figure(record)
        # whatever word stands for the day (`open`, `today`): with an amount behind it, it is a booking
        booking = bool(dated) and not says_total(Record(record.line, (dated,)))
        stated = self.totals.read(record)
        if (stated or says_total(record)) and not (booking and paid):
            return Skipped(line=record.line, reason="a total or a remark")
        has_day = sum(map(str.isdigit, dated)) >= _LEAST_DATE_DIGITS
        if (booking and has_day) or paid or looks_like_booking(record) or stands_in_one_cell(record):
            return BadRow(line=record.line, reason=reason, raw=record.raw)
        return self._title(record)

    def _title(self, record: Record) -> Event:
        """Read a line that is no booking: the rows below it may be of another state, account or currency.

        Raises: StatementError where they are of another account or currency.
        """
        state = section_state(record)
        if state is not None:
            self._state = None if state == "booked" else state
            return Skipped(line=record.line, reason="a title of the rows below it")
        if self.totals.read(record) or says_total(record):
            return Skipped(line=record.line, reason="a total or a remark")
        own = {self._layout.above.iban, self._layout.above.account, None}
        if {find_iban(record.raw), account_line(record), self._title_of_account(record)} - own:
            raise StatementError(
                "another account begins here: save each account in a file of its own", line=record.line
            )
        if (code := section_currency(record)) is not None and self._profile.currency_column is None:
            raise StatementError(f"rows in {code} begin here: save them in a file of its own", line=record.line)
        self._state = None
        self._title_below = _title_of(record)
        return Remark(line=record.line, reason="a line that is no booking", raw=record.raw[:MAX_RAW_CHARACTERS])

    def _title_of_account(self, record: Record) -> str | None:
        """Return a line that is called after an account, as the names of sheets are; None for the title above."""
        title = _title_of(record)
        return None if title in self._titles else account_title(title)

    def _refuse_another_table(self, record: Record) -> None:
        """Raises: StatementError where the header is repeated below a title that did not stand above the first one."""
        title = self._title_below
        if title is not None and title not in self._titles:
            raise StatementError(
                f"another table begins here, below '{title[:40]}': save each account in a file of its own",
                line=record.line,
            )


def _title_of(record: Record) -> str:
    """Return the first text of a line, as titles are compared."""
    return next((plain(text) for text in record.cells if text), "")

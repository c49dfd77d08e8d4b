"""Joins the lines of a table that only go on with the text of the booking above them. Pure."""

import re
from collections.abc import Iterable, Iterator

from worker.connectors.file.statement.account_numbers import find_iban
from worker.connectors.file.table.csv_records import Record
from worker.connectors.file.table.layout import Layout
from worker.connectors.file.table.lines_outside_rows import (
    account_line,
    section_currency,
    section_state,
    states_balance,
)
from worker.connectors.file.table.row_amount import cell
from worker.connectors.file.table.row_kinds import says_total

_MOST_LINES = 20
_CARD = re.compile(r"(?i)\W*+(?:card|karte|carte|visa|mastercard|amex|kreditkarte)")


class ContinuedRows:
    """Joins a line to the booking above it where nothing but a column of texts is filled, and that is not the first.

    A text in the first column may be a title of the rows below it.
    """

    def __init__(self, layout: Layout) -> None:
        profile = layout.profile
        self._header_line = layout.header_line
        self._days = layout.places(profile.date, profile.transaction_date)
        self._money = layout.places(profile.amount, profile.debit, profile.credit, profile.amount_in, *profile.amounts)
        texts = layout.places(*profile.description, profile.counterparty)
        self._texts = frozenset(texts if profile.detail is None else ())

    def join(self, records: Iterable[Record]) -> Iterator[tuple[Record, int]]:
        """Yield each record as it is read, and the number of lines that it takes."""
        held: Record | None = None
        lines = 0
        for record in records:
            at = self._text_at(record)
            if at is not None and held is not None and lines < _MOST_LINES and self._books(held):
                held, lines = held.with_cell(at, f"{cell(held, at)} {record.cells[at]}".strip()), lines + 1
                continue
            if held is not None:
                yield held, lines
            held, lines = record, 1
        if held is not None:
            yield held, lines

    def _text_at(self, record: Record) -> int | None:
        """Return the column of a line that holds one text and nothing else; None for any other line."""
        if record.cells[0]:
            return None
        filled = [at for at, text in enumerate(record.cells) if text]
        if len(filled) != 1 or filled[0] not in self._texts:
            return None
        return None if _is_title(record, record.cells[filled[0]]) else filled[0]

    def _books(self, record: Record) -> bool:
        """Return whether a record is a booking as far as its columns show."""
        dated, paid = (
            any(mark.isdigit() for at in places for mark in cell(record, at)) for places in (self._days, self._money)
        )
        return dated and paid and record.line > self._header_line


def _is_title(record: Record, text: str) -> bool:
    """Return whether a line says what the rows below it are, or sums up: another state, account or currency, a total.

    The number of a card belongs to a purchase, and that of the other side stands between other words.
    """
    names_account = find_iban(text) == text.replace(" ", "") or (account_line(record) and not _CARD.match(text))
    sums_up = states_balance(text) or says_total(record)
    return bool(section_state(record) or section_currency(record) or names_account or sums_up)

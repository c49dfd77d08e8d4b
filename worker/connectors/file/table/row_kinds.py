"""Says what a row of a table looks like, whatever its columns are: a booking, a total, a row in one cell. Pure."""

import re

from worker.connectors.file.table.column_questions import AMOUNT
from worker.connectors.file.table.csv_records import Record

_DAY = re.compile(r"\d{1,4}[./\-]\d{1,2}[./\-]\d{1,4}(?:[T\s].*)?|\d{8}|\d{1,2}[. -][^\W\d_]{3,9}[. -]\d{2,4}")
_TOTALS = re.compile(
    r"(?i)\b(?:total|totals|sum|summe|subtotal|saldo|solde|balance|kontostand|end of|page|seite|opening|closing|"
    r"anfangssaldo|endsaldo|totale|totaal|suma|generated|printed|statement|records?|rows?)\b"
)


def looks_like_booking(record: Record) -> bool:
    """Return whether a row holds a whole date and an amount with decimals, and no word of a total or a balance."""
    dated = any(_DAY.fullmatch(text) for text in record.cells)
    return dated and holds_amount(record) and not says_total(record)


def holds_amount(record: Record) -> bool:
    """Return whether a cell of a row is an amount with decimals."""
    return any(AMOUNT.fullmatch(text) and not _DAY.fullmatch(text) for text in record.cells)


def stands_in_one_cell(record: Record) -> bool:
    """Return whether a whole row of the table stands in one cell, as quotes around a line make it."""
    return any(looks_like_booking(Record(record.line, tuple(re.split(r"[,;|\t]", text)))) for text in record.cells)


def says_total(record: Record) -> bool:
    """Return whether a row calls itself a total, a balance or a remark."""
    return any(_TOTALS.search(text) for text in record.cells if not any(mark.isdigit() for mark in text[:1]))

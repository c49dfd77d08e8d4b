"""Asks what the columns of a table hold whose names are not known; their values propose an answer. Pure."""

import re
from collections.abc import Callable, Mapping, Sequence

from worker.connectors.file.statement.currencies import currency_sign
from worker.connectors.file.statement.dates import fitting_orders
from worker.connectors.file.statement.errors import Doubt, about_column
from worker.connectors.file.table.csv_records import Record
from worker.connectors.file.table.state_words import IN_WORDS, OUT_WORDS

AMOUNT = re.compile(r"[-+(]?\s?[^\d\s.,]{0,4}\s?\d[\d.,' ]*[.,]\d{1,2}\)?-?(?:\s?\S{1,4})?")
_NEARLY_ALL = 0.9
_DIRECTIONS = frozenset({*OUT_WORDS, *IN_WORDS}) - {"-"}
CHOICES = {"amount": ("amount", "debit", "credit", "balance", "fee")}
"""What a column may hold besides what its values look like."""


def questions_about_columns(heads: Mapping[str, list[Record]]) -> tuple[Doubt, ...]:
    """Ask what the columns of an unknown table hold; the first choice is what their values look like."""
    best: tuple[Doubt, ...] = ()
    for head in heads.values():
        rows = [row for row in head if not row.blank]
        width = max((len(row.cells) for row in rows), default=0)
        doubts: list[Doubt] = []
        for at in range(width):
            values = [row.cells[at] for row in rows if at < len(row.cells) and row.cells[at]]
            held = _held_by(values[1:] if len(values) > 1 else values)
            if held == "date" and any(doubt.choices[0] == "date" for doubt in doubts):
                held = "value_date"
            question = f"What does column {at + 1} hold, as in '{values[-1][:40]}'?" if values else ""
            choices = tuple(dict.fromkeys((held, *CHOICES.get(held, ("date", "amount", "description")), "ignore")))
            if values:
                doubts.append(about_column(str(at + 1), question, *choices))
        first = {doubt.choices[0] for doubt in doubts}
        if {"date", "amount"} <= first and len(doubts) > len(best):
            best = tuple(doubts)
    return best


def _held_by(values: Sequence[str]) -> str:
    """Return what nearly all values of a column look like."""
    looks: tuple[tuple[str, Callable[[str], object]], ...] = (
        ("date", fitting_orders),
        ("amount", AMOUNT.fullmatch),
        ("currency", currency_sign),
        ("type", lambda text: text.casefold() in _DIRECTIONS),
        ("ignore", str.isdigit),
    )
    most = len(values) * _NEARLY_ALL
    return next((held for held, fits in looks if sum(bool(fits(text)) for text in values) >= most), "description")

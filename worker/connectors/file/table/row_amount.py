"""The amount of one row: one signed column, a debit and a credit column, or an amount and a direction. Pure."""

import re
from decimal import Decimal

from worker.connectors.file.statement.amounts import Mark, parse_amount
from worker.connectors.file.table.csv_records import Record
from worker.connectors.file.table.layout import Layout

_DECIMALS = re.compile(r"[.,](\d+)\D*$")


def cell(record: Record, index: int | None) -> str:
    """Return a cell's text; nothing where the row is too short or the column is not there."""
    return record.cells[index] if index is not None and index < len(record.cells) else ""


def row_amount(layout: Layout, record: Record, mark: Mark, signed_sides: frozenset[str] = frozenset()) -> Decimal:
    """Return the amount of a row as the profile means it: negative = money out, a separate fee taken off.

    Args:
        layout: The columns.
        record: The row.
        mark: The decimal mark of the file.
        signed_sides: Debit and credit columns in which a minus means the other way.

    Raises: ValueError saying what is missing or wrong.
    """
    profile = layout.profile
    if profile.amounts:
        amount = _amount(cell(record, layout.column(filled_amount(layout, record)[0])), mark)
    else:
        amount = _signed(layout, record, mark) if profile.amount else _split(layout, record, mark, signed_sides)
    for taken in (profile.fee, profile.refund):
        if text := cell(record, layout.column(taken)):
            amount -= abs(_amount(text, mark))
    return amount


def stated_amounts(layout: Layout, record: Record, mark: Mark, net: Decimal) -> dict[str, str] | None:
    """Return the fee and the refund that were taken off, and the gross amount before; None where nothing was."""
    columns = {"fee": layout.profile.fee, "refund": layout.profile.refund}
    cells = {name: cell(record, layout.column(column)) for name, column in columns.items()}
    taken = {name: abs(_amount(text, mark)) for name, text in cells.items() if text}
    if not any(taken.values()):
        return None
    return {"gross": str(net + sum(taken.values()))} | {name: str(amount) for name, amount in taken.items()}


def filled_amount(layout: Layout, record: Record) -> tuple[str, str]:
    """Return the one filled column of amounts by currency, and its currency. Raises: ValueError for none or several."""
    filled = [pair for pair in layout.profile.amounts.items() if cell(record, layout.column(pair[0]))]
    if len(filled) != 1:
        raise ValueError("has amounts in several currencies" if filled else "has no amount")
    return filled[0]


def is_money_in(layout: Layout, record: Record) -> bool:
    """Return whether the direction column of a row says money in."""
    words = {known.casefold() for known in layout.profile.credit_words}
    return cell(record, layout.column(layout.profile.type)).casefold() in words


def _signed(layout: Layout, record: Record, mark: Mark) -> Decimal:
    profile = layout.profile
    other = profile.amount_in is not None and is_money_in(layout, record)
    text = cell(record, layout.column(profile.amount_in if other else profile.amount))
    if not text:
        raise ValueError("has no amount")
    amount = _amount(text, mark)
    if profile.type is not None:
        return _directed(amount, cell(record, layout.column(profile.type)), layout)
    return -amount if profile.sign == "flipped" else amount


def _directed(amount: Decimal, word: str, layout: Layout) -> Decimal:
    said = word.casefold()
    if said in {known.casefold() for known in layout.profile.debit_words}:
        return -abs(amount)
    if said in {known.casefold() for known in layout.profile.credit_words}:
        return abs(amount)
    raise ValueError(f"type '{word[:40]}' says neither money in nor money out")


def _split(layout: Layout, record: Record, mark: Mark, signed_sides: frozenset[str]) -> Decimal:
    """Read money out and money in.

    A minus repeats the column's own meaning at banks that always write it; where a column holds both signs, it means
    the other way.
    """
    out, in_ = (
        _side(layout, record, mark, name, signed_sides) for name in (layout.profile.debit, layout.profile.credit)
    )
    if out and in_:
        raise ValueError("states money out and money in at once")
    if out is None and in_ is None:
        raise ValueError("has no amount")
    return (in_ or Decimal(0)) - (out or Decimal(0))


def _side(layout: Layout, record: Record, mark: Mark, name: str | None, signed_sides: frozenset[str]) -> Decimal | None:
    text = cell(record, layout.column(name))
    if not text.strip("-\u2013\u2014 "):
        return None
    amount = _amount(text, mark)
    return amount if name in signed_sides else abs(amount)


def decimals(text: str) -> int:
    """Return how many decimals an amount is written with."""
    found = _DECIMALS.search(text)
    return len(found[1]) if found else 0


def _amount(text: str, mark: Mark) -> Decimal:
    try:
        return parse_amount(text, mark)
    except ValueError as error:
        raise ValueError(f"amount '{text[:40]}' {error}") from None

"""Reads the amount of a row: one signed column, debit and credit columns, or an amount and a direction. Pure."""

import re
from decimal import Decimal

from worker.connectors.file.statement.amounts import Mark, parse_amount
from worker.connectors.file.table.csv_records import Record
from worker.connectors.file.table.layout import Layout
from worker.connectors.file.table.signs import Direction, SignReading

_DECIMALS = re.compile(r"[.,](\d+)\D*$")


def cell(record: Record, index: int | None) -> str:
    """Return a cell's text; nothing where the row is too short or the column is not there."""
    return record.cells[index] if index is not None and index < len(record.cells) else ""


def row_amount(layout: Layout, record: Record, mark: Mark, signs: SignReading) -> Decimal:
    """Return the amount of a row: negative = money out, a separate fee taken off.

    Raises: ValueError saying what is missing or wrong.
    """
    profile = layout.profile
    if profile.amounts:
        text = cell(record, layout.column(filled_amount(layout, record)[0]))
        amount = signs.signed(_amount(text, mark), text, None)
    else:
        amount = _signed(layout, record, mark, signs) if profile.amount else _split(layout, record, mark, signs)
    # a fee beside two amounts is of the one that went out
    taken_off = (
        (profile.refund,) if profile.amount_in and is_money_in(layout, record) else (profile.fee, profile.refund)
    )
    for taken in taken_off:
        if text := cell(record, layout.column(taken)):
            amount -= abs(_amount(text, mark))
    return amount


def stated_amounts(
    layout: Layout, record: Record, mark: Mark, *, net: Decimal, balance: Decimal | None
) -> dict[str, str] | None:
    """Return what a row states of the money besides its amount; None where it states nothing.

    Args:
        net: The amount, from which fee and refund were taken off.
        balance: The balance after the row, with the account's sign.
    """
    after = {} if balance is None else {"balance_after": str(balance)}
    return (_taken_off(layout, record, mark, net) | after) or None


def _taken_off(layout: Layout, record: Record, mark: Mark, net: Decimal) -> dict[str, str]:
    """Return the fee and the refund that were taken off, and the gross amount before."""
    if layout.profile.fee is None and layout.profile.refund is None:
        return {}
    columns = {"fee": layout.profile.fee, "refund": layout.profile.refund}
    cells = {name: cell(record, layout.column(column)) for name, column in columns.items()}
    taken = {name: abs(_amount(text, mark)) for name, text in cells.items() if text}
    if not any(taken.values()):
        return {}
    return {"gross": str(net + sum(taken.values()))} | {name: str(amount) for name, amount in taken.items()}


def filled_amount(layout: Layout, record: Record) -> tuple[str, str]:
    """Return the one filled column of amounts by currency, and its currency. Raises: ValueError for none or several."""
    filled = [pair for pair in layout.profile.amounts.items() if cell(record, layout.column(pair[0]))]
    if len(filled) != 1:
        raise ValueError("has amounts in several currencies" if filled else "has no amount")
    return filled[0]


def is_money_in(layout: Layout, record: Record) -> bool:
    """Return whether the direction column of a row says money in."""
    return layout.profile.direction_of(cell(record, layout.column(layout.profile.type))) == "in"


def _signed(layout: Layout, record: Record, mark: Mark, signs: SignReading) -> Decimal:
    profile = layout.profile
    other = profile.amount_in is not None and is_money_in(layout, record)
    text = cell(record, layout.column(profile.amount_in if other else profile.amount))
    if not text:
        raise ValueError("has no amount")
    said = signs.lines.of(record.line) if signs.lines is not None else _said(layout, record)
    return signs.signed(_amount(text, mark), text, said)


def _said(layout: Layout, record: Record) -> Direction | None:
    """Return what the direction column says; None where there is no such column. Raises: ValueError."""
    if layout.profile.type is None:
        return None
    word = cell(record, layout.column(layout.profile.type))
    said = layout.profile.direction_of(word)
    if said is None:
        raise ValueError(f"type '{word[:40]}' says neither money in nor money out")
    return said


def _split(layout: Layout, record: Record, mark: Mark, signs: SignReading) -> Decimal:
    """Read money out and money in."""
    out = _side(layout, record, mark, layout.profile.debit)
    in_ = _side(layout, record, mark, layout.profile.credit)
    if out and in_ and out[0] and in_[0]:
        raise ValueError("states money out and money in at once")
    if out is None and in_ is None:
        raise ValueError("has no amount")
    paid = signs.signed(*out, "out") if out is not None else Decimal(0)
    return paid + (signs.signed(*in_, "in") if in_ is not None else Decimal(0))


def _side(layout: Layout, record: Record, mark: Mark, name: str | None) -> tuple[Decimal, str] | None:
    """Return the amount of one side and its text; None where nothing, or a dash, is written."""
    text = cell(record, layout.column(name))
    if not text or not text.strip("-\u2013\u2014 "):
        return None
    return _amount(text, mark), text


def decimals(text: str) -> int:
    """Return how many decimals an amount is written with."""
    found = _DECIMALS.search(text)
    return len(found[1]) if found else 0


def _amount(text: str, mark: Mark) -> Decimal:
    try:
        return parse_amount(text, mark)
    except ValueError as error:
        raise ValueError(f"amount '{text[:40]}' {error}") from None

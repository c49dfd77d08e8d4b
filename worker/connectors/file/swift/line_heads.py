"""Reads balances and the fixed part of `:61:` lines, as SWIFT writes them, with the signs of reversals. Pure."""

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from worker.connectors.base import BalanceKind
from worker.connectors.file.statement.amounts import decimal_evidence, parse_amount
from worker.connectors.file.statement.events import StatedBalance
from worker.money import is_currency

_MAX_AMOUNT_CHARACTERS = 16
_BALANCE = re.compile(
    r"\s*(?P<mark>[DC])\s*(?P<day>\d{6})\s*(?P<currency>[A-Z]{3})?\s*(?P<amount>[\d.,]+)\s*", re.IGNORECASE
)
_LINE = re.compile(
    r"(?i)(?P<days>\s*\d{6}(?:\d{4}|\s{4})?\s?)(?P<mark>[RE]?[DC])(?P<funds>[A-Z])?[\n ]?(?P<amount>[\d.,]+)"
)
# RC takes a credit back, RD a debit; EC and ED are expected ones (MT942)
_SIGNS = {"C": 1, "D": -1, "RC": -1, "RD": 1, "EC": 1, "ED": -1}


@dataclass(frozen=True, slots=True)
class LineHead:
    """Amount of a `:61:` line, signed, and the line in the one form that the library reads in every dialect."""

    amount: Decimal
    plain: str


def swift_amount(text: str) -> Decimal:
    """Read an amount: a comma is the decimal mark; a point is taken where only it can be meant.

    Raises: ValueError when it is none, or longer than the format allows.
    """
    if len(text) > _MAX_AMOUNT_CHARACTERS:
        raise ValueError("the amount is longer than the format allows")
    if "," in text:
        return parse_amount(text, ",")
    return parse_amount(text, decimal_evidence(text) or ",")


def line_head(text: str) -> LineHead | None:
    """Read the fixed part of a `:61:` line; None where it does not have the form.

    Raises: ValueError when the amount cannot be read.
    """
    found = _LINE.match(text)
    if found is None:
        return None
    sign = _SIGNS[found["mark"].upper()]
    plain = f"{found['days'].strip()}{'C' if sign > 0 else 'D'}1,{text[found.end() :]}"
    amount = swift_amount(found["amount"])
    return LineHead(sign * amount if amount else amount, plain)


def stated_balance(text: str, kind: BalanceKind) -> StatedBalance:
    """Read the text of a balance field; its currency is None where it states none.

    Raises: ValueError when it is no balance.
    """
    found = _BALANCE.fullmatch(text.split("\n", 1)[0])
    if found is None:
        raise ValueError("is no balance")
    day = found["day"]
    on = date(2000 + int(day[:2]), int(day[2:4]), int(day[4:]))
    currency = (found["currency"] or "").upper()
    amount = _SIGNS[found["mark"].upper()] * swift_amount(found["amount"])
    return StatedBalance(amount=amount, on=on, currency=currency if is_currency(currency) else None, kind=kind)

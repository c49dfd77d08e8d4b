"""Reads days, moments and amounts as OFX writes them. Pure."""

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from worker.connectors.file.statement.amounts import Mark, decimal_evidence, parse_amount
from worker.money import MINOR_UNITS

_MOMENT = re.compile(
    r"(\d{4})(\d{2})(\d{2})(?:(\d{2})(\d{2})(\d{2})?(?:\.\d+)?)?\s*(?:\[\s*([+-]?\d+(?:\.\d+)?)?[^\]]*\]?)?.*"
)
_FIRST_YEAR, _LAST_YEAR = 1950, 2099
_THREE_DECIMALS = 3


def parse_ofx_day(text: str) -> date:
    """Return the day an OFX moment is written with: the bank's own day, whatever zone is stated behind it.

    Raises: ValueError when it is none.
    """
    found = _MOMENT.fullmatch(text.strip())
    if found is None:
        raise ValueError("is not a date")
    day = date(int(found[1]), int(found[2]), int(found[3]))
    if not _FIRST_YEAR <= day.year <= _LAST_YEAR:
        raise ValueError("has a year no statement has")
    return day


def parse_ofx_moment(text: str) -> datetime | None:
    """Return the moment (UTC) of an OFX time that states its offset in hours; None for a day or an unstated zone."""
    found = _MOMENT.fullmatch(text.strip())
    if found is None or found[4] is None or found[7] is None:
        return None
    try:
        local = datetime(int(found[1]), int(found[2]), int(found[3]), int(found[4]), int(found[5]), tzinfo=UTC)
    except ValueError:
        return None
    return local - timedelta(hours=float(found[7]))


def parse_ofx_amount(text: str, mark: Mark | None, currency: str | None) -> Decimal:
    """Read an amount; OFX allows comma or point, and some banks group thousands with the other one.

    Args:
        mark: The decimal mark of the file; decides amounts like `1.234` that fit both.
        currency: Decides the same where it has three decimals and the file proves nothing.

    Raises: ValueError when it is no amount, or fits both marks and nothing decides.
    """
    if any(character in text for character in "$€£"):
        raise ValueError("is not a number")
    own = decimal_evidence(text)
    if own is None and ("," in text or "." in text):
        if mark is None and MINOR_UNITS.get(currency or "") == _THREE_DECIMALS:
            mark = "," if "," in text else "."
        if mark is None:
            raise ValueError(f"'{text[:40]}' fits decimal point and comma: state --decimal")
        if mark in text and MINOR_UNITS.get(currency or "", 2) != _THREE_DECIMALS:
            raise ValueError(f"'{text[:40]}' may be thousands: other amounts have '{mark}' as decimal mark")
        own = mark
    return parse_amount(text, own or ".")

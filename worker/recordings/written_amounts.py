"""Multiplies amounts that are written out, and leaves signs, separators and decimals as they are written. Pure."""

import re

_AMOUNT = re.compile(r"[+-]?\d+[.,]\d{1,18}", re.ASCII)
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:([ .,'\u2019])\d{3})(?:\1\d{3})*(?:([.,])\d{1,4})?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
_GROUP_DIGITS = 3


def is_amount(value: str, *, grouped: bool) -> bool:
    """Say whether a text is an amount with decimals.

    Args:
        grouped: Whether thousands may be separated.
    """
    return bool(_AMOUNT.fullmatch(value) or (grouped and _GROUPED.fullmatch(value)))


def has_more_digits(value: object, most: int) -> bool:
    """Say whether a whole number, or a text that is one, has more digits than so many."""
    text = str(value).strip() if isinstance(value, str | int) else ""
    return bool(_WHOLE.fullmatch(text)) and len(text.lstrip("+-")) > most


def multiplied(value: str, factor: int) -> str:
    """Return the product of a written amount and a factor, written in the same way."""
    decimal = _decimal_mark(value)
    whole, mark, fraction = value.rpartition(decimal) if decimal else (value, "", "")
    sign = whole[0] if whole[:1] in {"+", "-"} else ""
    group = next((character for character in whole.lstrip("+-") if not character.isdigit()), "")
    digits = "".join(filter(str.isdigit, whole)) + fraction
    product = str(int(digits) * factor).rjust(len(digits), "0")
    if fraction:
        product, fraction = product[: -len(fraction)], product[-len(fraction) :]
    if group:
        product = f"{int(product):,}".replace(",", group)
    return f"{sign}{product}{mark}{fraction}"


def _decimal_mark(value: str) -> str:
    """Return the sign before the decimals; empty where there are none."""
    marks = [sign for sign in value if sign in ".,"]
    if not marks:
        return ""
    last = marks[-1]
    is_grouping = (
        len(value.rpartition(last)[2]) == _GROUP_DIGITS and _GROUPED.fullmatch(value) and marks.count(last) > 1
    )
    return "" if is_grouping else last

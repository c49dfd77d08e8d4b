"""Parses amounts as banks and people write them, exactly or with an error. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, cast

from worker.connectors.file.statement.currencies import names_currency
from worker.connectors.file.statement.text_cache import SHORT, remembering

Mark = Literal[".", ","]
AmountKind = Literal["bare", "plus", "minus", "debit_mark", "credit_mark"]

_MINUS = str.maketrans(dict.fromkeys("\u2212\u2010\u2011\u2012\u2013\u2014\ufe63\uff0d\u00ad", "-"))
_SPACES = re.compile(r"[\s\u00a0\u2007\u2009\u202f_]+")
_APOSTROPHES = re.compile("['`\u00b4\u2018\u2019\u02bc]")
_SYMBOLS = "$€£¥₹₽₺₩₪฿₴₫₱₦"
_CURRENCY = re.compile(
    rf"^(?:[{_SYMBOLS}]{{1,2}}|[^\W\d_]{{1,5}}[{_SYMBOLS}]?\.?)(?=[\d.,+-])|(?<=[\d.,+-])(?:[{_SYMBOLS}]{{1,2}}|[^\W\d_]{{1,5}}\.?)$"
)
_WORDS = "CR|DR|DB|C|D|H|S"
_BEHIND = re.compile(rf"(?<=[\d\s.,)])\(?({_WORDS})\.?\)?$", re.IGNORECASE)
_IN_FRONT = re.compile(rf"^\(?({_WORDS})\.?\)?(?=[\s\d.,+-])", re.IGNORECASE)
_CURRENCY_OF_BRACKETS = re.compile(rf"^(?:[{_SYMBOLS}]|[^\W\d_]{{1,3}}[{_SYMBOLS}]?)\((?=[\d.,])")
# A space or apostrophe between figures that does not set off two or three of them, up to the end or a mark.
_BROKEN_GROUP = re.compile(r"\d['\s]+(?!\d{2,3}(?:\D|$))\d|\d['\s]+\d{2}(?:[.,]\d*)?(?:[^\d'\s.,]|$)")
_NOT_ZERO = re.compile(r"[1-9]")
_PRICE = re.compile(r"[.,]-+$")  # `5.-` is how shops write five even, not minus five
_OUT = frozenset({"DR", "D", "DB", "S"})
_MAX_DIGITS, _MAX_DECIMALS = 15, 8
_GROUPED = {
    mark: re.compile(
        rf"(\d{{1,3}}(?:{sep}\d{{3}})+|\d{{1,2}}(?:{sep}\d{{2}})*{sep}\d{{3}}|\d*)(?:{re.escape(mark)}(\d*))?"
    )
    for mark, sep in ((".", ","), (",", r"\."))
}


# The form of nearly all amounts, which needs nothing else: a minus, figures, at most two decimals.
_SIMPLE = re.compile(r"(-?)[0-9]{1,15}(?:([.,])[0-9]{1,2})?")


@dataclass(frozen=True, slots=True)
class _Written:
    """An amount without its decorations. digits: figures and separators only. currency: as it is written beside."""

    digits: str
    negative: bool
    directed: bool
    currency: str


def _direction(text: str) -> tuple[str, str | None]:
    """Split a trailing or leading CR/DR off `text`."""
    if found := _BEHIND.search(text):
        return (text[: found.start()], found[1].upper()) if found.start() else (text, None)
    found = _IN_FRONT.match(text)
    return (text[found.end() :], found[1].upper()) if found else (text, None)


def _without_spaces(text: str) -> tuple[str, str | None]:
    """Take spaces, apostrophes and a CR/DR off an amount. Raises: ValueError for what no amount looks like."""
    if len(text) > SHORT:
        raise ValueError("is longer than an amount")
    bare, direction = _direction(_APOSTROPHES.sub("'", _SPACES.sub(" ", text.translate(_MINUS)).strip()))
    if _BROKEN_GROUP.search(bare):
        raise ValueError("is grouped as no amount is")
    bare = bare.replace(" ", "").replace("'", "")
    if _PRICE.search(bare):
        raise ValueError("ends in a dash that is no sign")
    return bare, direction


@remembering(8192)
def _written(text: str) -> _Written:
    """Take signs, brackets, currency and spaces off an amount. Raises: ValueError for what no amount looks like."""
    bare, direction = _without_spaces(text)
    in_front = _CURRENCY_OF_BRACKETS.match(bare)
    bare = _CURRENCY_OF_BRACKETS.sub("(", bare)
    bracketed = bare.startswith("(") and bare.endswith(")")
    if bracketed:
        bare = bare[1:-1]
    signs, pluses, currency = 0, 0, in_front[0][:-1] if in_front else ""
    for _ in range(2):  # `-€5`, `€-5`, `5-€`: a sign may stand on either side of the currency
        stripped = bare.strip("+-")
        if len(stripped) != len(bare):
            signs += bare.count("-")
            pluses += bare.count("+")
        bare = _CURRENCY.sub("", stripped)
        currency += "".join(found[0] for found in _CURRENCY.finditer(stripped))
    if signs + pluses > 1 or (bracketed and signs):
        raise ValueError("has more than one sign")
    if signs and direction is not None and direction not in _OUT:
        raise ValueError("says both minus and credit")
    negative = bracketed or signs > 0 or direction in _OUT
    return _Written(digits=bare, negative=negative, directed=direction is not None, currency=currency)


def decimal_evidence(text: str) -> Mark | None:
    """Say which decimal mark an amount can only have been written with; None when it would fit both."""
    if (simple := _SIMPLE.fullmatch(text)) is not None:
        return cast("Mark | None", simple[2])
    try:
        digits = _written(text).digits
    except ValueError:
        return None
    dots, commas = digits.count("."), digits.count(",")
    if dots and commas:
        return "." if digits.rfind(".") > digits.rfind(",") else ","
    if not dots and not commas:
        return None
    mark: Mark = "." if dots else ","
    other: Mark = "," if dots else "."
    if dots + commas > 1:
        return other
    return None if len(digits.split(mark)[1]) == 3 and digits.index(mark) in {1, 2, 3} and digits[0] != "0" else mark  # noqa: PLR2004


def decide_decimal(evidence: Iterable[Mark | None]) -> Mark | None:
    """Decide the decimal mark of a column from `decimal_evidence` of its values; None when nothing speaks for either.

    Raises: ValueError when some values speak for the point and others for the comma.
    """
    marks = {mark for mark in evidence if mark}
    if len(marks) > 1:
        raise ValueError("some amounts use a decimal point and others a decimal comma")
    return marks.pop() if marks else None


@remembering(32768)
def parse_amount(text: str, mark: Mark = ".") -> Decimal:
    """Read a signed amount written with the decimal mark `mark`.

    Understands minus signs in front or behind, brackets and DR/D/S for money out, CR/C/H for money in, currency signs
    and codes, and thousands set off by the other mark, spaces or apostrophes (also the Indian 1,00,000).

    Raises: ValueError saying what is wrong; exponents and more than 15 digits are refused.
    """
    simple = _SIMPLE.fullmatch(text)
    if simple is not None and simple[2] in {None, mark}:
        value = Decimal(text.replace(",", "."))
        return value or abs(value)
    written = _written(text)
    if written.currency and not names_currency(written.currency):
        raise ValueError(f"has letters that are no currency ('{written.currency[:10]}')")
    found = _GROUPED[mark].fullmatch(written.digits)
    if found is None or not any(character.isdigit() for character in written.digits):
        raise ValueError(f"is not an amount with '{mark}' as decimal mark")
    whole, fraction = re.sub(r"[.,]", "", found[1] or ""), found[2] or ""
    if len(whole.lstrip("0")) > _MAX_DIGITS or len(fraction.rstrip("0")) > _MAX_DECIMALS:
        raise ValueError("has more digits than an amount of money")
    if not (whole + fraction).isascii():
        raise ValueError("is written in figures that are not 0 to 9")
    value = Decimal(f"{whole or '0'}.{fraction or '0'}" if fraction else whole or "0")
    return -value if written.negative and value else value


def readable_amount(text: str, mark: Mark) -> Decimal | None:
    """Return a signed amount; None for what `parse_amount` refuses, and for nothing."""
    try:
        return parse_amount(text, mark) if text else None
    except ValueError:
        return None


@remembering(8192)
def written_currency(text: str) -> str:
    """Return the currency beside an amount as it is written (`EUR`, `$`); empty where there is none."""
    if _SIMPLE.fullmatch(text) is not None:
        return ""
    try:
        return _written(text).currency
    except ValueError:
        return ""


@remembering(32768)
def amount_kind(text: str) -> AmountKind | None:
    """Return what an amount carries that may state a direction; None for zero and for what is no amount.

    Brackets count as a minus.
    """
    if not _NOT_ZERO.search(text):
        return None
    if (simple := _SIMPLE.fullmatch(text)) is not None:
        return "minus" if simple[1] else "bare"
    try:
        written = _written(text)
    except ValueError:
        return None
    if written.directed:
        return "debit_mark" if written.negative else "credit_mark"
    if written.negative:
        return "minus"
    return "plus" if text.strip().startswith("+") else "bare"


def has_direction_mark(text: str) -> bool:
    """Return whether DR, CR or another mark of direction stands beside an amount."""
    return amount_kind(text) in {"debit_mark", "credit_mark"}


def plain_figures(text: str) -> str:
    """Return an amount without sign, mark and currency; empty where it is none."""
    try:
        return _written(text).digits
    except ValueError:
        return ""

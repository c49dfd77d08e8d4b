"""Parses days as banks and people write them. Pure."""

import re
from datetime import date, datetime, timedelta
from typing import Literal

from worker.connectors.file.statement.month_words import in_croatian, month_number
from worker.connectors.file.statement.text_cache import SHORT, remembering

Order = Literal["ymd", "dmy", "mdy"]
ORDERS: tuple[Order, ...] = ("ymd", "dmy", "mdy")

# It begins where a row of blanks begins and never within: a cell of blanks would be looked at from each of them.
_TIME = re.compile(r"(?:(?<![T\s,])[T\s,]++\d{1,2}[:.h]\d{2}|-\d{1,2}(?::\d{2}|\.\d{2}\.\d{2}\b)).*$", re.IGNORECASE)
_WEEKDAY = re.compile(r"^(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+", re.IGNORECASE)
_UTC = re.compile(r"\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?\s*(?:Z|UTC|GMT|[+-]00:?00)$", re.IGNORECASE)
_PARTS = re.compile(r"(\d{1,2}|\d{4}|[^\W\d_]+)(\.?[\s./\-,']+)(\d{1,2}|[^\W\d_]+)(\.?[\s./\-,']+)(\d{1,4})\.?")
_DOTTED = re.compile(r"\d{1,2}\.\s?\d{1,2}\.")
_CHINESE = {ord("年"): "-", ord("月"): "-", ord("日"): None}
_PACKED = re.compile(r"\d{8}")
# Days since 1899 as spreadsheets count them, from 1954 to 2091; a time of day stands behind the point.
_SERIAL = re.compile(r"[2-6]\d{4}(?:\.\d{1,10})?")
_FIRST_OF_SERIAL = date(1899, 12, 30)
_FIRST_SHORT, _LAST_SHORT = 70, 49
_FIRST_YEAR, _LAST_YEAR = 1900, 2199
_SHORT_YEAR_FIRST = re.compile(r"\s*\d{2}([./-])\s?\d{1,2}\1\s?\d{1,2}(?!\d)")
_LONGEST_SHOWN = 30
_OTHER_CALENDARS = (
    (re.compile(r"(?:.*\D)?2[45]\d{2}(?:\D.*)?"), "of the Buddhist calendar"),
    (re.compile(r"(?:.*\D)?1[34]\d{2}(?:\D.*)?"), "of the Persian or Islamic calendar"),
    (re.compile(r"1[01]\d\D\d{1,2}\D\d{1,2}"), "years of the Republic of China"),
    (re.compile(r"1\d{9}(?:\d{3})?(?:\.\d+)?"), "seconds or milliseconds since 1970"),
    (re.compile(r"[^/]*\d[^/]*"), "without a year, or of a calendar that is not read"),
)


def _short(text: str) -> str:
    """Return a text without blanks around it. Raises: ValueError for one so long that no pattern should look at it."""
    if len(text) > SHORT:
        raise ValueError("is not a date")
    return text.strip()


def _year(text: str) -> int:
    if len(text) in {1, 3}:
        raise ValueError("has a year of one or three digits")
    short = int(text)
    if len(text) > 2:  # noqa: PLR2004 - a year of four digits
        if not _FIRST_YEAR <= short <= _LAST_YEAR:
            raise ValueError("has a year no statement has")
        return short
    if _LAST_SHORT < short < _FIRST_SHORT:
        raise ValueError("has a year of two digits that is of another century or calendar")
    return short + (1900 if short >= _FIRST_SHORT else 2000)


def _parts(text: str) -> tuple[str, str, str]:
    bare = _TIME.sub("", _WEEKDAY.sub("", text.strip().strip("'\""))).translate(_CHINESE)
    found = _PARTS.fullmatch(bare)
    if found is None:
        raise ValueError("is not a date")
    if found[1].isdigit() and found[3].isdigit() and not _are_alike(found[2], found[4]):
        raise ValueError("is not a date: its parts are set off in two ways")
    return found[1], found[3], found[5]


def _are_alike(mark: str, other: str) -> bool:
    """Whether separators are the same; a space behind one may be left out, and QIF has an apostrophe for years."""
    signs = mark.strip() == other.strip() != "" and not (mark[0].isspace() or other[0].isspace())
    return mark == other or signs or other.strip() == "'"


def _month(text: str) -> int:
    if text.isdigit():
        return int(text)
    if (number := month_number(text)) is None:
        raise ValueError("names a month nobody knows")
    return number


def _packed(text: str, order: Order) -> date:
    cuts = {"ymd": (0, 4, 6), "dmy": (4, 2, 0), "mdy": (4, 0, 2)}[order]
    year, month, day = cuts
    return date(_year(text[year : year + 4]), int(text[month : month + 2]), int(text[day : day + 2]))


@remembering(8192)
def parse_day(text: str, order: Order) -> date:
    """Read a day written in `order`; a time of day behind it is ignored, month names are read in seventeen languages.

    Raises: ValueError when it is no day in that order.
    """
    bare = _TIME.sub("", _short(text))
    if _SERIAL.fullmatch(bare) and order == "ymd":
        return _FIRST_OF_SERIAL + timedelta(days=int(bare[:5]))
    if _PACKED.fullmatch(bare):
        return _packed(bare, order)
    first, second, third = _parts(text)
    if (len(first) == 4 and first.isdigit()) or order == "ymd":  # noqa: PLR2004 - a year of four digits
        return date(_year(first), _month(second), int(third))
    if not first.isdigit():
        month, day = first, second
    elif not second.isdigit():
        month, day = second, first
    else:
        month, day = (second, first) if order == "dmy" else (first, second)
    return date(_year(third), _month(month), int(day))


@remembering(8192)
def parse_day_as(text: str, pattern: str) -> date:
    """Read a day in a profile's own `strptime` pattern; what follows the pattern (a time of day) is ignored.

    Raises: ValueError when it does not fit.
    """
    bare = _short(text)
    try:
        return datetime.strptime(bare, pattern).date()  # noqa: DTZ007 - a day has no zone
    except ValueError:
        return datetime.strptime(_TIME.sub("", bare), pattern).date()  # noqa: DTZ007 - same


@remembering(8192)
def parse_moment(text: str) -> datetime | None:
    """Return the moment when the text states one in UTC (`2026-02-10T23:30:00Z`); None for a local day or time."""
    if len(text) > SHORT or not _UTC.search(text):
        return None
    try:
        return datetime.fromisoformat(re.sub(r"\s*(?:UTC|GMT)$", "Z", text.strip(), flags=re.IGNORECASE))
    except ValueError:
        return None


@remembering(8192)
def fitting_orders(text: str) -> frozenset[Order]:
    """Return every order in which `text` may be a day. Nobody writes the month first with dots (CLDR)."""
    if len(text) > SHORT:
        return frozenset()
    croatian = in_croatian(text)
    return _fitting_orders(text) | (_fitting_orders(croatian) if croatian != text else frozenset())


def _fitting_orders(text: str) -> frozenset[Order]:
    days: dict[Order, date] = {}
    for order in ORDERS:
        try:
            days[order] = parse_day(text, order)
        except ValueError:
            continue
    if text.strip()[:4].isdigit() and "ymd" in days:
        return frozenset({"ymd"})
    if days.keys() & {"dmy", "mdy"} and not _SHORT_YEAR_FIRST.match(text):
        days.pop("ymd", None)
    if "dmy" in days and _DOTTED.match(text.strip()):
        days.pop("mdy", None)
    return frozenset(days)


def is_day(text: str) -> bool:
    """Return whether `text` is a day in some order, with its month in the usual meaning."""
    return bool(_fitting_orders(text))


def why_no_day(text: str | None) -> str:
    """Return what a text in the place of a day seems to be, as the end of a sentence; empty where there is none."""
    if text is None:
        return ""
    shown = text.strip()[:_LONGEST_SHOWN]
    seems = next((what for pattern, what in _OTHER_CALENDARS if pattern.fullmatch(shown)), "in no known form")
    return (
        f": '{shown}' seems to be {seems}; write the days as 2026-01-31 in a spreadsheet program, or state the"
        " column with --column NAME=date, or date_format in a profile"
    )

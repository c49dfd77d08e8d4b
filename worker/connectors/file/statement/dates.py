"""Parses days as banks and people write them; the order of day and month is decided over a whole file. Pure."""

import re
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Literal

Order = Literal["ymd", "dmy", "mdy"]
ORDERS: tuple[Order, ...] = ("ymd", "dmy", "mdy")

_MONTHS = (
    (
        "jan january januar januari janvier janv enero ene janeiro gennaio gen stycznia styczeń sty ledna leden led "
        "ocak oca január tammikuuta tammi"
    ),
    (
        "feb february februar februari février fevrier févr fevr febrero fevereiro fev febbraio lutego luty lut února "
        "únor úno şubat şub helmikuuta helmi"
    ),
    (
        "mar march märz maerz mär mrz maart mrt mars marzo março marca marzec března březen bře mart marts maaliskuuta "
        "maalis"
    ),
    "apr april avril avr abril abr aprile kwietnia kwiecień kwi dubna duben dub nisan nis huhtikuuta huhti",
    "may mai mei mayo maio maggio mag maja maj května květen kvě may\u0131s toukokuuta touko",
    "jun june juni juin junio junho giugno giu czerwca czerwiec cze června červen čvn haziran haz kesäkuuta kesä",
    (
        "jul july juli juillet juil julio julho luglio lug lipca lipiec lip července červenec čvc temmuz tem "
        "heinäkuuta heinä"
    ),
    "aug august augustus augusti août aout agosto ago sierpnia sierpień sie srpna srpen srp ağustos ağu elokuuta elo",
    (
        "sep sept september septembre septiembre setembro set settembre września wrzesień wrz září zář eylül eyl "
        "syyskuuta syys"
    ),
    (
        "oct october oktober okt octobre octubre outubro out ottobre ott października październik paź října říjen říj "
        "ekim eki lokakuuta loka"
    ),
    "nov november novembre noviembre novembro listopada listopad lis kas\u0131m kas marraskuuta marras",
    (
        "dec december dezember dez décembre decembre déc diciembre dic dezembro dicembre des desember grudnia grudzień "
        "gru prosince prosinec pro aral\u0131k ara joulukuuta joulu"
    ),
)
_MONTH_OF = {name: number for number, names in enumerate(_MONTHS, start=1) for name in names.split()}
_TIME = re.compile(r"[T\s,]+\d{1,2}[:.h]\d{2}.*$", re.IGNORECASE)
_WEEKDAY = re.compile(r"^(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+", re.IGNORECASE)
_UTC = re.compile(r"\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?\s*(?:Z|UTC|GMT|[+-]00:?00)$", re.IGNORECASE)
_PARTS = re.compile(r"(\d{1,4}|[^\W\d_]+)\.?[\s./\-,']+(\d{1,2}|[^\W\d_]+)\.?[\s./\-,']+(\d{1,4})\.?")
_DOTTED = re.compile(r"\d{1,2}\.\s?\d{1,2}\.")
_PACKED = re.compile(r"\d{8}")
# Days since 1899 as spreadsheets count them, from 1954 to 2091; a time of day stands behind the point.
_SERIAL = re.compile(r"[2-6]\d{4}(?:\.\d{1,10})?")
_FIRST_OF_SERIAL = date(1899, 12, 30)
_CENTURY_PIVOT = 69
_FIRST_YEAR, _LAST_YEAR = 1900, 2199


def _year(text: str) -> int:
    if len(text) in {1, 3}:
        raise ValueError("has a year of one or three digits")
    short = int(text)
    if len(text) > 2:  # noqa: PLR2004 - a year of four digits
        if not _FIRST_YEAR <= short <= _LAST_YEAR:
            raise ValueError("has a year no statement has")
        return short
    return short + (1900 if short >= _CENTURY_PIVOT else 2000)


def _parts(text: str) -> tuple[str, str, str]:
    bare = _TIME.sub("", _WEEKDAY.sub("", text.strip().strip("'\"")))
    found = _PARTS.fullmatch(bare)
    if found is None:
        raise ValueError("is not a date")
    return found[1], found[2], found[3]


def _month(text: str) -> int:
    if text.isdigit():
        return int(text)
    if (number := _MONTH_OF.get(text.casefold())) is None:
        raise ValueError("names a month nobody knows")
    return number


def _packed(text: str, order: Order) -> date:
    cuts = {"ymd": (0, 4, 6), "dmy": (4, 2, 0), "mdy": (4, 0, 2)}[order]
    year, month, day = cuts
    return date(_year(text[year : year + 4]), int(text[month : month + 2]), int(text[day : day + 2]))


@lru_cache(maxsize=8192)
def parse_day(text: str, order: Order) -> date:
    """Read a day written in `order`; a time of day behind it is ignored, month names are read in fifteen languages.

    Raises: ValueError when it is no day in that order.
    """
    bare = _TIME.sub("", text.strip())
    if _SERIAL.fullmatch(bare) and order == "ymd":
        return _FIRST_OF_SERIAL + timedelta(days=int(bare[:5]))
    if _PACKED.fullmatch(bare):
        return _packed(bare, order)
    first, second, third = _parts(text)
    if (len(first) == 4 and first.isdigit()) or order == "ymd":  # noqa: PLR2004 - a year of four digits
        if order != "ymd":
            raise ValueError("begins with the year")
        return date(_year(first), _month(second), int(third))
    if not first.isdigit():
        month, day = first, second
    elif not second.isdigit():
        month, day = second, first
    else:
        month, day = (second, first) if order == "dmy" else (first, second)
    return date(_year(third), _month(month), int(day))


@lru_cache(maxsize=8192)
def parse_day_as(text: str, pattern: str) -> date:
    """Read a day in a profile's own `strptime` pattern; what follows the pattern (a time of day) is ignored.

    Raises: ValueError when it does not fit.
    """
    bare = text.strip()
    try:
        return datetime.strptime(bare, pattern).date()  # noqa: DTZ007 - a day has no zone
    except ValueError:
        return datetime.strptime(_TIME.sub("", bare), pattern).date()  # noqa: DTZ007 - same


@lru_cache(maxsize=8192)
def parse_moment(text: str) -> datetime | None:
    """Return the moment when the text states one in UTC (`2026-02-10T23:30:00Z`); None for a local day or time."""
    if not _UTC.search(text):
        return None
    try:
        return datetime.fromisoformat(re.sub(r"\s*(?:UTC|GMT)$", "Z", text.strip(), flags=re.IGNORECASE))
    except ValueError:
        return None


@lru_cache(maxsize=8192)
def fitting_orders(text: str) -> frozenset[Order]:
    """Return every order in which `text` may be a day.

    Nobody writes the month first with dots (CLDR), or a year of two digits first where anything else fits.
    """
    days: dict[Order, date] = {}
    for order in ORDERS:
        try:
            days[order] = parse_day(text, order)
        except ValueError:
            continue
    if days.keys() & {"dmy", "mdy"}:
        days.pop("ymd", None)
    if "dmy" in days and _DOTTED.match(text.strip()):
        days.pop("mdy", None)
    return frozenset(days)


def _is_sorted(days: list[date]) -> bool:
    return all(a <= b for a, b in pairwise(days)) or all(a >= b for a, b in pairwise(days))


def decide_order(orders: frozenset[Order], sample: Iterable[str]) -> tuple[Order, str | None]:
    """Choose the order of day and month among those that fit every date of a file.

    Where both orders fit, they may read the same days, or only one may leave the sample sorted; the second element
    says so. Raises: ValueError when nothing fits, or when the file fits both orders and proves neither.
    """
    if not orders:
        raise ValueError("the dates fit no single order of day, month and year")
    if len(orders) == 1:
        return next(iter(orders)), None
    return _among(sorted(orders), list(sample))


def _among(orders: list[Order], sample: list[str]) -> tuple[Order, str | None]:
    readings = {order: [parse_day(text, order) for text in sample] for order in orders}
    if len({tuple(days) for days in readings.values()}) == 1:
        return orders[0], None
    plausible = {order: days for order, days in readings.items() if _plausible(days)}
    if len(plausible) == 1:
        return next(iter(plausible)), "only one order of day and month keeps the dates within a century"
    ordered = [order for order, days in plausible.items() if _is_sorted(days)]
    if len(ordered) == 1 and len(sample) > 2:  # noqa: PLR2004 - two dates are always sorted
        return ordered[0], f"day and month fit both ways; read as {ordered[0]}, which keeps the file in date order"
    raise ValueError(f"'{sample[0]}' and all other dates fit both day/month and month/day: state --date-order")


def _plausible(days: list[date]) -> bool:
    return max(days) - min(days) < timedelta(days=36525)

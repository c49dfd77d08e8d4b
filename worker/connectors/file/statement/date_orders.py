"""Decides the order of day, month and year over the days of a whole file. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import pairwise

from worker.connectors.file.statement.dates import Order, fitting_orders, parse_day

_CLOSE = timedelta(days=20)
_NARROW = 5  # times as wide is what the days of a file are when years of two digits are read from the wrong end
_YEAR = timedelta(days=366)


@dataclass(frozen=True, slots=True, kw_only=True)
class DayEvidence:
    """What a file shows about the order of day and month besides days that fit one order only.

    Attributes:
        days: Days of the rows, in the order of the file.
        pairs: Two days of one row, such as booking and value day, which lie close together.
        others: Days of columns that are not read.
        around: Days that stand outside of the rows, such as the period that is printed above them.
        newest_first: Order of the rows, where a column of balances proves it.
        orders: Those that fit every day.
        local: What says that the day comes first, such as a column name of a country that writes so; None for nothing.
    """

    days: Sequence[str] = ()
    pairs: Sequence[tuple[str, str]] = ()
    others: Sequence[str] = ()
    around: Sequence[str] = ()
    newest_first: bool | None = None
    local: str | None = None
    orders: frozenset[Order] = frozenset()


def decide_order(orders: frozenset[Order], evidence: DayEvidence) -> tuple[Order, str | None]:
    """Choose the order of day and month among those that fit every date of a file.

    Where both orders fit, they may read the same days, or something else in the file speaks for one of them; the
    second element says what. Raises: ValueError when nothing fits, or when the file fits both orders and proves
    neither.
    """
    if not orders:
        raise ValueError("the dates fit no single order of day, month and year: state --date-order for those that do")
    if len(orders) == 1:
        return next(iter(orders)), None
    evidence = replace(evidence, orders=orders)
    readings = {order: [parse_day(text, order) for text in evidence.days] for order in sorted(orders)}
    if len({tuple(days) for days in readings.values()}) == 1:
        return next(iter(readings)), None
    for proof, fits in _PROOFS:
        fitting = {order: days for order, days in readings.items() if fits(evidence, order, days)}
        readings = fitting or readings
        if len(readings) == 1:
            [only] = readings
            return only, f"day and month fit both ways; read as {only}, {proof}"
    if "dmy" in readings and evidence.local:
        return "dmy", f"day and month fit both ways; read as dmy, {evidence.local}"
    ordered = [order for order, days in readings.items() if _rises(days) or _falls(days)]
    known = evidence.newest_first is not None  # then the balances have spoken, for none or for both
    if len(ordered) == 1 and not known and len(evidence.days) > 2:  # noqa: PLR2004 - two dates are always sorted
        return ordered[0], f"day and month fit both ways; read as {ordered[0]}, which keeps the file in date order"
    first = evidence.days[0]
    written = {"dmy": "day/month", "mdy": "month/day", "ymd": "year/month"}
    ways = " and ".join(written[order] for order in readings)
    raise ValueError(f"'{first}' and all other dates fit both {ways}: state --date-order")


def _rises(days: Sequence[date]) -> bool:
    return all(a <= b for a, b in pairwise(days))


def _falls(days: Sequence[date]) -> bool:
    return all(a >= b for a, b in pairwise(days))


def _is_within_a_century(_evidence: DayEvidence, _order: Order, days: Sequence[date]) -> bool:
    return max(days) - min(days) < timedelta(days=36525)


def _is_not_wide(evidence: DayEvidence, _order: Order, days: Sequence[date]) -> bool:
    """Whether no other order brings the days far closer together: years of two digits are not read from the day."""
    width = max(days) - min(days)
    return width <= _YEAR or all(width <= _NARROW * _width(evidence.days, other) for other in evidence.orders)


def _width(texts: Sequence[str], order: Order) -> timedelta:
    days = [parse_day(text, order) for text in texts]
    return max(days) - min(days)


def _fits_others(evidence: DayEvidence, order: Order, _days: Sequence[date]) -> bool:
    return all(order in fitting_orders(text) for text in evidence.others)


def _fits_around(evidence: DayEvidence, order: Order, days: Sequence[date]) -> bool:
    """Whether the days outside of the rows fit the order, and, where they state a period, hold those of the rows."""
    if not all(order in fitting_orders(text) for text in evidence.around):
        return False
    period = [parse_day(text, order) for text in evidence.around]
    return len(period) < 2 or (min(period) <= min(days) and max(days) <= max(period))  # noqa: PLR2004 - two ends


def _keeps_pairs_close(evidence: DayEvidence, order: Order, _days: Sequence[date]) -> bool:
    pairs = [(parse_day(one, order), parse_day(other, order)) for one, other in evidence.pairs]
    return all(abs(one - other) <= _CLOSE for one, other in pairs)


def _follows_the_balances(evidence: DayEvidence, _order: Order, days: Sequence[date]) -> bool:
    if evidence.newest_first is None:
        return True
    return _falls(days) if evidence.newest_first else _rises(days)


_PROOFS: tuple[tuple[str, Callable[[DayEvidence, Order, Sequence[date]], bool]], ...] = (
    ("the only order that keeps the dates within a century", _is_within_a_century),
    ("the only order that keeps the dates close together", _is_not_wide),
    ("as the days of another column are written", _fits_others),
    ("as the days outside of the rows are written", _fits_around),
    ("which keeps the two days of each row close together", _keeps_pairs_close),
    ("the order of time that the balances prove", _follows_the_balances),
)

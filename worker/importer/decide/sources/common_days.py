"""Chooses by which of their days the rows of two sources are compared: those of purchases, or those of bookings. Pure.

One source states when a purchase was made and when it was booked, the other one alone. Compared by the day that both
state, equal purchases of near days are told apart; by the other one, each is booked some days later than it was made.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal

from worker.importer.decide.sources.rows import SourceRow


def by_common_days(
    lefts: Sequence[SourceRow], rights: Sequence[SourceRow]
) -> tuple[Sequence[SourceRow], Sequence[SourceRow]]:
    """Return the rows with the days of bookings where more rows of one amount agree on these than on the others."""
    booked = _by_booking(lefts), _by_booking(rights)
    if _agreeing(*booked) <= _agreeing(lefts, rights):
        return lefts, rights
    return booked


def _by_booking(rows: Sequence[SourceRow]) -> list[SourceRow]:
    return [row if row.pending or row.stated_on is None else replace(row, on=row.stated_on) for row in rows]


def _agreeing(lefts: Sequence[SourceRow], rights: Sequence[SourceRow]) -> int:
    return (_counted(lefts) & _counted(rights)).total()


def _counted(rows: Sequence[SourceRow]) -> Counter[tuple[date, str, Decimal]]:
    return Counter((row.on, row.currency, row.amount) for row in rows)

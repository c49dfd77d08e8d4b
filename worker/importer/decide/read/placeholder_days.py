"""Drops days that stand for `no day`: 0001-01-01 and 9999-12-31 are how systems write a date that they do not have.

Another day that the bank states counts then. A posted row without one is rejected, a pending one has the day it was
first seen.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime
from typing import TypeVar

from worker.connectors.base import Transaction

DayT = TypeVar("DayT", date, datetime)

FIRST_YEAR = 1900
LAST_YEAR = 2199


def without_placeholder_days(transactions: Iterable[Transaction]) -> list[Transaction]:
    """Return the transactions without days and moments of years in which no bank books anything."""
    return [_cleared(one) if _has_placeholder(one) else one for one in transactions]


def _has_placeholder(transaction: Transaction) -> bool:
    # Written out, because this is asked of every row: a loop over the five fields takes four times as long.
    return (
        ((day := transaction.booking_on) is not None and _is_placeholder(day))
        or ((day := transaction.value_on) is not None and _is_placeholder(day))
        or ((day := transaction.transaction_on) is not None and _is_placeholder(day))
        or ((moment := transaction.booking_at) is not None and _is_placeholder(moment))
        or ((moment := transaction.transaction_at) is not None and _is_placeholder(moment))
    )


def _is_placeholder(day: date) -> bool:
    return not FIRST_YEAR <= day.year <= LAST_YEAR


def _cleared(transaction: Transaction) -> Transaction:
    return replace(
        transaction,
        booking_on=_real(transaction.booking_on),
        value_on=_real(transaction.value_on),
        transaction_on=_real(transaction.transaction_on),
        booking_at=_real(transaction.booking_at),
        transaction_at=_real(transaction.transaction_at),
    )


def _real(day: DayT | None) -> DayT | None:
    return None if day is None or _is_placeholder(day) else day

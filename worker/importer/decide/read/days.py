"""Decides which days a transaction has: the day of a moment, the first one stated, and that of its expense."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time

from worker.connectors.base import Transaction
from worker.importer.decide.read.context import ReadContext
from worker.importer.decide.row_days import is_settlement

UNDATED = date.min
"""The day of a row without any, which puts such rows before all others."""

MIDNIGHT = time()
MIN_MOMENTS = 5
MIN_DAYS = 3


def day_of_moment(moment: datetime | None, context: ReadContext) -> date | None:
    """Return the day of a moment, or the day that was written as a moment.

    That is exactly midnight UTC, whatever the zone, and the time of day that all moments of the account have, unless
    it is midnight in the bank's zone.
    """
    if moment is None:
        return None
    in_utc, in_zone = moment.astimezone(UTC), moment.astimezone(context.zone)
    is_day = in_utc.time() in (MIDNIGHT, context.days_at) and in_zone.time() != MIDNIGHT
    return in_utc.date() if is_day else in_zone.date()


def stated_day(transaction: Transaction, context: ReadContext | None) -> date | None:
    """Return the first day that the bank states of a transaction: of its booking, the purchase, the value.

    Args:
        context: Says of which day a moment is; without it moments are not read.
    """
    booking_on, purchase_on = transaction.booking_on, transaction.transaction_on
    if context is not None:
        booking_on = booking_on or day_of_moment(transaction.booking_at, context)
        purchase_on = purchase_on or day_of_moment(transaction.transaction_at, context)
    return booking_on or purchase_on or transaction.value_on


def rough_day(transaction: Transaction) -> date:
    """Return the day by which rows are ordered and seen to be near, whatever the bank's zone; UNDATED without any."""
    day = transaction.booking_on or transaction.transaction_on
    if day is not None:
        return day
    moment = transaction.booking_at or transaction.transaction_at
    return (moment.date() if moment else transaction.value_on) or UNDATED


def expense_day(
    context: ReadContext, transaction_on: date | None, booking_on: date | None, value_on: date | None
) -> date | None:
    """Return the day of the expense: the one the connection asks for, else the purchase, the booking, the value.

    Of a monthly settlement the value day is that of the purchase.
    """
    if context.date_basis == "transaction" and transaction_on is not None:
        return transaction_on
    settled = booking_on is not None and value_on is not None and is_settlement(booking_on, value_on)
    usual = transaction_on or (value_on if settled else booking_on) or value_on
    if context.date_basis == "transaction":
        return usual
    return (booking_on if context.date_basis == "booking" else value_on) or usual


def common_time_of_day(transactions: Iterable[Transaction]) -> time | None:
    """Return the time of day (UTC) that all moments have, if so many of several days are no coincidence.

    A bank that states days as moments writes all of them at one hour.
    """
    found: time | None = None
    days: set[date] = set()
    count = 0
    for transaction in transactions:
        moment = transaction.booking_at or transaction.transaction_at
        if moment is None:
            return None
        in_utc = moment.astimezone(UTC)
        found = in_utc.time() if found is None else found
        if in_utc.time() != found:
            return None
        days.add(in_utc.date())
        count += 1
    return found if count >= MIN_MOMENTS and len(days) >= MIN_DAYS else None

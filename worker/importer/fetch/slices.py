"""Splits an account's share of a delivery into slices of whole days.

Each slice says for which days it has every row, and under which days its rows may be stored. The rows
of a long delivery are read back from the file of `fetch.staging`, one slice at a time.
"""

from collections.abc import Collection, Generator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from worker.connectors.base import Transaction, Window
from worker.importer.decide.ids.duplicates import without_superseded_pending
from worker.importer.decide.pending.match_posted import MAX_DAYS_TO_POST
from worker.importer.decide.read.context import ReadContext
from worker.importer.decide.read.days import UNDATED, rough_day, stated_day
from worker.importer.decide.read.line import FingerprintedTransaction, fingerprint
from worker.importer.decide.slice_rows import SliceRows
from worker.importer.fetch.delivery import Delivery

SLICE_ROWS = 10_000
"""How many rows are matched, planned and written at a time."""

_MARGIN = timedelta(days=10)
"""Stored rows are loaded this far beyond a slice's days: a row that changed its day is recognised by its content."""

_OPEN_END = timedelta(days=MAX_DAYS_TO_POST)
"""How many last days a slice proves nothing about: a pending row of them may be posted in the next slice."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Some days of an account's share of a delivery.

    Attributes:
        transactions: The transactions of these days.
        superseded: How many transactions were left out, because the same delivery has them posted or removes them.
        voided: Rows of these days that are void now.
        covers: The days of which the slice has every row, so that a stored row which it lacks is removed at the bank.
        days_cut_off: The days that were asked for, where the provider left something out.
        told_from_on: The day of the oldest posted row that was told so far; None without any that is not booked ahead.
        as_new: Its rows as they are where none of them is stored, if that was likely.
    """

    transactions: list[FingerprintedTransaction]
    superseded: int
    covers: Window | None
    days_cut_off: Window | None = None
    told_from_on: date | None = None
    voided: Sequence[FingerprintedTransaction] = ()
    as_new: SliceRows | None = None

    def span(self, today: date) -> tuple[date, date]:
        """Return the first and the last day under which rows of this slice may be stored already."""
        rows = [item.transaction for item in (*self.transactions, *self.voided)]
        days = {day for t in rows for day in (t.booking_on, t.transaction_on, t.value_on) if day is not None}
        days |= {moment.date() for t in rows for moment in (t.booking_at, t.transaction_at) if moment}
        days |= {self.covers.from_on, self.covers.to_on} if self.covers else {today}
        return min(days) - _MARGIN, date.max if self.is_up_to(today) else max(days) + _MARGIN

    def is_up_to(self, today: date) -> bool:
        """Return whether the slice has every row up to today, and with them those that are booked for later days."""
        return self.covers is not None and self.covers.to_on >= today


def slices(
    delivery: Delivery, account_id: str, context: ReadContext, slice_rows: int, told_from_on: date | None = None
) -> Generator[Slice]:
    """Yield slices of an account's share, each with the part of the covered window of which it has every row.

    The last days of a slice are no part of it, because their rows may be in the next slice.

    Args:
        account_id: The bank's id of the account.
        slice_rows: About how many rows a slice holds.
        told_from_on: The day of the oldest posted row that was told before; None without any.
    """
    covers = delivery.covers if delivery.complete and account_id not in delivery.failures else None
    following = delivery.staging.slices(account_id, slice_rows)
    removed = frozenset(delivery.removed_ids(account_id))
    voided = [fingerprint(row, context, context.fingerprint_salt) for row in delivery.voided_rows(account_id)]
    current = next(following, [])
    start = covers.from_on if covers else date.min
    is_only = True
    for later in following:
        is_only = False
        end = _last_day(current, context) - _OPEN_END
        whole = Window(from_on=start, to_on=end) if covers and start <= end else None
        made = _slice(current, context, removed, whole, told_from_on=told_from_on)
        told_from_on = made.told_from_on
        yield replace(made, voided=[item for item in voided if rough_day(item.transaction) <= end])
        voided = [item for item in voided if rough_day(item.transaction) > end]
        start = max(start, end + timedelta(days=1))
        current = later
    rest = Window(from_on=start, to_on=covers.to_on) if covers and start <= covers.to_on else None
    cut_off = delivery.covers if is_only and covers is None else None
    yield replace(_slice(current, context, removed, rest, cut_off, told_from_on=told_from_on), voided=voided)


def _slice(
    transactions: list[Transaction],
    context: ReadContext,
    removed: Collection[str],
    covers: Window | None,
    days_cut_off: Window | None = None,
    *,
    told_from_on: date | None,
) -> Slice:
    salt = context.fingerprint_salt
    rows = without_superseded_pending(transactions, trusted=context.trusted)
    if removed and context.trusted:
        rows = [transaction for transaction in rows if transaction.external_id not in removed]
    return Slice(
        transactions=[fingerprint(transaction, context, salt) for transaction in rows],
        superseded=len(transactions) - len(rows),
        covers=covers,
        days_cut_off=days_cut_off,
        told_from_on=_oldest_on(rows, context, told_from_on),
    )


def _oldest_on(rows: Sequence[Transaction], context: ReadContext, told_from_on: date | None) -> date | None:
    days = [told_from_on, *(stated_day(row, context) for row in rows if not row.pending)]
    return min((day for day in days if day is not None and day <= context.today), default=None)


def _last_day(transactions: list[Transaction], context: ReadContext) -> date:
    last = max(map(rough_day, transactions), default=UNDATED)
    return context.today if last == UNDATED else last

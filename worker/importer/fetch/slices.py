"""Splits a delivery into slices of whole days, with the days each proves and may file rows under. Pure."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from worker.connectors.base import Transaction, Window
from worker.importer.decide import match_pending
from worker.importer.decide.duplicate_ids import without_superseded_pending
from worker.importer.decide.line import FingerprintedTransaction, ReadContext, fingerprint
from worker.importer.fetch.delivery import Delivery
from worker.importer.fetch.staging import UNDATED, day_of

_MARGIN = timedelta(days=10)
_OPEN_END = timedelta(days=match_pending.MAX_DAYS)


@dataclass(frozen=True, slots=True)
class Slice:
    """Some days of a delivery.

    Attributes:
        transactions: The transactions of these days.
        superseded: How many transactions were left out, because the same answer has them posted or removes them.
        covers: The days of which the slice has every row.
        days_cut_off: The days it should have held, where something was cut off.
    """

    transactions: list[FingerprintedTransaction]
    superseded: int
    covers: Window | None
    days_cut_off: Window | None = None

    def span(self, today: date) -> tuple[date, date]:
        """Return the days within which rows of this slice may have been filed."""
        rows = [item.transaction for item in self.transactions]
        days = {day for t in rows for day in (t.booking_on, t.transaction_on, t.value_on) if day is not None}
        days |= {moment.date() for t in rows for moment in (t.booking_at, t.transaction_at) if moment}
        days |= {self.covers.from_on, self.covers.to_on} if self.covers else {today}
        return min(days) - _MARGIN, date.max if self.is_up_to(today) else max(days) + _MARGIN

    def is_up_to(self, today: date) -> bool:
        """Return whether the slice has every row up to today, and so what is booked ahead."""
        return self.covers is not None and self.covers.to_on >= today


def slices(delivery: Delivery, account_id: str, context: ReadContext, slice_rows: int) -> Iterator[Slice]:
    """Yield slices of an account, each with the part of the covered window it proves.

    A slice proves nothing about its last days, whose rows may be in the next one.

    Args:
        account_id: The bank's.
    """
    covers = delivery.covers if delivery.complete and account_id not in delivery.failures else None
    following = delivery.staging.slices(account_id, slice_rows)
    removed = {row.external_id for row in delivery.removed if row.account_id in (None, account_id)}
    current = next(following, [])
    start = covers.from_on if covers else date.min
    for later in following:
        end = _last_day(current, context) - _OPEN_END
        yield _slice(current, context, removed, Window(from_on=start, to_on=end) if covers and start <= end else None)
        start = max(start, end + timedelta(days=1))
        current = later
    rest = Window(from_on=start, to_on=covers.to_on) if covers and start <= covers.to_on else None
    whole = len(current) == delivery.staging.rows(account_id)
    yield _slice(current, context, removed, rest, delivery.covers if whole and covers is None else None)


def _slice(
    transactions: list[Transaction],
    context: ReadContext,
    removed: Collection[str],
    covers: Window | None,
    days_cut_off: Window | None = None,
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
    )


def _last_day(transactions: list[Transaction], context: ReadContext) -> date:
    last = max(map(day_of, transactions), default=UNDATED)
    return context.today if last == UNDATED else last

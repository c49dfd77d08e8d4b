"""Imports one account's share of a delivery in the caller's transaction: rows, counts, watermark and cursor.

`import_share` goes through the delivery in slices: load what is stored, set unchanged rows aside, read the rest,
match it, plan, write. All of it commits or none.
"""

from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.connectors.base import Transaction
from worker.importer.context import ImportContext
from worker.importer.decide.balances.running import rows_with_balance
from worker.importer.decide.reach import AnswersReach
from worker.importer.decide.read.days import common_time_of_day
from worker.importer.decide.read.line import Rejection
from worker.importer.decide.slice_rows import StoredKeys
from worker.importer.fetch.read_ahead import read_ahead
from worker.importer.fetch.request_plan import days_read_of, history_limits
from worker.importer.fetch.slices import SLICE_ROWS, Slice, slices
from worker.importer.fetch.window import advance
from worker.importer.outcome import AccountResult, AccountTally
from worker.importer.store.account_share import AccountShare
from worker.importer.store.rejections import record_rejections
from worker.importer.store.results.run_accounts import IN_PROGRESS, add_delivery
from worker.importer.store.rows.keys import has_rows, removable_ids
from worker.importer.store.rows.seen import SeenIds, SeenRows
from worker.importer.store.slice_import import import_slice
from worker.models import BankConnectionAccount
from worker.runs.states import Counts

SAMPLED_MOMENTS = 500
"""Of how many rows the time of day is compared to see whether the bank writes days as moments."""
ONE_DAY = timedelta(days=1)


def import_share(session: Session, share: AccountShare, context: ImportContext) -> AccountTally:
    """Import the account's share of a delivery; the watermark and the cursor move only if the delivery was complete."""
    share = _with_days_at(session, share)
    account, delivery, tally = share.account, share.delivery, AccountTally()
    fresh = account.history_from_on is None and not has_rows(session, account.id)
    seen = SeenRows(new_ids=SeenIds(share.rows) if fresh else None)
    removed = removable_ids(session, account.id, delivery.removed_ids(account.external_id))
    rejections = [*share.rejected]
    with closing(_read_slices(share, first_load=seen.first_load)) as read:
        for slice_ in read:
            context.check()
            tally.rows_with_balance += rows_with_balance(slice_.transactions, share.read_context)
            rejections += import_slice(session, share, slice_, removed, seen, tally)
    _note_rejections_and_counts(session, share, tally, rejections)
    _note_assumed_currency(session, share)
    _note_days_read(session, share, tally, context)
    return tally


def _read_slices(share: AccountShare, *, first_load: bool) -> Generator[Slice]:
    """Return the slices of a share; of several the next one is read while Postgres writes the one before."""
    found = slices(share.delivery, share.account.external_id, share.read_context, SLICE_ROWS, share.told_from_on)
    if first_load:
        found = (replace(slice_, as_new=share.read(slice_.transactions, StoredKeys())) for slice_ in found)
    return read_ahead(found) if share.rows > SLICE_ROWS else found


def _note_rejections_and_counts(
    session: Session, share: AccountShare, tally: AccountTally, rejections: list[Rejection]
) -> None:
    account, delivery = share.account, share.delivery
    # A replay notes itself what it mends: its rows are rejected ones, and stand for no other.
    read_by = None if share.request.replays else share.read_context
    rejected = record_rejections(session, share.job, account.id, rejections, read_by)
    repeated = delivery.repeated[account.external_id]
    tally.counts += Counts(
        rejected=rejected,
        fetched=share.rows + repeated,
        unchanged=repeated,
        pages=delivery.pages,
        delivered=share.records,
        accounted=len(rejections) + repeated,
    )
    add_delivery(
        session,
        share.job,
        _result(share, tally.counts),
        window=share.request.window if share.is_whole else None,
        cursor=delivery.next_cursor if delivery.continues and not leaves_doubt(share, tally) else None,
    )


def leaves_doubt(share: AccountShare, tally: AccountTally) -> bool:
    """Return whether a part of a list of changes tells known rows again, so that all has to be read instead.

    A first reading goes on: it is what reads all.
    """
    goes_on = share.delivery.continues and share.account.history_from_on is not None
    return bool(tally.told_again) and goes_on


def _result(share: AccountShare, counts: Counts) -> AccountResult:
    """Return how the account stands after the delivery: in progress, unless the provider left rows out."""
    account, delivery = share.account, share.delivery
    goes_on = delivery.complete or delivery.continues or share.request.replays
    code, message = IN_PROGRESS, None
    if not goes_on and account.external_id not in delivery.failures:
        code, message = "truncated", "the provider cut its answer"
    return AccountResult(account_id=account.id, status="partial", code=code, message=message, counts=counts)


# Days between the watermark and a later window were not read, unless the bank delivers changes; those of a window were.
_NOTE_UNREAD = text(
    """UPDATE bank_connection_accounts SET unread_days = unread_days
      + CASE WHEN NOT :by_cursor AND watermark_on + 1 < CAST(:from_on AS date)
          THEN datemultirange(daterange(watermark_on + 1, :from_on)) ELSE '{}' END
      - datemultirange(daterange(:from_on, CAST(:to_on AS date) + 1))
    WHERE id = :account_id AND (unread_days <> '{}' OR watermark_on + 1 < CAST(:from_on AS date))"""
)


def _note_days_read(session: Session, share: AccountShare, tally: AccountTally, context: ImportContext) -> None:
    """Note the days that were read, and move watermark and cursor."""
    account, delivery, request = share.account, share.delivery, share.request
    if tally.reached_from_on and account.watermark_on and account.watermark_on < tally.reached_from_on - ONE_DAY:
        tally.warnings.add("days_out_of_reach")
    if share.is_whole:
        days = {"from_on": tally.reached_from_on or request.window.from_on, "to_on": request.window.to_on}
        session.execute(_NOTE_UNREAD, days | {"account_id": account.id, "by_cursor": request.by_cursor})
    if request.replays or account.external_id in delivery.failures:
        return
    if delivery.continues:
        _save_own_cursor(session, share)
    elif delivery.complete:
        _move_watermark(session, share, tally, context)
    if leaves_doubt(share, tally) or (delivery.complete and tally.told_again):
        # Read from the beginning, equal rows can be counted.
        row = session.get_one(BankConnectionAccount, account.id)
        row.history_from_on, row.history_complete, row.cursor = None, False, None


def _note_assumed_currency(session: Session, share: AccountShare) -> None:
    """Keep the currency that is assumed of an account."""
    if share.account.currency is None:
        session.get_one(BankConnectionAccount, share.account.id).currency_assumed = share.read_context.currency


def _with_days_at(session: Session, share: AccountShare) -> AccountShare:
    """Notice that the bank writes days as moments, all at one time of day, or that it does so no longer."""
    rows = share.delivery.staging.in_memory()
    sample = [] if rows is None else rows.get(share.account.external_id, [])[:SAMPLED_MOMENTS]
    known = share.read_context.days_at
    found = common_time_of_day(sample) if known is None else known
    if known is not None and any(at is not None and at.astimezone(UTC).time() != known for at in map(_moment, sample)):
        found = None
    if found == known:
        return share
    session.get_one(BankConnectionAccount, share.account.id).days_at = found
    return replace(share, read_context=replace(share.read_context, days_at=found))


def _moment(transaction: Transaction) -> datetime | None:
    return transaction.booking_at or transaction.transaction_at


def _move_watermark(session: Session, share: AccountShare, tally: AccountTally, context: ImportContext) -> None:
    """Move watermark and cursor."""
    limits = history_limits(share.job, share.capabilities, context)
    # While history is read, old rows are not late.
    late_days = tally.late_days if share.account.history_complete else 0
    row = session.get_one(BankConnectionAccount, share.account.id)
    days_read = advance(days_read_of(row), share.request.window, limits, latest_late_days=late_days)
    row.watermark_on = days_read.watermark_on
    row.history_from_on = days_read.history_from_on
    row.history_complete = days_read.history_complete
    row.lateness_days = days_read.lateness_days
    if tally.told_from_on is not None:
        known = AnswersReach(row.longest_reach_days, row.shortest_reach_days)
        reach = known.told_anew(tally.told_from_on, limits.today, tally.lost_to_on)
        row.longest_reach_days, row.shortest_reach_days = reach.longest_days, reach.shortest_days
    _save_own_cursor(session, share)


def _save_own_cursor(session: Session, share: AccountShare) -> None:
    """Move the cursor of an account that has one of its own; what is delivered under a former id of it moves none."""
    if share.request.by_cursor and share.request.account_id is not None:
        row = session.get_one(BankConnectionAccount, share.account.id)
        if share.request.account_id == row.external_id:
            row.cursor = share.delivery.next_cursor or row.cursor

"""Checks windows of days: both edges are included, nothing is missing, and no unread day is claimed as covered."""

from collections import Counter
from datetime import time, timedelta

from worker.connectors.base import Transaction, Window
from worker.connectors.errors import ConnectorError
from worker.connectors.testing.check import check, expect, missing, no_truth, truth, window_limit
from worker.connectors.testing.ledger import days
from worker.connectors.testing.subject import Subject, rows_of
from worker.errors import InvalidRequestError

_LONG_DAYS = 300


@check(truth)
def both_edges_belong_to_the_window(subject: Subject) -> None:
    window = Window(from_on=subject.day(20), to_on=subject.day(10))
    subject.ledger.book(-111, window.from_on, at=time(0, 0, 0))
    subject.ledger.book(-222, window.to_on, at=time(23, 59, 59))
    found = len(subject.rows(window))
    expect(
        found == 2,  # noqa: PLR2004 - one row on each edge
        "both days of a window belong to it, from their first second to their last:"
        f" of a row at 00:00:00 and one at 23:59:59, {found} came",
    )


@check(no_truth)
def neighbouring_windows_have_no_hole(subject: Subject) -> None:
    window = subject.window(40)
    middle = window.from_on + timedelta(days=19)
    halves = Counter(map(_key, subject.rows(Window(from_on=window.from_on, to_on=middle))))
    halves += Counter(map(_key, subject.rows(Window(from_on=middle + timedelta(days=1), to_on=window.to_on))))
    whole = Counter(map(_key, subject.rows(window)))
    expect(not whole - halves, "two windows side by side deliver less than one over both")
    expect(not halves - whole, "two windows side by side deliver more than one over both")


@check(truth, window_limit)
def long_windows_are_not_cut_in_silence(subject: Subject) -> None:
    window = Window(from_on=subject.day(_LONG_DAYS - 1), to_on=subject.today)
    for number, day in enumerate(days(window.from_on + timedelta(days=5), _LONG_DAYS - 10)):
        if number % 20 == 0:
            subject.ledger.book(-500 - number, day)
    try:
        pages = subject.read(window)
    except (ConnectorError, InvalidRequestError):
        return
    found = len(rows_of(pages))
    whole = found >= len(subject.ledger.entries()) or not all(page.complete for page in pages)
    expect(whole, f"a window of {_LONG_DAYS} days was cut to {found} rows and called complete")


@check(truth)
def it_covers_only_what_it_read(subject: Subject) -> None:
    subject.ledger.book(-4_200, subject.day(200))
    subject.ledger.book(-4_300, subject.day(12))
    pages = subject.read(Window(from_on=subject.day(25), to_on=subject.day(2)))
    found = [subject.day_of(row) for row in rows_of(pages)]
    claimed = [page.covers for page in pages if page.covers and page.complete]
    unread = [entry.on for entry in subject.ledger.entries() if any(entry.on in window for window in claimed)]
    lost = missing(unread, found)
    expect(not lost, f"the page claims to cover {', '.join(map(str, lost))}, where a row was not delivered")


def _key(row: Transaction) -> tuple[object, ...]:
    return row.account_id, row.external_id, row.amount, row.booking_on, row.booking_at, row.description, row.pending

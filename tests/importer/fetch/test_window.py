"""Which days a refresh asks for, and how far an account counts as read after them."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from worker.connectors.base import Window
from worker.importer.fetch.window import DaysRead, HistoryLimits, advance, refresh_windows

TODAY = date(2026, 6, 15)
LIMITS = HistoryLimits(today=TODAY, overlap_days=45, history_days=365)
ALL = Window(from_on=LIMITS.oldest_on, to_on=TODAY)


def on(days: int) -> date:
    """So many days after today."""
    return TODAY + timedelta(days=days)


def read_to(days: int) -> DaysRead:
    return DaysRead(watermark_on=on(days), history_from_on=LIMITS.oldest_on, history_complete=True)


@pytest.mark.parametrize(
    ("watermark_days", "from_on", "watermark_on"),
    [
        (-1, on(-46), TODAY),
        (0, on(-45), TODAY),
        (1, on(-45), TODAY),  # of a zone where it was tomorrow
        (2, LIMITS.oldest_on, TODAY),
        (400, LIMITS.oldest_on, TODAY),
    ],
)
def test_a_watermark_that_lies_ahead_is_not_believed(watermark_days, from_on, watermark_on):
    days_read = read_to(watermark_days)
    (window,) = refresh_windows(days_read, LIMITS)
    assert window == Window(from_on=from_on, to_on=TODAY)
    assert advance(days_read, window, LIMITS).watermark_on == watermark_on


def test_after_a_watermark_that_lay_ahead_history_counts_as_unread_until_it_was_read():
    newest = Window(from_on=on(-10), to_on=TODAY)
    days_read = advance(read_to(400), newest, LIMITS)
    assert days_read == DaysRead(watermark_on=TODAY, history_from_on=on(-10))
    assert advance(days_read, ALL, LIMITS).history_complete


@pytest.mark.parametrize(
    ("withdrawn_days", "window_days", "first_days"),
    [
        (-60, None, [-62]),
        (-20, None, [-45]),
        (-900, None, [-365]),
        (-60, 31, [-61, -30, -62]),  # forward to today first, so that the watermark follows
    ],
)
def test_a_refresh_reaches_back_to_withdrawn_rows_after_the_days_that_are_new(withdrawn_days, window_days, first_days):
    limits = replace(LIMITS, window_days=window_days)
    windows = refresh_windows(read_to(0), limits, on(withdrawn_days))
    assert [window.from_on for window in windows] == [on(days) for days in first_days]
    days = sorted(
        window.from_on + timedelta(days=n)
        for window in windows
        for n in range((window.to_on - window.from_on).days + 1)
    )
    assert days == [on(n) for n in range(min(first_days), 1)], "each day once"


def test_days_that_were_never_read_follow_those_of_withdrawn_rows():
    read = DaysRead(watermark_on=TODAY, history_from_on=on(-100))
    newest, older = refresh_windows(read, LIMITS, on(-60))
    assert (newest.from_on, older) == (on(-62), Window(from_on=LIMITS.oldest_on, to_on=on(-101)))
    newest, older = refresh_windows(read, LIMITS, on(-120))
    assert (newest.from_on, older) == (on(-122), Window(from_on=LIMITS.oldest_on, to_on=on(-123)))

"""Plans the days to request: history newest first, a refresh with overlap, the whole gap after an outage. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta

from worker.connectors.base import Window
from worker.importer.decide.reach import FIRST_DAYS

OVERLAP_DAYS = 45
"""How far a refresh without a cursor looks back before the watermark."""

HISTORY_DAYS = 730
"""How far a first import looks back, unless the connection or the provider says otherwise."""

LATENESS_MARGIN_DAYS = 14
"""Days added to the longest delay of a row so far, so that one that comes a little later still is not missed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DaysRead:
    """How far an account was read.

    Attributes:
        watermark_on: The last day that was read successfully.
        history_from_on: The first day that was read.
    """

    watermark_on: date | None = None
    history_from_on: date | None = None
    history_complete: bool = False
    lateness_days: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryLimits:
    """Limits of one request and of the past.

    Attributes:
        history_days: The smaller of the provider's and the user's.
        window_days: How many days one request may cover; None for any.
    """

    today: date
    history_days: int
    window_days: int | None = None
    overlap_days: int = OVERLAP_DAYS

    @property
    def oldest_on(self) -> date:
        """The oldest day that may be requested."""
        return self.today - timedelta(days=self.history_days)


def refresh_windows(days_read: DaysRead, limits: HistoryLimits, withdrawn_from_on: date | None = None) -> list[Window]:
    """Return the windows of a refresh: the overlap and the gap since the watermark, then older days newest first.

    The gap is walked forward, so that the watermark follows it and an interrupted one goes on where it stopped. Older
    days are those back to the first withdrawn row, which may be there again, and unread history. An account that was
    never read gets its whole history.

    Args:
        withdrawn_from_on: The first day of rows that stand although the bank's answers come without them.
    """
    days_read = _without_future_days(days_read, limits)
    if days_read.watermark_on is None:
        return pieces(limits.oldest_on, limits.today, limits)
    overlap = max(limits.overlap_days, days_read.lateness_days + LATENESS_MARGIN_DAYS if days_read.lateness_days else 0)
    since = max(days_read.watermark_on - timedelta(days=overlap), limits.oldest_on)
    back_to = since
    if withdrawn_from_on is not None:  # not on the first days of a window, of which a bank may leave out a part
        back_to = min(since, max(withdrawn_from_on - timedelta(days=FIRST_DAYS), limits.oldest_on))
    reaching = pieces(back_to, limits.today, limits)
    windows = [window for window in reaching if window.to_on >= since][::-1]
    windows += [window for window in reaching if window.to_on < since]
    if days_read.history_complete:
        return windows
    unread_before = days_read.history_from_on or back_to
    return windows + pieces(limits.oldest_on, min(back_to, unread_before) - timedelta(days=1), limits)


def _without_future_days(days_read: DaysRead, limits: HistoryLimits) -> DaysRead:
    """Return the days read without days that cannot have been read yet.

    A watermark after tomorrow, for zones differ by a day, was written by a clock that was ahead. What was read then is
    unknown, so that everything is read again.
    """
    if days_read.watermark_on is None or days_read.watermark_on <= limits.today:
        return days_read
    if days_read.watermark_on <= limits.today + timedelta(days=1):
        return replace(days_read, watermark_on=limits.today)
    return DaysRead(lateness_days=days_read.lateness_days)


def out_of_reach(days_read: DaysRead, limits: HistoryLimits) -> bool:
    """Say whether days after the watermark are older than the oldest day that may be requested."""
    return days_read.watermark_on is not None and days_read.watermark_on + timedelta(days=1) < limits.oldest_on


def import_windows(from_on: date | None, to_on: date | None, limits: HistoryLimits) -> list[Window]:
    """Return the windows of an import of stated days, newest first; what is beyond the provider's history is cut."""
    last = min(to_on or limits.today, limits.today + timedelta(days=366))
    return pieces(max(from_on or limits.oldest_on, limits.oldest_on), last, limits)


def pieces(from_on: date, to_on: date, limits: HistoryLimits) -> list[Window]:
    """Cut a range into windows the provider allows, newest first, without holes or overlaps."""
    return list(split_window(Window(from_on=from_on, to_on=to_on), limits.window_days))


def split_window(window: Window, window_days: int | None) -> Iterator[Window]:
    """Yield the parts of a window that the provider allows, newest first."""
    from_on, to_on = window.from_on, window.to_on
    while from_on <= to_on:
        since = from_on if window_days is None else max(from_on, to_on - timedelta(days=window_days - 1))
        yield Window(from_on=since, to_on=to_on)
        to_on = since - timedelta(days=1)


def without(windows: Iterable[Window], read: Window) -> list[Window]:
    """Return what is left of the windows beside the days that were read: newer ones forward, then older ones backward.

    So what was read stays one range: of days apart from each other, those between would count as read.
    """
    newer: list[Window] = []
    older: list[Window] = []
    for window in windows:
        if window.to_on > read.to_on:
            newer.append(replace(window, from_on=max(window.from_on, read.to_on + timedelta(days=1))))
        if window.from_on < read.from_on:
            older.append(replace(window, to_on=min(window.to_on, read.from_on - timedelta(days=1))))
    return sorted(newer, key=_first_day) + sorted(older, key=_first_day, reverse=True)


def _first_day(window: Window) -> date:
    return window.from_on


def advance(days_read: DaysRead, window: Window, limits: HistoryLimits, *, latest_late_days: int = 0) -> DaysRead:
    """Return the days read after a window was read completely.

    The watermark never passes today, and never goes back unless it had passed it.
    """
    days_read = _without_future_days(days_read, limits)
    read_to = min(window.to_on, limits.today)
    watermark_on = days_read.watermark_on
    joins = watermark_on is None or window.from_on <= max(watermark_on + timedelta(days=1), limits.oldest_on)
    if joins and (watermark_on is None or read_to > watermark_on):
        watermark_on = read_to
    history_from_on = days_read.history_from_on
    if history_from_on is None or window.from_on < history_from_on <= window.to_on + timedelta(days=1):
        history_from_on = window.from_on
    return DaysRead(
        watermark_on=watermark_on,
        history_from_on=history_from_on,
        history_complete=days_read.history_complete or history_from_on <= limits.oldest_on,
        lateness_days=max(days_read.lateness_days, latest_late_days),
    )

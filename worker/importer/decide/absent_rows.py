"""Decides when a row is removed at the bank: the bank says so, or a delivery that covers its day lacks it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from worker.connectors.base import Window
from worker.importer.decide.decisions import RowRules
from worker.importer.decide.reach import FIRST_DAYS
from worker.importer.decide.read.line import Line
from worker.importer.decide.reasons import Reason
from worker.importer.decide.row_days import DAY_KINDS, DayKind, RowDays
from worker.importer.decide.stored_row import State, StoredRow

MANY_AT_THE_END = 3
"""So many rows at once, each over a month old, are of days that the bank gives no more; fewer may be gone.

With a new month or a new statement many a bank gives a month less than the day before.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """For which days a delivery proves absence.

    Nobody says by which of a row's days the bank selects the rows of a window.

    Attributes:
        window: The days of which the delivery has every row; None when it proves nothing.
        days_cut_off: The days it was to hold, where something was cut off.
        up_to_now: The delivery was asked for all days up to today. It holds what is booked for later days too, so that
            a row of such a day that it lacks is removed at the bank.
        selected_by: The days by which the bank may select, as far as its lines say.
        asked_from_on: The first day that was asked for, by the requests for the days before the window as well; None
            where it is that of the window.
        told_from_on: The day of the oldest posted row that was told of the days asked for so far; the last day that
            there is while none was.
        reaches_from_on: The first of the days that the bank is known to tell, if it is asked for them.
        surely_from_on: The first of those that any bank is taken to tell.
    """

    window: Window | None
    days_cut_off: Window | None = None
    up_to_now: bool = False
    selected_by: Sequence[DayKind] = DAY_KINDS
    asked_from_on: date | None = None
    told_from_on: date = date.min
    reaches_from_on: date = date.min
    surely_from_on: date = date.min

    def as_told_by(self, lines: Iterable[Line]) -> "Coverage":
        """Return the same without the days by which the bank selects evidently not: it has posted lines outside."""
        kinds = set(self.selected_by)
        for line in lines:
            if line.pending or self.must_have(line.days):
                continue
            inside = {kind for kind in DAY_KINDS if self.covers(line.days.of(kind))}
            kinds &= inside or kinds  # a line that is outside by all its days says nothing
        return replace(self, selected_by=[kind for kind in DAY_KINDS if kind in kinds] or ["stated"])

    def covers(self, day: date) -> bool:
        """Return whether a row that the bank selects by this day would be in the delivery if the bank still had it."""
        return self.window is not None and (day in self.window or self.is_ahead(day))

    def would_have(self, days: RowDays) -> bool:
        """Return whether a row would be in the delivery, as far as its lines say by which day the bank selects."""
        return self.must_have(days) or all(self.covers(days.of(kind)) for kind in self.selected_by)

    def must_have(self, days: RowDays) -> bool:
        """Return whether a row would be in the delivery, by whichever of its days the bank selects."""
        window = self.window
        return window is not None and days.lie_between(window.from_on, date.max if self.up_to_now else window.to_on)

    def begins_with(self, days: RowDays) -> bool:
        """Return whether a row is of the first days that were asked for, of which a bank may have left out a part."""
        if self.window is None:
            return False
        first_on = self.asked_from_on or self.window.from_on
        return not days.lie_between(first_on + timedelta(days=FIRST_DAYS), date.max)

    def is_ahead(self, day: date) -> bool:
        """Return whether a row of this day is booked ahead, and would be in the delivery all the same."""
        return self.window is not None and self.up_to_now and day > self.window.to_on

    def is_past(self, days: RowDays) -> bool:
        """Return whether a row may lie before the window, so that the delivery says nothing new about it."""
        return self.window is not None and any(days.of(kind) < self.window.from_on for kind in self.selected_by)

    def was_cut_off(self, days: RowDays) -> bool:
        """Return whether the delivery was to hold a row and was cut off, so that it may lack it."""
        return self.days_cut_off is not None and any(days.of(kind) in self.days_cut_off for kind in DAY_KINDS)


def windows_are_complete(rows: int, *, promised: bool) -> bool:
    """Return whether a posted row is gone that a delivery lacks.

    An empty delivery proves nothing: providers give one when they fail.

    Args:
        rows: How many rows of the account were delivered.
        promised: The provider promises complete windows.
    """
    return promised and rows > 0


def out_of_reach(undelivered: Iterable[StoredRow], coverage: Coverage) -> Sequence[StoredRow]:
    """Return the posted rows whose days the bank gives no more, though it was asked for them.

    They are older than all that it told and than it is known to tell, or many at once. What was absent before is not:
    the bank gave its days then.
    """
    at_the_end = [
        row
        for row in undelivered
        if row.state == State.POSTED and row.absent_days is None and _is_older_than_told(row, coverage)
    ]
    within = [row for row in at_the_end if row.days.day >= coverage.reaches_from_on]
    if _gives_fewer_days(within, coverage):
        return at_the_end
    return [row for row in at_the_end if row.days.day < coverage.reaches_from_on]


def _gives_fewer_days(lacking: Sequence[StoredRow], coverage: Coverage) -> bool:
    """Return whether the bank gives fewer days than it did, by the rows that it tells no more of those it gave."""
    tells_some = coverage.told_from_on < date.max
    return (
        tells_some
        and len(lacking) >= MANY_AT_THE_END
        and all(row.days.day < coverage.surely_from_on for row in lacking)
    )


def _is_older_than_told(row: StoredRow, coverage: Coverage) -> bool:
    """Return whether the row was to be told, and nothing was told that is as old."""
    day = row.days.day
    return coverage.must_have(row.days) and not coverage.is_ahead(day) and day < coverage.told_from_on


def removal_reason(
    row: StoredRow, coverage: Coverage, rules: RowRules, *, removed_by_bank: bool, only_changes: bool
) -> Reason | None:
    """Return why an undelivered row is removed at the bank, or None while it stays.

    A posted row goes when the provider promises complete windows and all days of the row are covered, unless the
    delivery has nothing as old: a bank may give fewer days than it was asked for, and not say so. A pending row goes
    after it was absent for the days of grace (`pending_grace_days`, an option of the connection; with none, at the
    first answer that covers its days without it), and so does one that was booked ahead and was absent from before its
    day. A removed row whose expense a revert restored is removed again once a delivery covers its days.

    Args:
        row: A stored row that the delivery does not have.
        removed_by_bank: The delivery lists the row as removed.
        only_changes: The delivery has every change since the cursor: a row that it does not mention is as it was.
    """
    covered = coverage.must_have(row.days)
    if removed_by_bank or (row.returned_by_revert and (covered or only_changes)):
        return Reason.REMOVED_BY_BANK
    if row.state == State.PENDING:
        absent_days = 0 if row.absent_days is None and covered else row.absent_days
        waited = absent_days is not None and absent_days >= rules.pending_grace_days
        decidable = covered or only_changes or coverage.is_past(row.days)
        return Reason.PENDING_VANISHED if waited and decidable else None
    if not covered:
        return None
    if rules.windows_complete and not _is_older_than_told(row, coverage):
        return Reason.ABSENT_FROM_COMPLETE_WINDOW
    return Reason.CALLED_OFF if _was_called_off(row, coverage, rules) else None


def _was_called_off(row: StoredRow, coverage: Coverage, rules: RowRules) -> bool:
    """Return whether a posted row was absent for the days of grace, from before its day on."""
    if coverage.window is None or not coverage.up_to_now or row.absent_days is None:
        return False
    absent_since_on = coverage.window.to_on - timedelta(days=row.absent_days)
    return row.absent_days >= rules.pending_grace_days and absent_since_on < row.days.day


def is_newly_absent(row: StoredRow, coverage: Coverage) -> bool:
    """Return whether an undelivered row that stays is to be marked as absent from now on.

    A posted row on the first days that were asked for is not: banks file it under a day of their own zone.
    """
    if row.absent_days is not None or not coverage.must_have(row.days):
        return False
    return row.state == State.PENDING or not coverage.begins_with(row.days)

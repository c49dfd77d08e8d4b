"""When a row is gone at the bank: the bank says so, or a delivery that covers its day comes without it."""

from dataclasses import dataclass
from datetime import date

from worker.connectors.base import Window
from worker.importer.decide.decisions import Rules
from worker.importer.decide.reasons import Reason
from worker.importer.decide.stored_row import State, StoredRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """For which days a delivery proves absence.

    Attributes:
        window: The days of which the delivery has every row; None when it proves nothing.
        cut: The days it was to hold, where something was cut off.
    """

    window: Window | None
    cut: Window | None = None

    def covers(self, day: date) -> bool:
        """Return whether a row of this day would be in the delivery if the bank still had it."""
        return self.window is not None and day in self.window

    def is_past(self, day: date) -> bool:
        """Return whether the bank is no longer asked about this day; what was proven of it stands."""
        return self.window is not None and day < self.window.from_on

    def lacks(self, day: date) -> bool:
        """Return whether a row of this day should be in the delivery, of which something was cut off."""
        return self.cut is not None and day in self.cut


def removal_reason(
    row: StoredRow, coverage: Coverage, rules: Rules, *, removed_by_bank: bool, only_changes: bool
) -> Reason | None:
    """Return why an undelivered row is gone at the bank, or None while it stays.

    A posted row goes when its day is covered and the provider promises complete windows. A pending row goes after it
    was absent for the days of grace.

    Args:
        row: A stored row that the delivery does not have.
        coverage: What the delivery proves.
        rules: The choices of the connection.
        removed_by_bank: The delivery lists the row as removed.
        only_changes: The delivery is a whole list of changes, in which what was gone before is gone still.
    """
    if removed_by_bank:
        return Reason.REMOVED_BY_BANK
    covered = coverage.covers(row.day)
    if row.state == State.PENDING:
        waited = row.absent_days is not None and row.absent_days >= rules.pending_grace_days
        settled = covered or only_changes or coverage.is_past(row.day)
        return Reason.PENDING_VANISHED if waited and settled else None
    return Reason.ABSENT_FROM_COMPLETE_WINDOW if covered and rules.windows_complete else None


def is_newly_absent(row: StoredRow, coverage: Coverage) -> bool:
    """Return whether an undelivered row that stays is to be marked as absent from now on."""
    return row.absent_days is None and coverage.covers(row.effective_on)

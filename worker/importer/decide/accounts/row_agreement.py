"""Counts how far the rows of two sources agree over the days of both. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from worker.importer.decide.sources.meet import meet_rows
from worker.importer.decide.sources.rows import MetBy, SourceRow

SHORT_DAYS = 7
"""Sources can hardly agree in many rows over so few days, from the first to the last common one."""

MAX_COMPARED_ROWS = 2000
"""So many rows of a source are compared, the newest ones."""

MAX_DAYS_AWAY = 45
"""Rows of an account are compared when they are at most so many days away from those of the source."""

EDGE_DAYS = 5
"""Rows so near to the end of the common days may be beyond it in the other source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowAgreement:
    """How far the rows of two sources agree over the days that both have rows of.

    Attributes:
        rows: Posted rows of these days, of the source that has more.
        agreeing: Those that the other source has too; `alike` of them name the same merchant.
        amounts: How many different amounts agree.
        gap_days: Days between the two, where they have none in common.
        continues: One begins in the last days of the other and goes on after it.
        short: They have hardly a week in common, so that few rows can agree.
    """

    from_on: date | None = None
    to_on: date | None = None
    rows: int = 0
    agreeing: int = 0
    alike: int = 0
    amounts: int = 0
    gap_days: int | None = None
    continues: bool = False
    short: bool = False

    @property
    def share(self) -> float:
        """The share of the rows that agree."""
        return self.agreeing / self.rows if self.rows else 0.0


def compare_rows(new: Sequence[SourceRow], known: Sequence[SourceRow]) -> RowAgreement:
    """Count the rows that agree over the days of both."""
    if not new or not known:
        return RowAgreement()
    from_on = max(min(row.on for row in new), min(row.on for row in known))
    to_on = min(max(row.on for row in new), max(row.on for row in known))
    if from_on > to_on:
        meetings = [m for m in meet_rows(new, known).met if m.by != MetBy.ORDER]
        return RowAgreement(gap_days=(from_on - to_on).days, agreeing=len(meetings), rows=len(meetings))
    meetings = list(meet_rows(new, known).met)
    met_new, met_known = {m.left for m in meetings}, {m.right for m in meetings}
    counted = max(_counted(new, met_new, from_on, to_on), _counted(known, met_known, from_on, to_on))
    return RowAgreement(
        from_on=from_on,
        to_on=to_on,
        rows=counted,
        agreeing=len(meetings),
        alike=sum(meeting.by != MetBy.ORDER for meeting in meetings),
        amounts=len({new[meeting.left].amount for meeting in meetings}),
        continues=(short := (to_on - from_on).days <= SHORT_DAYS) and _goes_on(new, known),
        short=short,
    )


def _goes_on(new: Sequence[SourceRow], known: Sequence[SourceRow]) -> bool:
    """Return whether one of two sources begins and ends before the other."""
    firsts = min(row.on for row in new), min(row.on for row in known)
    lasts = max(row.on for row in new), max(row.on for row in known)
    return (firsts[0] < firsts[1] and lasts[0] < lasts[1]) or (firsts[0] > firsts[1] and lasts[0] > lasts[1])


def _counted(rows: Sequence[SourceRow], met: set[int], from_on: date, to_on: date) -> int:
    """Return how many rows the other source should have: those it has, and posted ones well within the days of both."""
    long = (to_on - from_on).days > 3 * EDGE_DAYS
    edge = timedelta(days=EDGE_DAYS if long else 0)
    within = (from_on + edge, to_on - edge)
    return sum(place in met or (not row.pending and within[0] <= row.on <= within[1]) for place, row in enumerate(rows))

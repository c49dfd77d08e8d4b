"""Finds stored rows that a new line tells otherwise, while the delivery should have told the row itself.

The bank corrected the row, or the user edited the file: then both are one. Or they are two purchases. Nothing decides
it, so the user is asked whether the row is gone.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Self, TypeAlias

from worker.importer.decide.absent_rows import Coverage
from worker.importer.decide.decisions import Suggestion
from worker.importer.decide.ids.match import IdentityMatches
from worker.importer.decide.read.identity import folded_text
from worker.importer.decide.read.line import Line
from worker.importer.decide.reasons import Reason
from worker.importer.decide.row_days import RowDays
from worker.importer.decide.stored_row import State, StoredRow
from worker.words import payment_text

MAX_DAYS_MOVED = 2
"""A row may be told under a day that is so far from its own."""

_Facts: TypeAlias = tuple[object, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DaysTold:
    """The days of a delivery that holds each of its days as a whole, but for the first and the last moments.

    Attributes:
        first_on: The first day of its posted rows.
        last_on: The last day of its posted rows.
        known_from_on: The first of these days of which a posted row is stored, told or not; None where there is none.
        known_to_on: The last of them.
        tells_known: It tells a stored row.
        lacking: How many posted rows of the days that it holds are stored and not told.
    """

    first_on: date
    last_on: date
    known_from_on: date | None
    known_to_on: date | None
    tells_known: bool
    lacking: int = 0

    def holds(self, day: date) -> bool:
        """Return whether the delivery has all rows of a day: it begins before and ends after it."""
        return self.first_on < day < self.last_on

    def contradict(self, row_on: date, line_on: date) -> bool:
        """Return whether the delivery should have told a stored row, or those before it the line.

        An export begins and ends at some moment. So it may lack a row and have a line that others lack where all that
        it has in common with them lies between the two, and neither reaches beyond both.
        """
        earlier_on, later_on = min(row_on, line_on), max(row_on, line_on)
        if self.first_on < earlier_on and later_on < self.last_on:
            return True
        if self.known_from_on is None or self.known_to_on is None:
            return False
        return (
            self.known_from_on < earlier_on or later_on < self.known_to_on or (row_on == line_on and self.tells_known)
        )


def days_told(matches: IdentityMatches, set_aside: Iterable[RowDays]) -> DaysTold | None:
    """Return the days of a delivery of whole days; None where it has no posted row with a day.

    Args:
        set_aside: The days of posted rows that were set aside as unchanged.
    """
    lines = [match.line for match in (*matches.changed, *matches.unchanged)]
    known = _stated(line.days for line in lines if not line.pending) + _stated(set_aside)
    told = known + _stated(line.days for line in matches.new if not line.pending)
    if not told:
        return None
    first_on, last_on = min(told), max(told)
    undelivered = _stated(row.days for row in matches.undelivered if row.state == State.POSTED)
    lacking = [day for day in undelivered if first_on <= day <= last_on]
    stored = known + lacking
    return DaysTold(
        first_on=first_on,
        last_on=last_on,
        known_from_on=min(stored, default=None),
        known_to_on=max(stored, default=None),
        tells_known=bool(known),
        lacking=sum(first_on < day < last_on for day in lacking),
    )


def _stated(days: Iterable[RowDays]) -> list[date]:
    return [one.stated_on for one in days if one.stated_on is not None]


def told_otherwise(
    rows: Iterable[StoredRow], new: Iterable[Line], coverage: Coverage, told: DaysTold | None
) -> set[int]:
    """Return the undelivered posted rows that a new line tells with another amount, in other words, or of another day.

    One of the three is another: amount or words on the same day, or the day, by a few days.

    Args:
        told: The days of a delivery of whole days; None of any other, which proves by its coverage alone.
    """
    lines = _NewLines.of(new)
    return {row.id for row in rows if _is_told_by(lines, row, coverage, told)}


def lines_of_deleted(
    rows: Iterable[StoredRow], new: Sequence[Line], coverage: Coverage, told: DaysTold | None
) -> list[Suggestion]:
    """Return the new lines that tell rows otherwise whose expense the user deleted, each with such a row."""
    deleted = [row for row in rows if row.deleted_by_user]
    otherwise = told_otherwise(deleted, new, coverage, told) if deleted else set[int]()
    each = [_NewLines.of([line]) for line in new] if otherwise else []
    found: dict[int, int] = {}
    for row in (row for row in deleted if row.id in otherwise):
        tell = (place for place, line in enumerate(each) if _is_told_by(line, row, coverage, told))
        if (place := next((place for place in tell if place not in found), None)) is not None:
            found[place] = row.id
    return [
        Suggestion(new_place=place, reason=Reason.MAYBE_HIDDEN, former_id=row_id) for place, row_id in found.items()
    ]


def displaced(rows: Iterable[StoredRow], new: Iterable[Line], told: DaysTold, days_moved: int) -> set[int]:
    """Return the posted rows just outside of the days told whose payment a new line may be, as all days moved.

    Of equal payments that follow one another day by day each is taken for the next one, and the last one is new.

    Args:
        days_moved: By how many days the rows of the delivery moved; negative where they are earlier now.
    """
    outside_from_on, outside_to_on = (
        (told.first_on - timedelta(days_moved), told.first_on - timedelta(1))
        if days_moved > 0
        else (told.last_on + timedelta(1), told.last_on - timedelta(days_moved))
    )
    said = {(_said(line, None), line.amount) for line in new if not line.pending}
    return {
        row.id
        for row in rows
        if row.state == State.POSTED
        and row.days.stated_on is not None
        and outside_from_on <= row.days.stated_on <= outside_to_on
        and (_said(row, None), row.amount) in said
    }


def _is_told_by(lines: "_NewLines", row: StoredRow, coverage: Coverage, told: DaysTold | None) -> bool:
    """Return whether new lines tell an undelivered row otherwise, though the delivery should have told it."""
    row_on = row.days.stated_on
    if row.state != State.POSTED or row_on is None:
        return False
    lines_on = set(lines.days_of(row, row_on))
    is_held = coverage.must_have(row.days) and row_on in lines_on
    return is_held or (told is not None and any(told.contradict(row_on, line_on) for line_on in lines_on))


@dataclass(frozen=True, slots=True)
class _NewLines:
    """New posted lines by what they say.

    Attributes:
        amounts: By day, direction and words.
        paid: By day and money whether a line has no trusted id.
    """

    amounts: Mapping[_Facts, set[Decimal]]
    paid: Mapping[_Facts, bool]

    @classmethod
    def of(cls, lines: Iterable[Line]) -> Self:
        amounts, paid = defaultdict[_Facts, set[Decimal]](set), defaultdict[_Facts, bool](bool)
        for line in lines:
            if not line.pending:
                amounts[_said(line, line.stated_on)].add(line.amount)
                paid[_paid(line, line.stated_on)] |= line.identity is None
        return cls(amounts, paid)

    def days_of(self, row: StoredRow, row_on: date) -> Iterator[date]:
        """Yield the days of the lines that tell a row otherwise. Two ids of one amount and day are two purchases."""
        has_no_id, money = row.has_content_identity(row.content_key), _paid(row, row_on)
        in_other_words = money in self.paid and (has_no_id or self.paid[money])
        if in_other_words or self.amounts.get(_said(row, row_on), set()) - {row.amount}:
            yield row_on
        for days in range(-MAX_DAYS_MOVED, MAX_DAYS_MOVED + 1):
            line_on = row_on + timedelta(days=days)
            if days and row.amount in self.amounts.get(_said(row, line_on), ()):
                yield line_on


def _paid(one: Line | StoredRow, on: date | None) -> _Facts:
    """Return what a row says of a day, but for its words."""
    return on, one.currency, one.amount


def _said(one: Line | StoredRow, on: date | None) -> _Facts:
    """Return what a row says of a day, but for its amount."""
    return on, one.currency, one.amount > 0, folded_text(payment_text(one))

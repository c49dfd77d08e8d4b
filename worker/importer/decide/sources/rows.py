"""Rows of two sources of one account, as far as they are paired: the rows, their days, and how far they lie apart."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

MAX_DAYS_ALIKE = 5
"""A purchase is booked at most so many days later in the other source: one of the Thursday before Easter on the
Tuesday."""

MAX_DAYS_BY_ORDER = 3
"""The same of rows whose texts have no word in common."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRow:
    """A row of one source, as far as it is paired with rows of another.

    Attributes:
        on: The day of its expense: that of the purchase, where the source states it.
        stated_on: The day of the booking, where the source states it, else the first day that it states.
        words: Counterparty and description.
        balance: The account's balance after the row, where the source states it.
    """

    on: date
    amount: Decimal
    currency: str
    words: str
    pending: bool = False
    balance: Decimal | None = None
    stated_on: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """How many days after the left row the right one may be, at least and at most.

    Attributes:
        typical: How many days it is where nothing else decides.
    """

    least: int
    most: int
    typical: int = 0

    def within(self, days: int) -> "Lag":
        """Return the part of it that is at most so many days either way."""
        return replace(self, least=max(self.least, -days), most=min(self.most, days))

    def away(self, left: SourceRow, right: SourceRow) -> int:
        """Return by how many days two rows are nearer or further apart than is typical."""
        return abs((right.on - left.on).days - self.typical)

    def allows(self, left: SourceRow, right: SourceRow) -> bool:
        """Return whether two rows are so many days apart."""
        return self.least <= (right.on - left.on).days <= self.most


ANYWHERE = Lag(least=-MAX_DAYS_ALIKE, most=MAX_DAYS_ALIKE)


class MetBy(StrEnum):
    """What two rows were paired by, beside their amount."""

    BALANCE = "balance"
    WORDS = "words"
    ORDER = "order"


@dataclass(frozen=True, slots=True, kw_only=True)
class Meeting:
    """Two rows that are one purchase, by their places in the two lists."""

    left: int
    right: int
    by: MetBy
    days: int


MAX_DAYS_QUIET = 7
"""A source that states no row for more days than this, while another one does, has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DaysOfSource:
    """The days of the rows of one source; None of one without rows.

    Attributes:
        is_left: It is the source that is compared with the others.
        is_read: Its bank is still read, and may book late what another source has already.
    """

    first_on: date | None
    last_on: date | None
    is_left: bool
    is_read: bool


class _Side(NamedTuple):
    """The days of the rows of one source, or of several together."""

    first_on: date
    last_on: date
    is_read: bool

    def to_on(self, newest_on: date) -> date:
        """Return the last day, where the newest row of all is of a given one."""
        goes_on = self.is_read and (newest_on - self.last_on).days <= MAX_DAYS_QUIET
        return date.max if goes_on else self.last_on


def _joined(sources: Sequence[DaysOfSource]) -> _Side | None:
    firsts = [one.first_on for one in sources if one.first_on is not None]
    lasts = [one.last_on for one in sources if one.last_on is not None]
    is_read = any(one.is_read for one in sources)
    return _Side(min(firsts), max(lasts), is_read) if firsts and lasts else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spans:
    """The days of both sources, from the first row to the last; of a source that goes on, to the last day there is.

    Attributes:
        left_last_on: The day of the last row, where the source goes on.
        right_last_on: The same of the other one.
    """

    left_from_on: date
    left_to_on: date
    right_from_on: date
    right_to_on: date
    left_last_on: date | None = None
    right_last_on: date | None = None

    @classmethod
    def of(cls, lefts: Sequence[SourceRow], rights: Sequence[SourceRow]) -> "Spans | None":
        """Return the days of two lists that are whole; None when one is empty."""
        if not lefts or not rights:
            return None
        left_days, right_days = [row.on for row in lefts], [row.on for row in rights]
        return cls(
            left_from_on=min(left_days),
            left_to_on=max(left_days),
            right_from_on=min(right_days),
            right_to_on=max(right_days),
        )

    @classmethod
    def of_sources(cls, sources: Sequence[DaysOfSource]) -> "Spans | None":
        """Return the days of a source and of all others of its account; None where either side has none.

        A side that is still read has no last day, unless it has been quiet for long.
        """
        left, right = (_joined([one for one in sources if one.is_left is is_left]) for is_left in (True, False))
        if left is None or right is None:
            return None
        newest_on = max(left.last_on, right.last_on)
        return cls(
            left_from_on=left.first_on,
            left_to_on=left.to_on(newest_on),
            right_from_on=right.first_on,
            right_to_on=right.to_on(newest_on),
            left_last_on=left.last_on,
            right_last_on=right.last_on,
        )

    @property
    def both_to_on(self) -> date:
        """The last day of the source that ends first."""
        return min(self.left_to_on, self.right_to_on)

    def right_covers(self, row: SourceRow) -> bool:
        """Return whether a left row lies within the days of the right source, which should have it too then."""
        return self.right_from_on <= row.on <= self.right_to_on

    def left_covers(self, row: SourceRow) -> bool:
        """Return whether a right row lies within the days of the left source, which should have it too then."""
        return self.left_from_on <= row.on <= self.left_to_on

    def right_has(self, row: SourceRow, lag: Lag) -> bool:
        """Return whether the right source has a left row by now, if it is as many days later as is typical."""
        if not lag.typical:
            return self.right_covers(row)
        return self.right_from_on <= row.on + timedelta(days=lag.typical) <= (self.right_last_on or self.right_to_on)

    def left_has(self, row: SourceRow, lag: Lag) -> bool:
        """Return whether the left source has a right row by now, if it is as many days earlier as is typical."""
        if not lag.typical:
            return self.left_covers(row)
        return self.left_from_on <= row.on - timedelta(days=lag.typical) <= (self.left_last_on or self.left_to_on)

    def straddled_by(self, left: SourceRow, right: SourceRow) -> bool:
        """Return whether each of two rows is beyond the days of the other source, on either side of a seam."""
        return not (self.right_covers(left) or self.left_covers(right))

    def are_delivered(self, left: SourceRow, right: SourceRow) -> bool:
        """Return whether both sources delivered the days near two rows, so that no other partner of either comes."""

        def waits(row: SourceRow, to_on: date, last_on: date | None) -> bool:
            return to_on == date.max and row.on + timedelta(days=MAX_DAYS_ALIKE) > (last_on or to_on)

        return not (
            waits(left, self.right_to_on, self.right_last_on) or waits(right, self.left_to_on, self.left_last_on)
        )

    def leave_no_doubt(self, left: SourceRow, right: SourceRow, lag: Lag) -> bool:
        """Return whether one of two rows has its partner within the days of the other source for certain.

        A row near the end of these days may have its partner beyond them. Two such rows may be two purchases.
        """
        ahead = left.on + timedelta(days=lag.least), left.on + timedelta(days=lag.most)
        behind = right.on - timedelta(days=lag.most), right.on - timedelta(days=lag.least)
        return (self.right_from_on <= ahead[0] and ahead[1] <= self.right_to_on) or (
            self.left_from_on <= behind[0] and behind[1] <= self.left_to_on
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MovableRow:
    """A stored row of the old sources or of the new one.

    Attributes:
        source_id: The source that states it.
        row: What it is paired by.
        expense_id: Its expense; None when the user deleted it, or it is a leg.
        owns: It stands for the purchase: it has the expense, or had it until the user deleted it.
        twin_id: The row that has its purchase.
        touched: The user changed its expense or gave it a category, or typed it in.
    """

    id: int
    source_id: int
    row: SourceRow
    expense_state: str
    owns: bool
    expense_id: int | None = None
    twin_id: int | None = None
    transfer_peer_id: int | None = None
    touched: bool = False

    @property
    def purchase_id(self) -> int:
        """The row that stands for the purchase: itself, or the one of which it is a twin."""
        return self.twin_id or self.id


def places_apart(
    lefts: Sequence[MovableRow], rights: Sequence[MovableRow], apart: Collection[frozenset[int]]
) -> frozenset[tuple[int, int]]:
    """Return the places of the rows whose purchases a user parted, where `apart` has the ids of both."""
    wanted = {id_ for pair in apart for id_ in pair}
    left_places, right_places = _places_by_purchase(lefts, wanted), _places_by_purchase(rights, wanted)
    return frozenset(
        (left, right)
        for pair in apart
        for one in pair
        for other in pair - {one}
        for left in left_places[one]
        for right in right_places[other]
    )


def _places_by_purchase(rows: Sequence[MovableRow], wanted: Collection[int]) -> dict[int, list[int]]:
    places: dict[int, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        if row.purchase_id in wanted:
            places[row.purchase_id].append(place)
    return places

"""The days of one row. Decisions ask them here, so that none of them takes one day for all."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Literal, NamedTuple, TypeAlias

MAX_BOOKING_LAG_DAYS = 10
"""So many days after the purchase it is booked; what is booked later is a settlement."""


DayKind: TypeAlias = Literal["stated", "purchase", "value"]
"""By which of its days a bank may select a row: the first that it states, that of the purchase, that of the value."""

DAY_KINDS: Sequence[DayKind] = ("stated", "purchase", "value")

DayPoint: TypeAlias = tuple[DayKind, date]
"""A day, and which of a row's days it is or is near."""


def is_settlement(booking_on: date, value_on: date) -> bool:
    """Return whether a booking is that of a monthly settlement: its value day is that of the purchase then."""
    return booking_on - value_on > timedelta(days=MAX_BOOKING_LAG_DAYS)


class RowDays(NamedTuple):
    """The days of a line or of a stored row.

    Attributes:
        stated_on: The first day that the bank states; None for a pending row without any.
        effective_on: The day of the expense, which follows the option `date_basis` of the connection; of a row without
            any day the one on which it was first seen.
        transaction_on: The day of the purchase, if the bank states it.
        value_on: The day of the value, if the bank states it.
    """

    stated_on: date | None
    effective_on: date
    transaction_on: date | None = None
    value_on: date | None = None

    @property
    def day(self) -> date:
        """The day the bank states, else the day of the expense."""
        return self.stated_on or self.effective_on

    @property
    def purchase_on(self) -> date:
        """The day of the purchase as far as the bank states it, whatever `date_basis` says."""
        stated_on, effective_on, transaction_on, value_on = self
        if transaction_on is not None:
            return transaction_on
        if stated_on is None or value_on is None:
            return effective_on
        return value_on if is_settlement(stated_on, value_on) else stated_on

    def of(self, kind: DayKind) -> date:
        """Return the day of a kind; where the bank does not state it, the first that it states."""
        if kind == "purchase":
            return self.purchase_on
        return self.day if kind == "stated" else self.value_on or self.day

    def lie_between(self, first_on: date, last_on: date) -> bool:
        """Return whether all days that the bank states, and that of the expense, are of a window."""
        stated_on, effective_on, transaction_on, value_on = self
        return (
            first_on <= effective_on <= last_on
            and (stated_on is None or first_on <= stated_on <= last_on)
            and (transaction_on is None or first_on <= transaction_on <= last_on)
            and (value_on is None or first_on <= value_on <= last_on)
        )

    def nearest_gap(self, other: "RowDays") -> int:
        """Return how many days two rows are apart, by the purchase or by what both state, whichever is nearer.

        One may know the purchase, the other only the booking.
        """
        days = abs((self.purchase_on - other.purchase_on).days)
        if days and self.stated_on is not None and other.stated_on is not None:
            return min(days, abs((self.stated_on - other.stated_on).days))
        return days

    def days_after(self, other: "RowDays") -> Iterator[int]:
        """Yield by how many days this row is after another one: by the expense, the purchase, and what both state."""
        yield (self.effective_on - other.effective_on).days
        yield (self.purchase_on - other.purchase_on).days
        if self.stated_on is not None and other.stated_on is not None:
            yield (self.stated_on - other.stated_on).days

    def points(self, within: int = 0) -> Iterator[DayPoint]:
        """Yield the days by which `nearest_gap` compares, and all that are so many days from them."""
        stated_on, purchase_on = self.stated_on, self.purchase_on
        for days in range(-within, within + 1):
            yield "purchase", purchase_on + timedelta(days=days)
            if stated_on is not None:
                yield "stated", stated_on + timedelta(days=days)

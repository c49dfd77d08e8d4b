"""Decides which posted rows are gone though no complete window says so: the bank neither delivers nor counts them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class AbsentRow:
    """A posted row that the bank's answers come without, although they cover its day."""

    id: int
    amount: Decimal
    absent_since_at: datetime


def uncounted(difference: Decimal, absent: Sequence[AbsentRow]) -> tuple[int, ...]:
    """Return the absent rows without which the bank's balance follows from the others; none where it is not clear.

    They are all absent rows, else those that were first missed together, else one of them. Where several sets explain
    the difference as well, none does.

    Args:
        difference: What the bank has booked minus what the rows say.
        absent: The absent rows of the days that the balance is about.
    """
    for sets in _sets_of_rows(absent):
        explaining = [rows for rows in sets if sum(row.amount for row in rows) == -difference]
        if explaining:
            return tuple(row.id for row in explaining[0]) if len(explaining) == 1 else ()
    return ()


def _sets_of_rows(absent: Sequence[AbsentRow]) -> Iterator[list[Sequence[AbsentRow]]]:
    """Yield the sets of rows that may have gone together, the likeliest first."""
    yield [absent]
    moments = sorted({row.absent_since_at for row in absent})
    yield [[row for row in absent if row.absent_since_at == moment] for moment in moments]
    yield [[row] for row in absent]

"""Keeps which rows and ids of a delivery were processed, because it is imported in slices."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import date

from worker.importer.decide.ids.match import IdentityMatches
from worker.importer.decide.plan import Plan
from worker.importer.decide.slice_rows import SetAside

_BITS_PER_ROW = 64


class SeenIds:
    """The trusted ids of one delivery, in a Bloom filter with one hash function.

    It takes eight bytes per id, at most eight megabytes for a million ids.
    """

    def __init__(self, rows: int) -> None:
        """Make room.

        Args:
            rows: How many ids are expected; more of them only make false positives more frequent.
        """
        size = max(rows * _BITS_PER_ROW, 1 << 10)
        self._mask = (1 << size.bit_length() - 1) - 1
        self._bits = bytearray((self._mask >> 3) + 1)

    def add(self, ids: Iterable[bytes]) -> list[bytes]:
        """Add the ids, and return those that may have been added before: all that were, and one other in some fifty."""
        bits, mask = self._bits, self._mask
        suspects = []
        for id_ in ids:
            place = hash(id_) & mask
            bit = 1 << (place & 7)
            if bits[place >> 3] & bit:
                suspects.append(id_)
            else:
                bits[place >> 3] |= bit
        return suspects


@dataclass(slots=True, kw_only=True)
class SeenRows:
    """Rows that earlier slices of the delivery processed.

    Attributes:
        row_ids: Stored rows that were delivered, and rows that this delivery created; of an account that had no rows
            before, these are all that it has, and not kept.
        expense_ids: The user's expenses that rows were linked with.
        last_on: The last day that the bank states of new rows; the first day that there is while there are none.
        new_ids: Trusted ids so far, of an account that had no rows before; None when they are looked up instead.
    """

    row_ids: set[int] = field(default_factory=set)
    expense_ids: set[int] = field(default_factory=set)
    last_on: date = date.min
    new_ids: SeenIds | None = None

    @property
    def first_load(self) -> bool:
        """Whether the account had no rows before the delivery, so that no stored row is loaded."""
        return self.new_ids is not None

    @property
    def stored_to_on(self) -> date:
        """The last day that the bank states of rows which are stored: any day, unless all are of this delivery."""
        return self.last_on if self.first_load else date.max

    def has(self, row_id: int) -> bool:
        """Whether an earlier slice delivered a stored row of the account."""
        return self.first_load or row_id in self.row_ids

    def add(self, set_aside: SetAside, matches: IdentityMatches, plan: Plan, new_ids: Collection[int]) -> None:
        """Add the rows that a slice processed; `new_ids` are those of the rows that it created."""
        self.row_ids |= set_aside.row_ids | matches.delivered_ids | {change.known.id for change in plan.changes}
        if not self.first_load:
            self.row_ids.update(new_ids)
        days = (line.stated_on for line in matches.new if line.stated_on is not None)
        self.last_on = max(self.last_on, max(days, default=date.min))
        self.expense_ids |= plan.linked_expense_ids

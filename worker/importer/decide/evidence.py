"""What the plan of a slice is made from, besides the rows that were recognised."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from worker.importer.decide.absent_rows import Coverage
from worker.importer.decide.expenses.match import UserExpenses
from worker.importer.decide.stored_row import StoredRow
from worker.importer.decide.told_otherwise import DaysTold


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a plan is made from, besides the rows that were recognised.

    Attributes:
        coverage: What the delivery proves.
        only_changes: The delivery has every change since the cursor: a row that it does not mention is as it was.
        in_full: The rows that changed, are absent or were removed, with all fields.
        listed_as_removed: Ids of the rows that the bank lists as removed.
        maybe_void: Ids of posted rows that lines without an id call void.
        expenses: What the user has that new lines may match.
        rows_set_aside: How many stored rows `read_slice` set aside as unchanged.
        named: Ids of rows that posted lines name as their pending ones, each with the id by which they do.
        delivered: Ids of those of `in_full` that this slice or an earlier one has: neither absent nor replaced.
        common_words: Words that most texts of the account have.
        maybe_restated: Ids of those of `in_full` that the delivery lacks although it has all rows of their days.
        maybe_moved: Ids of those of `in_full` that the delivery lacks, beside new lines of near days.
        taken_identities: Identities that rows on other days have.
        told: The days of a delivery that holds each of its days as a whole.
    """

    coverage: Coverage
    only_changes: bool = False
    in_full: Mapping[int, StoredRow] = field(default_factory=dict)
    listed_as_removed: frozenset[int] = frozenset()
    maybe_void: frozenset[int] = frozenset()
    expenses: UserExpenses = field(default_factory=UserExpenses)
    rows_set_aside: int = 0
    named: Mapping[int, str] = field(default_factory=dict)
    delivered: frozenset[int] = frozenset()
    common_words: frozenset[str] = frozenset()
    maybe_restated: frozenset[int] = frozenset()
    maybe_moved: frozenset[int] = frozenset()
    taken_identities: frozenset[bytes] = frozenset()
    told: DaysTold | None = None

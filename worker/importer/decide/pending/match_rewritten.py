"""Matches new lines with posted rows whose id changed together with their text or day.

Banks do so when they migrate, enrich descriptions, or change the zone of their days. A row is matched only when a
delivery that covers its day comes without it. The risk is in deliveries that are less complete than they look: a row
that such a delivery leaves out, while a new one of the same amount and like words is at most two days away, is taken
for it.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from worker.importer.decide.compare.one_to_one import PlacePair, Rating
from worker.importer.decide.compare.text_similarity import ALIKE
from worker.importer.decide.read.identity import folded_text
from worker.importer.decide.read.line import Line
from worker.importer.decide.reasons import Reason
from worker.importer.decide.stored_row import State, StoredRow
from worker.words import payment_text

MAX_DAYS_WITHOUT_PROMISE = 2
"""How far a row may move, where the provider does not promise complete windows."""

MAX_DAYS_IN_MIGRATION = 2
MAX_DAYS_AHEAD = 31
"""How far a row may move that was booked for a day to come."""

MIN_MIGRATED = 3
"""Fewer withdrawn rows are no migration: each is matched by its words."""

COST_PER_DAY = 0.05
COST_UNLIKE = 2.0
"""What a day and unlike words cost a match. Pending and posted rows compete for the same lines by these costs."""
_BONUS_POSTED = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmatchedRow:
    """A stored row that matched no line.

    Attributes:
        withdrawn: The bank says or proves that it has the row no longer as it was.
        complete: The provider promises complete windows, so that the absence of a posted row is evidence too.
        maybe_cut_off: The delivery should hold the row and does not, but it is incomplete, so that nothing is proven.
        ahead: The row is booked for a day to come.
        removed_before: It was removed before, and a user had deleted or changed its expense.
        maybe_restated: It is posted, and the delivery holds its day as a whole without it.
        maybe_moved: It is posted, and a delivery of whole days lacks it that tells new rows of near days.
        currency_assumed: Its currency is the one that was assumed before the bank stated any.
        named_as: The id, present or former, by which a line names it as its pending one.
    """

    known: StoredRow
    withdrawn: bool
    complete: bool
    maybe_cut_off: bool = False
    ahead: bool = False
    removed_before: bool = False
    maybe_restated: bool = False
    maybe_moved: bool = False
    currency_assumed: bool = False
    named_as: str | None = None

    @property
    def is_withdrawn_posted_row(self) -> bool:
        """Whether the bank has a posted row no longer."""
        return self.withdrawn and self.known.state != State.PENDING


def rate_posted_row(line: Line, candidate: UnmatchedRow, alike: float, days: int) -> Rating | None:
    """Rate a posted row and a posted line of the same amount.

    Args:
        candidate: A posted row that the bank withdrew.
        alike: How alike their texts are.
        days: How many days they are apart.
    """
    # Posted rows are seldom withdrawn: where words agree, this one was rewritten rather than a pending row posted so.
    cost = 1 - alike + days * COST_PER_DAY - _BONUS_POSTED
    if alike >= ALIKE and (candidate.complete or candidate.ahead):
        return Rating(cost, Reason.AMENDED)
    if days == 0 and (candidate.complete or line.identity is None):
        return Rating(cost if alike >= ALIKE else COST_UNLIKE - alike, Reason.REWRITTEN)
    repeated_purchase = days > 0 and line.identity is not None and says_the_same(line, candidate.known)
    if alike >= ALIKE and days <= MAX_DAYS_WITHOUT_PROMISE and not repeated_purchase:
        return Rating(cost, Reason.AMENDED)
    return None


def says_the_same(line: Line, known: StoredRow) -> bool:
    """Return whether the texts are equal; equal purchases of two days have an id each."""
    return folded_text(payment_text(line)) == folded_text(payment_text(known))


def is_migration(candidates: Sequence[UnmatchedRow], delivered_known: int) -> bool:
    """Return whether most rows of a window changed at once.

    Args:
        candidates: The stored rows that the delivery does not have.
        delivered_known: How many stored rows it has.
    """
    withdrawn = sum(candidate.is_withdrawn_posted_row for candidate in candidates)
    return withdrawn >= MIN_MIGRATED and withdrawn > delivered_known


def pairs_in_day_order(lines: Sequence[Line], candidates: Sequence[UnmatchedRow]) -> Iterator[PlacePair]:
    """Yield posted lines and withdrawn posted rows of equal amount, the first with the first and so on.

    An amount of which there are not as many lines as rows is left out: the order says nothing then.
    """
    line_places: dict[tuple[str, Decimal], list[tuple[date, int]]] = defaultdict(list)
    row_places: dict[tuple[str, Decimal], list[tuple[date, int]]] = defaultdict(list)
    for place, line in enumerate(lines):
        if not line.pending:
            line_places[line.currency, line.amount].append((line.days.day, place))
    for place, candidate in enumerate(candidates):
        if candidate.is_withdrawn_posted_row:
            row_places[candidate.known.currency, candidate.known.amount].append((candidate.known.days.day, place))
    for money, found in line_places.items():
        rows = row_places.get(money, [])
        if len(rows) == len(found):
            yield from ((left, right) for (_, left), (_, right) in zip(sorted(found), sorted(rows), strict=True))


def rate_migrated(days: int) -> Rating | None:
    """Rate a row and a line of the same amount where most rows changed at once; words do not count."""
    return Rating(days * COST_PER_DAY, Reason.MIGRATED) if days <= MAX_DAYS_IN_MIGRATION else None

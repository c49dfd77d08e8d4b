"""Decides what becomes of pending rows that no delivery removed: which go, and about which the user is asked."""

from collections.abc import Sequence
from dataclasses import dataclass

from worker.importer.decide.pending.booked_beside import (
    MAX_PENDING_DAYS,
    Pairs,
    RowsBeside,
    are_about_equal,
    are_two_expenses,
    ids_of,
    is_doubtful,
    is_hidden,
    match_booked_beside,
    pairs_in_doubt,
)
from worker.importer.decide.stored_row import ExpenseState, State, StoredRow

MAX_DAYS_WITHOUT_ROW = 31
"""A statement file without a row for longer is taken for two, and the days between them for days that nobody read."""

MAX_QUESTIONS = 100
"""About how many rows of an account is asked, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingRow:
    """A row that is pending, or was until the user deleted its expense.

    Attributes:
        state: `pending` or `removed`.
        days: How long ago its day is.
        is_absent: The bank delivers it no longer.
        hides_another: A posted row of its account is its twin, because the user said so.
    """

    id: int
    state: str
    days: int
    is_absent: bool
    hides_another: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingDecision:
    """What becomes of waiting rows.

    Attributes:
        booked: Rows that go, because a posted one is evidently what became of them.
        hiding_ids: Rows that go, because the bank has them no longer and the user said what became of them.
        asked_pairs: Pairs about which the user is asked whether they are one purchase.
        hidden: Those whose posted row is no expense until they answer, because they deleted that of the pending one.
        asked_ids: Rows about which the user is asked whether they are pending still.
    """

    booked: Sequence[StoredRow]
    hiding_ids: frozenset[int]
    asked_pairs: Pairs
    hidden: Pairs
    asked_ids: frozenset[int]


def decide_waiting(
    waiting: Sequence[WaitingRow], beside: RowsBeside, *, grace_days: int, by_cursor: bool
) -> WaitingDecision:
    """Decide about waiting rows by the posted ones beside them and by how long they wait.

    Where a posted row is evidently what became of one, it goes: once the bank delivers it no longer, or after the days
    of grace where the bank delivers changes alone. About others the user is asked.

    Args:
        beside: Each with the posted rows that it may have become.
        grace_days: How long a row may be pending beside its booking.
        by_cursor: The bank delivers changes, so that nothing says whether it still has a row.
    """
    ids = _ids_of(waiting, grace_days)
    undecided = ids.absent | ids.old if by_cursor else ids.absent
    evident = _evident(beside, undecided)
    removed = {row.id for row, _ in evident} | (undecided & ids.hiding)
    hidden = _hidden(beside, ids.hiding)
    booked_ids = {posted.id for _, posted in evident}
    # What a bank delivers together are two rows, until it does so for longer than it takes to book one.
    delivered_long = frozenset[int]() if by_cursor else ids.delivered & ids.old
    possible = [
        pair
        for pair in beside.pairs
        if (are_two_expenses(*pair) or ids_of(pair) in hidden)
        and pair[0].id not in removed
        and pair[1].id not in booked_ids
        and (ids_of(pair) in beside.came_after or pair[0].id in delivered_long)
    ]
    asked_pairs = pairs_in_doubt(possible, beside.asked, beside.common_words)[:MAX_QUESTIONS]
    # Of a list of changes, such as a folder of files, nothing says when the next one comes that would remove the row.
    not_told = ids.absent & ids.old if by_cursor else frozenset[int]()
    lasting = ids.lapsed | (ids.old & _doubtful_ids(possible, beside))
    return WaitingDecision(
        booked=[row for row, _ in evident if row.id not in ids.hiding],
        hiding_ids=undecided & ids.hiding,
        asked_pairs=asked_pairs,
        hidden=[pair for pair in asked_pairs if ids_of(pair) in hidden],
        asked_ids=(ids.delivered & lasting | not_told) - removed - {row.id for row, _ in asked_pairs},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _WaitingIds:
    """Ids of waiting rows by what is known of them; all but `hiding` are of rows that are pending.

    Attributes:
        hiding: A posted row is their twin, because the user said so.
        delivered: The bank delivers them still.
        absent: The bank delivers them no longer.
        old: The days of grace are over.
        lapsed: No hold lasts so long.
    """

    hiding: frozenset[int]
    delivered: frozenset[int]
    absent: frozenset[int]
    old: frozenset[int]
    lapsed: frozenset[int]


def _ids_of(waiting: Sequence[WaitingRow], grace_days: int) -> _WaitingIds:
    pending = [row for row in waiting if row.state == State.PENDING]
    return _WaitingIds(
        hiding=frozenset(row.id for row in waiting if row.hides_another),
        delivered=frozenset(row.id for row in pending if not row.is_absent),
        absent=frozenset(row.id for row in pending if row.is_absent),
        old=frozenset(row.id for row in pending if row.days >= grace_days),
        lapsed=frozenset(row.id for row in pending if row.days >= MAX_PENDING_DAYS),
    )


def _hidden(beside: RowsBeside, hiding: frozenset[int]) -> set[tuple[int, int]]:
    """Return the pairs whose posted row would be no expense until the user answers, and nobody asked them yet."""
    came_after = (pair for pair in beside.that_came_after if pair[0].id not in hiding)
    return {ids_of(pair) for pair in came_after if is_hidden(*pair, beside.common_words)} - beside.asked


def _doubtful_ids(possible: Pairs, beside: RowsBeside) -> set[int]:
    """Return the ids of the pending rows of pairs that may be one purchase."""
    near = [pair for pair in possible if ids_of(pair) in beside.came_after or are_about_equal(*pair)]
    return {pair[0].id for pair in near if is_doubtful(*pair, beside.common_words)}


def _evident(beside: RowsBeside, undecided: frozenset[int]) -> Pairs:
    """Return the pairs that are evidently one purchase, where nothing of what the user did to both is lost."""
    came_after = [pair for pair in beside.that_came_after if pair[0].state == State.PENDING]
    return [
        (pending, posted)
        for pending, posted in match_booked_beside(came_after, beside.common_words)
        if pending.id in undecided
        and pending.expense_state != ExpenseState.TWIN
        and not (pending.changed_by_user and posted.changed_by_user)
    ]

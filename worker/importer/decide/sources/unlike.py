"""Finds rows of two sources that may be one purchase though they differ too much to meet, in amount or in days. Pure.

A tip, a fee or a hold; a booking that came late, or a source that states the purchase where the other states the
booking. Either source lacks the other's row on a day that it covers, and both name the merchant. Nothing but the user
says whether they are one: so no pair is decided here. Once the sources agree, the rows meet as others do.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, timedelta
from decimal import Decimal
from heapq import nsmallest
from typing import NamedTuple, TypeAlias

from worker.importer.decide.compare.amounts import MAX_SHARE_UNSEEN, share_apart
from worker.importer.decide.compare.one_to_one import MAX_CANDIDATES, PlacePair
from worker.importer.decide.compare.text_similarity import SURE, common_words, days_apart, similarity
from worker.importer.decide.sources.rows import MAX_DAYS_ALIKE, SourceRow, Spans

MAX_DAYS_LATE = 14
"""So many days after the purchase a bank books it, where it is late."""

MAX_COMPARED_TEXTS = 40_000
"""Only the nearest ones of more pairs are compared by their texts, because comparing all would take minutes."""

_PlacedRow: TypeAlias = tuple[int, SourceRow]
_NearPair: TypeAlias = tuple[float, int, int, int]
"""How far the amounts are apart, how many days, and the places of both rows."""


class UnlikePairs(NamedTuple):
    """What to ask about.

    Attributes:
        pairs: Places of rows that may be one purchase, each row in one pair at most.
        not_compared: So many left rows have too many rows near them to be compared with all, and are in no pair.
    """

    pairs: list[PlacePair]
    not_compared: int


def unlike_pairs(
    lefts: Sequence[SourceRow],
    rights: Sequence[SourceRow],
    spans: Spans,
    *,
    left_out: tuple[AbstractSet[int], AbstractSet[int]] = (frozenset(), frozenset()),
    apart: AbstractSet[PlacePair] = frozenset(),
) -> UnlikePairs:
    """Return the pairs to ask about, the nearest amounts first, then the nearest days.

    Rows of one amount and near days are no such pairs: `meet` decides or asks about them. A row is taken for one
    that was booked late only where no third one of its amount is as near: a coffee a day is arranged anew when more of
    them come (`rearrange`), the rent of a month is not.

    Args:
        lefts: Rows of one source.
        rights: Rows of the others.
        spans: The days of both.
        left_out: Places of the left and of the right rows that both sides have, or that a user was asked about.
        apart: Pairs that a user parted. Either row may still be one purchase with another one.
    """
    common = common_words(row.words for row in (*lefts, *rights))
    amounts = _DaysOfAmounts((*lefts, *rights))
    alone_left, alone_right = (
        [(place, row) for place, row in enumerate(rows) if place not in places]
        for rows, places in zip((lefts, rights), left_out, strict=True)
    )
    crowded = set[int]()
    near = (
        (share_apart(left.amount, right.amount), days_apart(left.on, right.on), left_place, right_place)
        for (left_place, left), (right_place, right) in _near_pairs(alone_left, alone_right, spans, amounts, crowded)
        if (left_place, right_place) not in apart
    )
    near_places = set[int]()
    nearest = nsmallest(MAX_COMPARED_TEXTS, _noting_places(near, near_places))
    crowded |= near_places - {left_place for _share, _days, left_place, _ in nearest}
    taken_left, taken_right = set[int](), set[int]()
    found: list[PlacePair] = []
    for _share, _days, left_place, right_place in nearest:
        if left_place in taken_left or right_place in taken_right:
            continue
        if similarity(lefts[left_place].words, rights[right_place].words, common=common) >= SURE:
            taken_left.add(left_place)
            taken_right.add(right_place)
            found.append((left_place, right_place))
    return UnlikePairs(found, len(crowded - taken_left))


def _noting_places(near: Iterable[_NearPair], places: set[int]) -> Iterator[_NearPair]:
    """Yield near pairs, and note the places of their left rows."""
    for pair in near:
        places.add(pair[2])
        yield pair


def _near_pairs(
    lefts: Sequence[_PlacedRow],
    rights: Sequence[_PlacedRow],
    spans: Spans,
    amounts: "_DaysOfAmounts",
    crowded: set[int],
) -> Iterator[tuple[_PlacedRow, _PlacedRow]]:
    """Yield the pairs that may be one purchase by their amounts and days, without looking at all others.

    Args:
        crowded: Gets the places of left rows of which some pairs are left out.
    """
    late = [placed for placed in rights if placed[1].amount and amounts.of_row_and_one_more(placed[1])]
    equal: dict[Hashable, list[_PlacedRow]] = defaultdict(list)
    for placed in late:
        equal[placed[1].currency, placed[1].amount].append(placed)
    covered = _ByDay((place, row) for place, row in rights if spans.left_covers(row))
    for left in lefts:
        row = left[1]
        if (row.currency, row.amount) in equal and amounts.of_row_and_one_more(row):
            yield from ((left, other) for other in equal[row.currency, row.amount] if _is_late(row, other[1], spans))
        if spans.right_covers(row):
            near, are_all = covered.near(row)
            if not are_all:
                crowded.add(left[0])
            yield from ((left, right) for right in near if right[1].amount != row.amount)


def _is_late(left: SourceRow, right: SourceRow, spans: Spans) -> bool:
    days = days_apart(left.on, right.on)
    return MAX_DAYS_ALIKE < days <= MAX_DAYS_LATE and (spans.right_covers(left) or spans.left_covers(right))


class _DaysOfAmounts:
    """Says how many rows of an amount, of both sources, are near a day."""

    def __init__(self, rows: Iterable[SourceRow]) -> None:
        self._days: dict[Hashable, list[date]] = defaultdict(list)
        for row in sorted(rows, key=lambda row: row.on):
            self._days[row.currency, row.amount].append(row.on)

    def of_row_and_one_more(self, row: SourceRow) -> bool:
        """Return whether one other row of the amount is as near as a late booking may be, and no third one."""
        days, most = self._days[row.currency, row.amount], timedelta(days=MAX_DAYS_LATE)
        others = bisect_right(days, row.on + most) - bisect_left(days, row.on - most) - 1
        return others == 1


class _ByDay:
    """Finds rows of one direction by their days and amounts."""

    def __init__(self, rows: Iterable[_PlacedRow]) -> None:
        self._pending: dict[Hashable, list[_PlacedRow]] = defaultdict(list)
        self._posted: dict[Hashable, list[_PlacedRow]] = defaultdict(list)
        for placed in sorted(rows, key=_size):
            row = placed[1]
            (self._pending if row.pending else self._posted)[_group(row, row.on)].append(placed)

    def near(self, row: SourceRow) -> tuple[list[_PlacedRow], bool]:
        """Return the rows of near days and amounts, and whether they are all. What is pending may be a hold, of any."""
        least, most = abs(row.amount) * _SHARE_SEEN, abs(row.amount) / _SHARE_SEEN
        found: list[_PlacedRow] = []
        are_all = True
        for days in range(-MAX_DAYS_ALIKE, MAX_DAYS_ALIKE + 1):
            group = _group(row, row.on + timedelta(days=days))
            posted = self._posted.get(group, [])
            first, end = bisect_left(posted, least, key=_size), bisect_right(posted, most, key=_size)
            for rows in (self._pending.get(group, []), posted if row.pending else posted[first:end]):
                found += _nearest(rows, abs(row.amount))
                are_all = are_all and len(rows) <= MAX_CANDIDATES
        return found, are_all


def _nearest(rows: Sequence[_PlacedRow], size: Decimal) -> Sequence[_PlacedRow]:
    """Return the rows of the nearest sizes, of very many by size."""
    if len(rows) <= MAX_CANDIDATES:
        return rows
    first = max(0, min(bisect_left(rows, size, key=_size) - MAX_CANDIDATES // 2, len(rows) - MAX_CANDIDATES))
    return rows[first : first + MAX_CANDIDATES]


_SHARE_SEEN = 1 - Decimal(str(MAX_SHARE_UNSEEN))


def _size(placed: _PlacedRow) -> Decimal:
    return abs(placed[1].amount)


def _group(row: SourceRow, on: date) -> Hashable:
    return on, row.currency, (row.amount > 0) - (row.amount < 0)

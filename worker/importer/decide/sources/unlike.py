"""Finds rows of two sources that may be one purchase though they differ too much to meet, in amount or in days. Pure.

A tip, a fee or a hold; a booking that came late, or a source that states the purchase where the other states the
booking. Either source lacks the other's row on a day that it covers, and both name the merchant. Nothing but the user
says whether they are one: so no pair is decided here. Once the sources agree, the rows meet as others do.
"""

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, timedelta
from decimal import Decimal
from heapq import nsmallest
from typing import TypeAlias

from worker.importer.decide.compare.amounts import MAX_SHARE_UNSEEN, share_apart
from worker.importer.decide.compare.one_to_one import MAX_CANDIDATES, PlacePair
from worker.importer.decide.compare.text_similarity import SURE, common_words, days_apart, similarity
from worker.importer.decide.sources.rows import MAX_DAYS_ALIKE, SourceRow, Spans

MAX_DAYS_LATE = 14
"""So many days after the purchase a bank books it, where it is late."""

MAX_COMPARED_TEXTS = 40_000
"""Only the nearest ones of more pairs are compared by their texts, because comparing all would take minutes."""

_PlacedRow: TypeAlias = tuple[int, SourceRow]


def unlike_pairs(
    lefts: Sequence[SourceRow],
    rights: Sequence[SourceRow],
    spans: Spans,
    *,
    left_out: tuple[AbstractSet[int], AbstractSet[int]] = (frozenset(), frozenset()),
    apart: AbstractSet[PlacePair] = frozenset(),
) -> list[PlacePair]:
    """Return the pairs to ask about, each row in one at most: the nearest amounts first, then the nearest days.

    Rows of one amount and near days are no such pairs: `sources.meet` decides or asks about them. Of amounts that
    several rows of a source have none is taken for one that was booked late: they are arranged anew when more of them
    come (`sources.rearrange`).

    Args:
        lefts: Rows of one source.
        rights: Rows of the others.
        spans: The days of both.
        left_out: Places of the left and of the right rows that both sides have, or that a user was asked about.
        apart: Pairs that a user parted. Either row may still be one purchase with another one.
    """
    common = common_words(row.words for row in (*lefts, *rights))
    recurring = {
        amount for rows in (lefts, rights) for amount, number in Counter(r.amount for r in rows).items() if number > 1
    }
    alone_left, alone_right = (
        [(place, row) for place, row in enumerate(rows) if place not in places]
        for rows, places in zip((lefts, rights), left_out, strict=True)
    )
    near = (
        (share_apart(left.amount, right.amount), days_apart(left.on, right.on), left_place, right_place)
        for (left_place, left), (right_place, right) in _near_pairs(alone_left, alone_right, spans, recurring)
        if (left_place, right_place) not in apart
    )
    taken_left, taken_right = set[int](), set[int]()
    found: list[PlacePair] = []
    for _share, _days, left_place, right_place in nsmallest(MAX_COMPARED_TEXTS, near):
        if left_place in taken_left or right_place in taken_right:
            continue
        if similarity(lefts[left_place].words, rights[right_place].words, common=common) >= SURE:
            taken_left.add(left_place)
            taken_right.add(right_place)
            found.append((left_place, right_place))
    return found


def _near_pairs(
    lefts: Sequence[_PlacedRow], rights: Sequence[_PlacedRow], spans: Spans, recurring: AbstractSet[Decimal]
) -> Iterator[tuple[_PlacedRow, _PlacedRow]]:
    """Yield the pairs that may be one purchase by their amounts and days, without looking at all others."""
    once = {(r.currency, r.amount): (place, r) for place, r in rights if r.amount and r.amount not in recurring}
    covered = _ByDay((place, row) for place, row in rights if spans.left_covers(row))
    for left in lefts:
        row = left[1]
        equal = once.get((row.currency, row.amount))
        if equal is not None and _is_late(row, equal[1], spans):
            yield left, equal
        if spans.right_covers(row):
            yield from ((left, right) for right in covered.near(row) if right[1].amount != row.amount)


def _is_late(left: SourceRow, right: SourceRow, spans: Spans) -> bool:
    days = days_apart(left.on, right.on)
    return MAX_DAYS_ALIKE < days <= MAX_DAYS_LATE and (spans.right_covers(left) or spans.left_covers(right))


class _ByDay:
    """Finds rows of one direction by their days and amounts."""

    def __init__(self, rows: Iterable[_PlacedRow]) -> None:
        self._pending: dict[Hashable, list[_PlacedRow]] = defaultdict(list)
        self._posted: dict[Hashable, list[_PlacedRow]] = defaultdict(list)
        for placed in sorted(rows, key=_size):
            row = placed[1]
            (self._pending if row.pending else self._posted)[_group(row, row.on)].append(placed)

    def near(self, row: SourceRow) -> Iterator[_PlacedRow]:
        """Yield the rows of near days and amounts. What is pending may be a hold, of whatever amount."""
        least, most = abs(row.amount) * _SHARE_SEEN, abs(row.amount) / _SHARE_SEEN
        for days in range(-MAX_DAYS_ALIKE, MAX_DAYS_ALIKE + 1):
            group = _group(row, row.on + timedelta(days=days))
            yield from _nearest(self._pending.get(group, []), abs(row.amount))
            posted = self._posted.get(group, [])
            first, end = bisect_left(posted, least, key=_size), bisect_right(posted, most, key=_size)
            yield from _nearest(posted if row.pending else posted[first:end], abs(row.amount))


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

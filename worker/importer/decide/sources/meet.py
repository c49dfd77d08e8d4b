"""Pairs the rows of two sources of one account, so that each purchase is one row over both. Pure.

Both sources state the same purchases: under other ids, under other names, a few days apart, pending in one and posted
in the other. Rows of equal amount meet one-to-one in the order of days: those that name the same merchant first, then
what is left. A row that the other source should have, because it has rows of days before and after it, is left alone
only where no choice of pairs avoids it; then the nearest days count. So equal purchases that one source books a day
later all meet, and those of days that one source alone covers do not. How many days later a source books is learned
from amounts that occur once; `sources.rows` says how many days there may be at most.
"""

from collections import defaultdict
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from statistics import multimode
from typing import NamedTuple, TypeAlias

from worker.importer.decide.compare.one_to_one import PlacePair
from worker.importer.decide.compare.text_similarity import ALIKE, days_apart, similarity
from worker.importer.decide.sources.common_days import by_common_days
from worker.importer.decide.sources.equal_amounts import alike_pairs, best_pairs, equal_pairs, groups_of, pairs_in_order
from worker.importer.decide.sources.rows import (
    ANYWHERE,
    MAX_DAYS_ALIKE,
    MAX_DAYS_BY_ORDER,
    Lag,
    Meeting,
    MetBy,
    SourceRow,
    Spans,
)
from worker.importer.decide.sources.seam import away_from_seam, is_decided, without_hints

MIN_LAGS = 5
"""The days between the two sources are known from so many amounts that occur once."""

SLACK = ((10, 2), (30, 1))
"""Pairs of rows and days: a lag learned from fewer rows may be so many days longer either way."""

MAX_COMPARED_PAIRS = 40_000
"""More rows of one amount are paired in their order alone, because comparing their words would take minutes."""

_Looks: TypeAlias = tuple[date, str, Decimal, str]
"""What a user sees of a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowMeetings:
    """The pairs of two sources, each row in one pair at most.

    Attributes:
        met: Rows that are one purchase.
        doubtful: Rows of one amount and near days of which nothing tells whether they are one purchase: that one source
            ends between them, or that either source lacks the other's row though it delivered the days.
    """

    met: Sequence[Meeting] = ()
    doubtful: Sequence[Meeting] = ()


def meet_rows(
    lefts: Sequence[SourceRow],
    rights: Sequence[SourceRow],
    *,
    spans: Spans | None = None,
    apart: AbstractSet[PlacePair] = frozenset(),
) -> RowMeetings:
    """Pair the rows of two sources of one account one-to-one.

    Args:
        lefts: Rows of one source.
        rights: Rows of the other.
        spans: The days of both sources; None where they are compared on common days alone, so that there is no seam.
        apart: Pairs that a user parted, which holds for all rows that look like these. Either row may still be one
            purchase with another one.
    """
    parted = _all_alike(lefts, rights, apart)
    lefts, rights = by_common_days(lefts, rights)
    sources = _Sources(lefts, rights, parted)
    by_balance = [one for one in _meet_by_balance(lefts, rights) if (one.left, one.right) not in parted]
    left_groups = _by_amount(lefts, {one.left for one in by_balance})
    right_groups = _by_amount(rights, {one.right for one in by_balance})
    groups = [(places, right_groups[key]) for key, places in left_groups.items() if key in right_groups]
    single = [(group[0][0], group[1][0]) for group in groups if len(group[0]) == len(group[1]) == 1]
    single = [pair for pair in single if pair not in parted]
    recurring = [group for group in groups if len(group[0]) > 1 or len(group[1]) > 1]
    found = [one for left, right in single if (one := _meet_single(lefts, rights, left, right)) is not None]
    if spans is not None:
        found = without_hints(lefts, rights, found, spans)
    lag = _learned_lag(lefts, rights, found) or ANYWHERE
    certain_lag = _with_slack(lag, len(found))
    days = spans or Spans.of(lefts, rights)
    for group in recurring:
        places = group if spans is None else away_from_seam(lefts, rights, *group, spans)
        pairs = _meet_equal_amounts(sources, *places, lag, days)
        found += [one for one in pairs if spans is None or is_decided(lefts, rights, group, one, spans, certain_lag)]
    met = sorted([*by_balance, *found], key=lambda meeting: meeting.left)
    return RowMeetings(met=met, doubtful=[] if spans is None else _doubtful(sources, groups, met, spans, lag))


def _all_alike(
    lefts: Sequence[SourceRow], rights: Sequence[SourceRow], apart: AbstractSet[PlacePair]
) -> Container[PlacePair]:
    """Return the pairs of all rows that a user cannot tell from those of these pairs."""
    if not apart:
        return apart
    left_looks, right_looks = list(map(_looks, lefts)), list(map(_looks, rights))
    return _AlikePairs(left_looks, right_looks, {(left_looks[left], right_looks[right]) for left, right in apart})


@dataclass(frozen=True, slots=True)
class _AlikePairs:
    """Pairs of rows that look so, without counting them up: thousands of equal ones on either side make millions."""

    left_looks: Sequence[_Looks]
    right_looks: Sequence[_Looks]
    pairs: AbstractSet[tuple[_Looks, _Looks]]

    def __contains__(self, pair: object) -> bool:
        """Say whether the rows of two places look like a pair."""
        assert isinstance(pair, tuple)
        left, right = pair
        return (self.left_looks[left], self.right_looks[right]) in self.pairs


def _looks(row: SourceRow) -> _Looks:
    return row.on, row.currency, row.amount, row.words


class _Sources(NamedTuple):
    """The rows of both sources, and the pairs of them that are none."""

    lefts: Sequence[SourceRow]
    rights: Sequence[SourceRow]
    apart: Container[PlacePair]


def _meet_by_balance(lefts: Sequence[SourceRow], rights: Sequence[SourceRow]) -> list[Meeting]:
    """Pair rows of one amount that state the same balance after them, where one row of either source does."""
    places: list[dict[tuple[str, Decimal, Decimal], list[int]]] = []
    for rows in (lefts, rights):
        stated: dict[tuple[str, Decimal, Decimal], list[int]] = defaultdict(list)
        for place, row in enumerate(rows):
            if row.balance is not None and not row.pending:
                stated[row.currency, row.amount, row.balance].append(place)
        places.append(stated)
    return [
        Meeting(left=left[0], right=right[0], by=MetBy.BALANCE, days=days)
        for key, left in places[0].items()
        if len(left) == 1
        and len(right := places[1].get(key, [])) == 1
        and (days := days_apart(lefts[left[0]].on, rights[right[0]].on)) <= MAX_DAYS_ALIKE
    ]


def _doubtful(
    sources: _Sources,
    groups: Sequence[tuple[Sequence[int], Sequence[int]]],
    met: Sequence[Meeting],
    spans: Spans,
    lag: Lag,
) -> list[Meeting]:
    """Return pairs of what is left on both sides, near where a source or delivered days end: those alike, the nearest.

    A question about the wrong pair, of two purchases of one amount at two merchants, would ask about neither.
    """
    lefts, rights, _ = sources
    met_left, met_right = {one.left for one in met}, {one.right for one in met}

    def may_be_one(left: int, right: int) -> bool:
        one, other = lefts[left], rights[right]
        return not spans.leave_no_doubt(one, other, ANYWHERE) or (
            lag.allows(one, other) and spans.are_delivered(one, other)
        )

    found: list[Meeting] = []
    for left_places, right_places in groups:
        left_over = [place for place in left_places if place not in met_left]
        right_over = [place for place in right_places if place not in met_right]
        matching = _Matching(sources, left_over, right_over)
        if len(left_over) * len(right_over) > MAX_COMPARED_PAIRS:
            in_order = pairs_in_order(lefts, rights, left_over, right_over, ANYWHERE)
            matching.take((pair for pair in in_order if may_be_one(*pair)), MetBy.ORDER)
        elif left_over and right_over:
            near = _near_pairs(sources, left_over, right_over, ANYWHERE)
            near = {pair: cost for pair, cost in near.items() if may_be_one(*pair)}
            alike = alike_pairs(lefts, rights, left_over, right_over, ANYWHERE)
            for group in groups_of({pair: cost for pair, cost in alike.items() if pair in near}):
                matching.take(best_pairs(lefts, rights, group, None), MetBy.WORDS)
            matching.take(best_pairs(lefts, rights, matching.free(near), None), MetBy.ORDER)
        found += matching.found
    return found


def _near_pairs(
    sources: _Sources, left_places: Sequence[int], right_places: Sequence[int], lag: Lag
) -> dict[PlacePair, float]:
    lefts, rights, apart = sources
    return {
        (left, right): 0.0
        for left in left_places
        for right in right_places
        if lag.allows(lefts[left], rights[right]) and (left, right) not in apart
    }


def _by_amount(rows: Sequence[SourceRow], met: Collection[int]) -> dict[tuple[str, Decimal], list[int]]:
    places: dict[tuple[str, Decimal], list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        if place not in met:
            places[row.currency, row.amount].append(place)
    return places


def _meet_single(lefts: Sequence[SourceRow], rights: Sequence[SourceRow], left: int, right: int) -> Meeting | None:
    """Return the pair of the only two rows of an amount, as the choice among many would, without choosing."""
    one, other = lefts[left], rights[right]
    days = days_apart(one.on, other.on)
    if days <= MAX_DAYS_ALIKE and similarity(one.words, other.words) >= ALIKE:
        return Meeting(left=left, right=right, by=MetBy.WORDS, days=days)
    return Meeting(left=left, right=right, by=MetBy.ORDER, days=days) if days <= MAX_DAYS_BY_ORDER else None


def _learned_lag(lefts: Sequence[SourceRow], rights: Sequence[SourceRow], found: Sequence[Meeting]) -> Lag | None:
    """Return how many days later the right source books; None when there are too few rows to say."""
    days = [(rights[one.right].on - lefts[one.left].on).days for one in found]
    if len(days) < MIN_LAGS:
        return None
    least, most, typical = min(0, *days), max(0, *days), min(multimode(days), key=abs)
    room = 0 if least == most else 1
    return Lag(least=least - room, most=most + room, typical=typical)


def _with_slack(lag: Lag, rows: int) -> Lag:
    """Return the lag with room for days that so few rows did not show."""
    days = next((days for fewer, days in SLACK if rows < fewer), 0)
    return replace(lag, least=lag.least - days, most=lag.most + days)


def _meet_equal_amounts(
    sources: _Sources, left_places: Sequence[int], right_places: Sequence[int], lag: Lag, spans: Spans | None
) -> list[Meeting]:
    lefts, rights, apart = sources
    matching = _Matching(sources, left_places, right_places)
    if len(left_places) * len(right_places) > MAX_COMPARED_PAIRS:
        matching.take(equal_pairs(lefts, rights, left_places, right_places), MetBy.WORDS)
        near = lag.within(MAX_DAYS_BY_ORDER)
        matching.take(pairs_in_order(lefts, rights, matching.left_over, matching.right_over, near), MetBy.ORDER)
        return matching.found
    alike = alike_pairs(lefts, rights, left_places, right_places, lag.within(MAX_DAYS_ALIKE))
    for group in groups_of({pair: cost for pair, cost in alike.items() if pair not in apart}):
        matching.take(best_pairs(lefts, rights, group, spans, lag), MetBy.WORDS)
    if not matching.left_over or not matching.right_over:
        return matching.found
    near = lag.within(MAX_DAYS_BY_ORDER)
    rest = _near_pairs(sources, matching.left_over, matching.right_over, near)
    matching.take(best_pairs(lefts, rights, rest, spans, lag), MetBy.ORDER)
    return matching.found


class _Matching:
    """The pairs of one amount while they are chosen, and the places that are left."""

    def __init__(self, sources: _Sources, left_over: Sequence[int], right_over: Sequence[int]) -> None:
        self._sources = sources
        self.left_over, self.right_over = list(left_over), list(right_over)
        self.found: list[Meeting] = []

    def free(self, pairs: Mapping[PlacePair, float]) -> dict[PlacePair, float]:
        """Return those of these pairs of which neither row is taken."""
        left, right = set(self.left_over), set(self.right_over)
        return {pair: cost for pair, cost in pairs.items() if pair[0] in left and pair[1] in right}

    def take(self, pairs: Iterable[PlacePair], by: MetBy) -> None:
        """Keep pairs in their order, each place once, without those that are apart."""
        lefts, rights, apart = self._sources
        free_left, free_right = set(self.left_over), set(self.right_over)
        for left, right in pairs:
            if left in free_left and right in free_right and (left, right) not in apart:
                free_left.remove(left)
                free_right.remove(right)
                days = days_apart(lefts[left].on, rights[right].on)
                self.found.append(Meeting(left=left, right=right, by=by, days=days))
        self.left_over = [place for place in self.left_over if place in free_left]
        self.right_over = [place for place in self.right_over if place in free_right]

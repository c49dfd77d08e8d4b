"""Matches two lists one-to-one: candidate pairs by key and day, and the cheapest choice among them.

Pairs are kept as places in the two lists, so that equal items are never taken for one another.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from worker.importer.decide.reasons import Reason

A = TypeVar("A")
B = TypeVar("B")

PlacePair: TypeAlias = tuple[int, int]
"""A left and a right item, by their places in the two lists."""

MAX_CANDIDATES = 100
"""To compare an item with more candidates, as thousands of one amount have, would take minutes."""

Key: TypeAlias = Hashable | None
"""What both items of a pair have in common; None for an item that is no candidate."""


_Buckets: TypeAlias = dict[tuple[Hashable, date], list[int]]


class Rating(NamedTuple):
    """How far a pair is from being evident, and the reason to give if it is chosen."""

    cost: float
    reason: Reason


@dataclass(frozen=True, slots=True)
class Match(Generic[A, B]):
    """One chosen pair.

    Attributes:
        left: The item of the first list.
        right: The item of the second list.
        reason: Why they belong together.
        left_place: Where `left` is in the first list.
        right_place: Where `right` is in the second list.
    """

    left: A
    right: B
    reason: Reason
    left_place: int
    right_place: int


class OneToOne(Generic[A, B]):
    """Matches two lists in rounds; an item that one round took is not offered to the next.

    Attributes:
        matches: The pairs chosen so far.
        crowded_lefts: Places of items of the first list that were compared with the nearest of their candidates alone.
    """

    def __init__(self, lefts: Sequence[A], rights: Sequence[B]) -> None:
        self._lefts = lefts
        self._rights = rights
        self._taken_lefts: set[int] = set()
        self._taken_rights: set[int] = set()
        self.matches: list[Match[A, B]] = []
        self.crowded_lefts: set[int] = set()

    def pairs_by_key(
        self, left_key: Callable[[A], Key], right_key: Callable[[B], Key], *, most: int
    ) -> Iterator[PlacePair]:
        """Yield the free pairs whose keys agree, without looking at all others.

        Args:
            most: A left item with more candidates than these is left out.
        """
        buckets: dict[Hashable, list[int]] = defaultdict(list)
        for right_place, right in self.free_rights():
            if (key := right_key(right)) is not None:
                buckets[key].append(right_place)
        if not buckets:
            return
        for left_place, left in self.free_lefts():
            if (key := left_key(left)) is not None and len(places := buckets.get(key, [])) <= most:
                yield from ((left_place, right_place) for right_place in places)

    def pairs_by_key_and_day(
        self,
        left_key: Callable[[A], tuple[Key, date]],
        right_key: Callable[[B], tuple[Key, date]],
        max_days: int,
        *,
        most: int | None = None,
        apart: AbstractSet[PlacePair] = frozenset(),
    ) -> Iterator[PlacePair]:
        """Yield the free pairs whose keys agree and whose days are at most so far apart.

        Args:
            most: A left item with more candidates than these is left out.
            apart: Pairs that are none.
        """
        buckets = _by_key_and_day(self.free_rights(), right_key)
        for left_place, left in self.free_lefts():
            near = _near(buckets, *left_key(left), max_days)
            if most is None or sum(len(places) for places in near) <= most:
                pairs = ((left_place, right_place) for places in near for right_place in places)
                yield from (pair for pair in pairs if pair not in apart)

    def count_pairs_by_key_and_day(
        self, left_key: Callable[[A], tuple[Key, date]], right_key: Callable[[B], tuple[Key, date]], max_days: int
    ) -> Counter[Key]:
        """Return how many such pairs each key has, without looking at them."""
        buckets = _by_key_and_day(self.free_rights(), right_key)
        counted: Counter[Key] = Counter()
        for _, left in self.free_lefts():
            key, day = left_key(left)
            counted[key] += sum(map(len, _near(buckets, key, day, max_days)))
        return counted

    def only_pairs_by_key_and_day(
        self,
        left_key: Callable[[A], tuple[Key, date]],
        right_key: Callable[[B], tuple[Key, date]],
        max_days: int,
        *,
        apart: AbstractSet[PlacePair] = frozenset(),
    ) -> Iterator[PlacePair]:
        """Yield those of these pairs in which neither side has another candidate, without looking at all pairs.

        Args:
            apart: Pairs that are none.
        """
        left_buckets = _by_key_and_day(self.free_lefts(), left_key)
        right_buckets = _by_key_and_day(self.free_rights(), right_key)
        lefts_apart, rights_apart = _candidate_counts(apart)
        for left_place, left in self.free_lefts():
            rights = _near(right_buckets, *left_key(left), max_days)
            if sum(map(len, rights)) > 1 + lefts_apart[left_place]:
                continue
            possible = [right for places in rights for right in places if (left_place, right) not in apart]
            if len(possible) != 1:
                continue
            lefts = _near(left_buckets, *right_key(self._rights[possible[0]]), max_days)
            if sum(map(len, lefts)) > 1 + rights_apart[possible[0]]:
                continue
            if sum((other, possible[0]) not in apart for places in lefts for other in places) == 1:
                yield left_place, possible[0]

    def pairs_in_order(
        self,
        left_key: Callable[[A], tuple[Key, date]],
        right_key: Callable[[B], tuple[Key, date]],
        *,
        days_later: int = 0,
        apart: AbstractSet[PlacePair] = frozenset(),
    ) -> Iterator[PlacePair]:
        """Yield free pairs whose keys agree, the first with the first and so on: at most one of each item.

        Args:
            days_later: So many days the right item is later.
            apart: Pairs that are none.
        """
        waiting = {key: deque(places) for key, places in _by_key_and_day(self.free_rights(), right_key).items()}
        for left_place, left in self.free_lefts() if waiting else ():
            key, day = left_key(left)
            if places := waiting.get((key, day + timedelta(days=days_later))):
                pair = left_place, places.popleft()
                if pair not in apart:
                    yield pair

    def free(self, pairs: Iterable[PlacePair]) -> list[PlacePair]:
        """Return the pairs of which neither side is taken."""
        return [
            (left, right) for left, right in pairs if left not in self._taken_lefts and right not in self._taken_rights
        ]

    def items(self, pair: PlacePair) -> tuple[A, B]:
        """Return the two items of a pair."""
        return self._lefts[pair[0]], self._rights[pair[1]]

    def choose(self, pairs: Iterable[PlacePair], rate: Callable[[A, B], Rating | None]) -> list[Match[A, B]]:
        """Take the free pairs of lowest cost, then those that came first; `rate` answers None for an impossible one."""
        rated = [
            (rating.cost, order, pair, rating.reason)
            for order, pair in enumerate(pairs)
            if (rating := rate(*self.items(pair))) is not None
        ]
        chosen: list[Match[A, B]] = []
        for _cost, _order, (left_place, right_place), reason in sorted(rated, key=lambda item: item[:2]):
            if left_place in self._taken_lefts or right_place in self._taken_rights:
                continue
            self._taken_lefts.add(left_place)
            self._taken_rights.add(right_place)
            left, right = self.items((left_place, right_place))
            chosen.append(Match(left, right, reason, left_place, right_place))
        self.matches += chosen
        return chosen

    def take(self, matches: Iterable[Match[A, B]]) -> None:
        """Keep pairs that another rule chose."""
        for match in matches:
            self._taken_lefts.add(match.left_place)
            self._taken_rights.add(match.right_place)
            self.matches.append(match)

    def free_lefts(self) -> Iterator[tuple[int, A]]:
        """Yield the items of the first list that are not taken, with their places."""
        return ((place, item) for place, item in enumerate(self._lefts) if place not in self._taken_lefts)

    def free_rights(self) -> Iterator[tuple[int, B]]:
        """Yield the items of the second list that are not taken, with their places."""
        return ((place, item) for place, item in enumerate(self._rights) if place not in self._taken_rights)


def _by_key_and_day(items: Iterable[tuple[int, A]], key_of: Callable[[A], tuple[Key, date]]) -> _Buckets:
    buckets: _Buckets = defaultdict(list)
    for place, item in items:
        key, day = key_of(item)
        if key is not None:
            buckets[key, day].append(place)
    return buckets


def _near(buckets: _Buckets, key: Key, day: date, max_days: int) -> list[list[int]]:
    """Return the places of this key by day, the first day first."""
    if key is None:
        return []
    days = (day + timedelta(days=days) for days in range(-max_days, max_days + 1))
    return [buckets[key, near] for near in days if (key, near) in buckets]


def unambiguous(pairs: Sequence[PlacePair]) -> list[PlacePair]:
    """Keep the pairs in which neither side has another candidate."""
    lefts, rights = _candidate_counts(pairs)
    return [(left, right) for left, right in pairs if lefts[left] == 1 and rights[right] == 1]


def _candidate_counts(pairs: Collection[PlacePair]) -> tuple[Counter[int], Counter[int]]:
    return Counter(left for left, _ in pairs), Counter(right for _, right in pairs)

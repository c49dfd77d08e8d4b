"""Matches two lists one-to-one: candidate pairs by key and day, and the cheapest choice among them.

Pairs are kept as places in the two lists, so that equal items are never taken for one another.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from worker.importer.decide.reasons import Reason

A = TypeVar("A")
B = TypeVar("B")

PlacePair: TypeAlias = tuple[int, int]
"""A left and a right item, by their places in the two lists."""

Key: TypeAlias = Hashable | None
"""What both items of a pair have in common; None for an item that is no candidate."""


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
    """

    def __init__(self, lefts: Sequence[A], rights: Sequence[B]) -> None:
        self._lefts = lefts
        self._rights = rights
        self._taken_lefts: set[int] = set()
        self._taken_rights: set[int] = set()
        self.matches: list[Match[A, B]] = []

    def pairs_by_key(self, left_key: Callable[[A], Key], right_key: Callable[[B], Key]) -> Iterator[PlacePair]:
        """Yield the free pairs whose keys agree, without looking at all others."""
        buckets: dict[Hashable, list[int]] = defaultdict(list)
        for right_place, right in self.free_rights():
            if (key := right_key(right)) is not None:
                buckets[key].append(right_place)
        if not buckets:
            return
        for left_place, left in self.free_lefts():
            if (key := left_key(left)) is not None:
                for right_place in buckets.get(key, ()):
                    yield left_place, right_place

    def pairs_by_key_and_day(
        self,
        left_key: Callable[[A], tuple[Key, date]],
        right_key: Callable[[B], tuple[Key, date]],
        max_days: int,
    ) -> Iterator[PlacePair]:
        """Yield the free pairs whose keys agree and whose days are at most so far apart."""
        buckets: dict[tuple[Hashable, date], list[int]] = defaultdict(list)
        for right_place, right in self.free_rights():
            key, day = right_key(right)
            if key is not None:
                buckets[key, day].append(right_place)
        for left_place, left in self.free_lefts():
            key, day = left_key(left)
            if key is None:
                continue
            for days in range(-max_days, max_days + 1):
                for right_place in buckets.get((key, day + timedelta(days=days)), ()):
                    yield left_place, right_place

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


def unambiguous(pairs: Sequence[PlacePair]) -> list[PlacePair]:
    """Keep the pairs in which neither side has another candidate."""
    lefts, rights = _candidate_counts(pairs)
    return [(left, right) for left, right in pairs if lefts[left] == 1 and rights[right] == 1]


def evenly_matched(pairs: Sequence[PlacePair]) -> list[PlacePair]:
    """Keep the pairs whose sides have equally many candidates, so that any order among equals is right."""
    lefts, rights = _candidate_counts(pairs)
    return [(left, right) for left, right in pairs if lefts[left] == rights[right]]


def _candidate_counts(pairs: Sequence[PlacePair]) -> tuple[Counter[int], Counter[int]]:
    return Counter(left for left, _ in pairs), Counter(right for _, right in pairs)

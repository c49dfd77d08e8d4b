"""How alike two things are: words, days, amounts; and the one-to-one choice among candidates. Pure."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from difflib import SequenceMatcher
from typing import Generic, TypeVar

A = TypeVar("A")
B = TypeVar("B")

ALIKE = 0.5
"""From here on two texts are taken to name the same merchant."""

_WORD = re.compile(r"[^\W_]+")
_MIN_SQUASHED = 5


@dataclass(frozen=True, slots=True)
class Match(Generic[A, B]):
    """One pair chosen, and why."""

    left: A
    right: B
    reason: str


def similarity(left: str, right: str) -> float:
    """Return how alike two descriptions are, 0 to 1: the share of the shorter one's words found in the other.

    Numbers alone do not count (card, terminal and reference numbers change between a pending row and its booking).
    """
    a, b = _words(left), _words(right)
    if not a or not b:
        return 0.0
    shared = len(a & b) / min(len(a), len(b))
    return max(shared, _squashed(a, b, left, right))


def _words(text: str) -> frozenset[str]:
    return frozenset(word for word in _WORD.findall(text.casefold()) if not word.isdigit() and len(word) > 1)


def _squashed(a: frozenset[str], b: frozenset[str], left: str, right: str) -> float:
    """Names cut or run together: `BLUEBOTTLE` and `Blue Bottle Coffee`."""
    one, two = ("".join(_WORD.findall(text.casefold())) for text in (left, right))
    short, long = sorted((re.sub(r"\d", "", one), re.sub(r"\d", "", two)), key=len)
    if len(short) >= _MIN_SQUASHED and short in long:
        return 0.9
    if min(len(a), len(b)) == 0 or len(short) < _MIN_SQUASHED:
        return 0.0
    ratio = SequenceMatcher(None, short[:60], long[:60]).ratio()
    return ratio if ratio >= 0.8 else 0.0  # noqa: PLR2004 - below this, letters coincide by chance


def days_apart(left: date, right: date) -> int:
    """Return the distance in days."""
    return abs((left - right).days)


def choose(candidates: Iterable[tuple[A, B]], rate: Callable[[A, B], tuple[float, str] | None]) -> list[Match[A, B]]:
    """Pair one-to-one, lowest cost first, then as they came; `rate` answers None for an impossible pair."""
    rated = [
        (rating[0], place, left, right, rating[1])
        for place, (left, right) in enumerate(candidates)
        if (rating := rate(left, right)) is not None
    ]
    taken: set[int] = set()
    matches: list[Match[A, B]] = []
    for _cost, _place, left, right, reason in sorted(rated, key=lambda item: item[:2]):
        if id(left) not in taken and id(right) not in taken:
            taken.update((id(left), id(right)))
            matches.append(Match(left, right, reason))
    return matches


def lonely(pairs: Sequence[tuple[A, B]]) -> list[tuple[A, B]]:
    """Keep the pairs in which neither side has another candidate."""
    count = Counter(id(side) for pair in pairs for side in pair)
    return [(left, right) for left, right in pairs if count[id(left)] == 1 and count[id(right)] == 1]


def bucketed(
    lefts: Iterable[A], rights: Iterable[B], left_key: Callable[[A], Hashable], right_key: Callable[[B], Hashable]
) -> Iterator[tuple[A, B]]:
    """Yield the pairs whose keys agree, without looking at all the others."""
    buckets: dict[Hashable, list[B]] = defaultdict(list)
    for right in rights:
        buckets[right_key(right)].append(right)
    for left in lefts:
        for right in buckets.get(left_key(left), ()):
            yield left, right


def bucketed_by_day(
    lefts: Iterable[A],
    rights: Iterable[B],
    left_key: Callable[[A], tuple[Hashable, date]],
    right_key: Callable[[B], tuple[Hashable, date]],
    max_days: int,
) -> Iterator[tuple[A, B]]:
    """Yield the pairs whose keys agree and whose days are at most so far apart, without looking at all the others."""
    buckets: dict[tuple[Hashable, date], list[B]] = defaultdict(list)
    for right in rights:
        buckets[right_key(right)].append(right)
    for left in lefts:
        key, day = left_key(left)
        for days in range(-max_days, max_days + 1):
            for right in buckets.get((key, day + timedelta(days=days)), ()):
                yield left, right


def without(items: Iterable[A], taken: Iterable[A]) -> list[A]:
    """Return the items that are not (by identity) among the taken ones."""
    gone = {id(item) for item in taken}
    return [item for item in items if id(item) not in gone]

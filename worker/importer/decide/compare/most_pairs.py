"""Pairs that share items: in which groups they are, and the most of them in which each item is once."""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from worker.importer.decide.compare.one_to_one import PlacePair


def pairs_by_group(pairs: Iterable[PlacePair]) -> list[list[PlacePair]]:
    """Return the pairs in groups: two pairs are in one when they share an item, directly or over others."""
    nearer: dict[tuple[str, int], tuple[str, int]] = {}  # another item of the same group; one item of each is its own

    def one_of_group(item: tuple[str, int]) -> tuple[str, int]:
        while (next_item := nearer.setdefault(item, item)) != item:
            nearer[item] = nearer[next_item]
            item = next_item
        return item

    wanted = list(pairs)
    for left, right in wanted:
        nearer[one_of_group(("right", right))] = one_of_group(("left", left))
    groups: dict[tuple[str, int], list[PlacePair]] = defaultdict(list)
    for pair in wanted:
        groups[one_of_group(("left", pair[0]))].append(pair)
    return list(groups.values())


def most_pairs(pairs: Iterable[PlacePair]) -> list[PlacePair]:
    """Choose so many of these pairs, each item once, that no choice has more; the first with the first if that is one.

    Each left item takes the first free right one; where none is free, items that have one exchange it along a chain.
    """
    rights_of: dict[int, list[int]] = defaultdict(list)
    for left, right in sorted(pairs):
        rights_of[left].append(right)
    left_of: dict[int, int] = {}
    right_of: dict[int, int] = {}
    given_up: set[int] = set()  # what a chain in vain came by leads no later one to a free item
    for first in rights_of:
        reached_by, free = _chain_to_free(first, rights_of, left_of, given_up)
        if free is None:
            given_up |= reached_by.keys()
        while free is not None:
            left = reached_by[free]
            before = right_of.get(left)
            left_of[free], right_of[left] = left, free
            free = before
    return sorted(right_of.items())


def _chain_to_free(
    first: int, rights_of: Mapping[int, Sequence[int]], left_of: Mapping[int, int], given_up: AbstractSet[int]
) -> tuple[dict[int, int], int | None]:
    """Look from a left item for a free right one; return by which left item each right one was reached, and the free.

    Args:
        rights_of: The right items of each left one.
        left_of: The left item that each right one is taken by.
        given_up: Right items that lead to none.
    """
    reached_by: dict[int, int] = {}
    waiting = deque([first])
    while waiting:
        left = waiting.popleft()
        for right in rights_of[left]:
            if right in reached_by or right in given_up:
                continue
            reached_by[right] = left
            if right not in left_of:
                return reached_by, right
            waiting.append(left_of[right])
    return reached_by, None

"""Chooses pairs among rows of one amount, of two sources of one account. Pure."""

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import cache
from typing import TypeAlias

from worker.importer.decide.compare.most_pairs import pairs_by_group
from worker.importer.decide.compare.one_to_one import PlacePair
from worker.importer.decide.compare.text_similarity import ALIKE, similarity
from worker.importer.decide.sources.rows import ANYWHERE, Lag, SourceRow, Spans

WORTH_OF_A_PAIR = 3.5
"""Rows that are more days apart are left alone instead of paired, where nothing else tells."""


def _order(row: SourceRow, place: int) -> tuple[date, bool, int]:
    """Return by what rows of one amount follow one another: of one day posted ones come before pending ones."""
    return row.on, row.pending, place


def equal_pairs(
    lefts: Sequence[SourceRow], rights: Sequence[SourceRow], left_places: Sequence[int], right_places: Sequence[int]
) -> Iterator[PlacePair]:
    """Yield pairs of one day and one text, in order."""
    waiting: dict[tuple[date, str], deque[int]] = defaultdict(deque)
    for place in right_places:
        waiting[rights[place].on, rights[place].words].append(place)
    for left in left_places:
        places = waiting.get((lefts[left].on, lefts[left].words))
        if places and lefts[left].words.strip():
            yield left, places.popleft()


def alike_pairs(
    lefts: Sequence[SourceRow],
    rights: Sequence[SourceRow],
    left_places: Sequence[int],
    right_places: Sequence[int],
    lag: Lag,
) -> dict[PlacePair, float]:
    """Return pairs that name the same merchant, with how far their texts are from equal."""
    compared = cache(similarity)  # rows of one amount have few texts, each many times
    return {
        (left, right): 1 - likeness
        for left in left_places
        for right in right_places
        if lag.allows(lefts[left], rights[right])
        and (likeness := compared(lefts[left].words, rights[right].words)) >= ALIKE
    }


def groups_of(pairs: Mapping[PlacePair, float]) -> list[dict[PlacePair, float]]:
    """Return the pairs by merchant: two pairs are in one group when they share a row, directly or over others."""
    return [{pair: pairs[pair] for pair in group} for group in pairs_by_group(pairs)]


def best_pairs(
    lefts: Sequence[SourceRow],
    rights: Sequence[SourceRow],
    pairs: Mapping[PlacePair, float],
    spans: Spans | None,
    lag: Lag = ANYWHERE,
) -> list[PlacePair]:
    """Return the best choice of these pairs, each place once and in the order of days.

    The fewest rows that the other source should have are left alone; then the days between the pairs are nearest to
    what is typical of the two sources. By dynamic programming over both lists, as texts are aligned.
    """
    if len(pairs) == 1:
        return _only_pair(lefts, rights, pairs, spans, lag)
    left_order = sorted({left for left, _ in pairs}, key=lambda place: _order(lefts[place], place))
    right_order = sorted({right for _, right in pairs}, key=lambda place: _order(rights[place], place))
    alone_left = [int(spans is None or spans.right_has(lefts[place], lag)) for place in left_order]
    alone_right = [int(spans is None or spans.left_has(rights[place], lag)) for place in right_order]
    best: list[list[_Cost]] = [[(0, 0.0)] * (len(right_order) + 1) for _ in range(len(left_order) + 1)]
    for row in range(1, len(left_order) + 1):
        best[row][0] = (best[row - 1][0][0] + alone_left[row - 1], 0.0)
    for column in range(1, len(right_order) + 1):
        best[0][column] = (best[0][column - 1][0] + alone_right[column - 1], 0.0)
    for row, left in enumerate(left_order, start=1):
        for column, right in enumerate(right_order, start=1):
            options = [
                _plus(best[row - 1][column], alone_left[row - 1]),
                _plus(best[row][column - 1], alone_right[column - 1]),
            ]
            if (left, right) in pairs:
                away = lag.away(lefts[left], rights[right]) + pairs[left, right]
                options.append(_plus(best[row - 1][column - 1], 0, away - WORTH_OF_A_PAIR))
            best[row][column] = min(options)
    return _traced(best, left_order, right_order, alone_left, alone_right)


def _only_pair(
    lefts: Sequence[SourceRow],
    rights: Sequence[SourceRow],
    pairs: Mapping[PlacePair, float],
    spans: Spans | None,
    lag: Lag,
) -> list[PlacePair]:
    """Return the pair, where it is better than two rows alone; most amounts that recur are such pairs, months apart."""
    (((left, right), cost),) = pairs.items()
    expected = spans is None or spans.right_has(lefts[left], lag) or spans.left_has(rights[right], lag)
    near = lag.away(lefts[left], rights[right]) + cost < WORTH_OF_A_PAIR
    return [(left, right)] if expected or near else []


_Cost: TypeAlias = tuple[int, float]
"""Rows left alone though the other source should have them; days between the pairs, less what pairs are worth."""


def _plus(cost: _Cost, alone: int, days: float = 0.0) -> _Cost:
    return cost[0] + alone, round(cost[1] + days, 6)


def _traced(
    best: Sequence[Sequence[_Cost]],
    left_order: Sequence[int],
    right_order: Sequence[int],
    alone_left: Sequence[int],
    alone_right: Sequence[int],
) -> list[PlacePair]:
    """Return the pairs that the best way through the table takes."""
    row, column = len(left_order), len(right_order)
    taken: list[PlacePair] = []
    while row and column:
        if best[row][column] == _plus(best[row - 1][column], alone_left[row - 1]):
            row -= 1
        elif best[row][column] == _plus(best[row][column - 1], alone_right[column - 1]):
            column -= 1
        else:
            row, column = row - 1, column - 1
            taken.append((left_order[row], right_order[column]))
    return taken[::-1]


def pairs_in_order(
    lefts: Sequence[SourceRow],
    rights: Sequence[SourceRow],
    left_places: Sequence[int],
    right_places: Sequence[int],
    lag: Lag,
) -> Iterator[PlacePair]:
    """Yield pairs of the lag, the earliest with the earliest: no choice makes more pairs."""
    left_queue = deque(sorted(left_places, key=lambda place: _order(lefts[place], place)))
    right_queue = deque(sorted(right_places, key=lambda place: _order(rights[place], place)))
    while left_queue and right_queue:
        days = (rights[right_queue[0]].on - lefts[left_queue[0]].on).days
        if days > lag.most:
            left_queue.popleft()
        elif days < lag.least:
            right_queue.popleft()
        else:
            yield left_queue.popleft(), right_queue.popleft()

"""The choice of pairs among rows of one amount is the best one there is."""

from collections.abc import Iterator
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tests.importer.decide.rows import day
from worker.importer.decide.compare.text_similarity import days_apart
from worker.importer.decide.sources.equal_amounts import (
    WORTH_OF_A_PAIR,
    alike_pairs,
    best_pairs,
    equal_pairs,
    groups_of,
    pairs_in_order,
)
from worker.importer.decide.sources.rows import Lag, SourceRow, Spans


def bought(offset, words="Cafe Central"):
    return SourceRow(on=day(offset), amount=Decimal("-3.50"), currency="EUR", words=words)


some_rows = st.lists(st.integers(0, 9), max_size=5).map(lambda days: [bought(n) for n in sorted(days)])


def choices(lefts: int, rights: int) -> Iterator[list[tuple[int, int]]]:
    """Yield every choice of pairs in order, each place once."""
    if not lefts or not rights:
        yield []
        return
    yield from choices(lefts - 1, rights)
    for right in range(rights):
        for rest in choices(lefts - 1, right):
            yield [*rest, (lefts - 1, right)]


def cost(lefts, rights, pairs, spans):
    taken_left, taken_right = {left for left, _ in pairs}, {right for _, right in pairs}
    alone = sum(spans.right_covers(row) for n, row in enumerate(lefts) if n not in taken_left)
    alone += sum(spans.left_covers(row) for n, row in enumerate(rights) if n not in taken_right)
    return alone, sum(days_apart(lefts[a].on, rights[b].on) - WORTH_OF_A_PAIR for a, b in pairs)


@given(some_rows, some_rows, st.integers(0, 4))
def test_no_choice_in_order_is_better(lefts, rights, most):
    spans = Spans.of(lefts, rights)
    if spans is None:
        return
    lag = Lag(least=-most, most=most)
    allowed = {(a, b): 0.0 for a in range(len(lefts)) for b in range(len(rights)) if lag.allows(lefts[a], rights[b])}
    found = best_pairs(lefts, rights, allowed, spans)
    assert set(found) <= set(allowed)
    possible = [pairs for pairs in choices(len(lefts), len(rights)) if set(pairs) <= set(allowed)]
    assert cost(lefts, rights, found, spans) == min(cost(lefts, rights, pairs, spans) for pairs in possible)


@given(some_rows, some_rows)
def test_the_order_of_days_makes_as_many_pairs_as_any_choice(lefts, rights):
    lag = Lag(least=-2, most=2)
    found = list(pairs_in_order(lefts, rights, range(len(lefts)), range(len(rights)), lag))
    assert all(lag.allows(lefts[a], rights[b]) for a, b in found)
    possible = (
        pairs for pairs in choices(len(lefts), len(rights)) if all(lag.allows(lefts[a], rights[b]) for a, b in pairs)
    )
    assert len(found) == max(len(pairs) for pairs in possible)


def test_pairs_of_one_merchant_are_one_group():
    lefts = [bought(0, "Netflix"), bought(0, "Spotify"), bought(1, "Spotify AB")]
    rights = [bought(0, "SPOTIFY AB"), bought(0, "NETFLIX.COM")]
    alike = alike_pairs(lefts, rights, range(3), range(2), Lag(least=-5, most=5))
    assert sorted(sorted(group) for group in groups_of(alike)) == [[(0, 1)], [(1, 0), (2, 0)]]


def test_rows_of_one_day_and_text_are_paired_first_and_blank_texts_say_nothing():
    lefts = [bought(0, "A"), bought(0, "A"), bought(0, " ")]
    rights = [bought(0, " "), bought(0, "A"), bought(1, "A")]
    assert list(equal_pairs(lefts, rights, range(3), range(3))) == [(0, 1)]

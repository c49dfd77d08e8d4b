"""Pairs that share items."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from worker.importer.decide.compare.most_pairs import most_pairs, pairs_by_group
from worker.importer.decide.compare.one_to_one import unambiguous


@pytest.mark.parametrize(
    ("pairs", "alone", "groups", "most"),
    [
        ([(0, 0)], [(0, 0)], 1, 1),
        ([(0, 0), (0, 1)], [], 1, 1),
        ([(0, 0), (0, 1), (1, 0), (1, 1)], [], 1, 2),
        ([(0, 0), (1, 1)], [(0, 0), (1, 1)], 2, 2),
        ([(0, 0), (0, 1), (1, 0)], [], 1, 2),
        ([(0, 1), (1, 1), (2, 1), (2, 0), (3, 0)], [], 1, 2),
    ],
    ids=["one for one", "one for two", "two for two", "two pairs", "one has to give way", "two for four"],
)
def test_which_pairs_have_rivals_and_how_many_fit_at_once(pairs, alone, groups, most):
    assert unambiguous(pairs) == alone
    assert len(pairs_by_group(pairs)) == groups
    assert len(most_pairs(pairs)) == most


@given(st.sets(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=12))
def test_no_choice_of_pairs_has_more(pairs):
    chosen = most_pairs(pairs)
    assert set(chosen) <= pairs
    assert len({left for left, _ in chosen}) == len({right for _, right in chosen}) == len(chosen)
    best = {frozenset[int](): 0}  # by the right items that are taken
    for left in range(5):
        for taken, count in list(best.items()):
            for right in (right for at, right in pairs if at == left and right not in taken):
                best[taken | {right}] = max(best.get(taken | {right}, 0), count + 1)
    assert len(chosen) == max(best.values())

"""The one-to-one choice among candidates."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from tests.importer.decide.rows import day
from worker.importer.decide.compare.one_to_one import OneToOne, Rating, unambiguous
from worker.importer.decide.reasons import Reason


def cost(left, right):
    return Rating(abs(left - right), Reason.POSTED) if abs(left - right) < 5 else None


def all_pairs(lefts, rights):
    return [(left, right) for left in range(len(lefts)) for right in range(len(rights))]


@pytest.mark.parametrize(
    ("lefts", "rights", "chosen"),
    [
        ([1, 2], [2, 1], [(1, 1), (2, 2)]),
        ([1, 2], [2], [(2, 2)]),
        ([7], [8, 6], [(7, 8)]),
        ([1], [9], []),
        ([1, 1], [1, 1], [(1, 1), (1, 1)]),
    ],
    ids=["lowest cost first", "the better one takes it", "the first of two as good", "impossible", "equal items"],
)
def test_the_cheapest_pairs_are_chosen(lefts, rights, chosen):
    matching = OneToOne(lefts, rights)
    matching.choose(all_pairs(lefts, rights), cost)
    assert sorted((match.left, match.right) for match in matching.matches) == chosen


NUMBERS = st.lists(st.integers(0, 9), max_size=8)


@given(NUMBERS, NUMBERS)
def test_no_place_is_matched_twice_in_any_number_of_rounds(lefts, rights):
    matching = OneToOne(lefts, rights)
    matching.choose(matching.pairs_by_key(lambda left: left, lambda right: right, most=10), cost)
    matching.choose(all_pairs(lefts, rights), cost)
    places = [(match.left_place, match.right_place) for match in matching.matches]
    assert len({left for left, _ in places}) == len({right for _, right in places}) == len(places)
    assert all(lefts[match.left_place] == match.left for match in matching.matches)
    assert matching.free(places) == []


def test_an_item_without_a_key_is_no_candidate():
    matching = OneToOne([1, 2], [1, 2])
    assert list(matching.pairs_by_key(lambda left: left if left > 1 else None, lambda right: right, most=10)) == [
        (1, 1)
    ]


@pytest.mark.parametrize(("apart", "near"), [(0, True), (2, True), (-2, True), (3, False)])
def test_pairs_by_day_are_at_most_so_far_apart(apart, near):
    matching = OneToOne([day(0)], [day(apart)])
    pairs = matching.pairs_by_key_and_day(lambda on: ("EUR", on), lambda on: ("EUR", on), 2)
    assert list(pairs) == ([(0, 0)] if near else [])


def on_day(number):
    return ("EUR" if number else None), day(number)


@given(NUMBERS, NUMBERS, st.sets(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=8))
def test_the_only_pairs_are_found_without_all_others(lefts, rights, apart):
    matching = OneToOne(lefts, rights)
    near = matching.pairs_by_key_and_day(on_day, on_day, 2)
    only = matching.only_pairs_by_key_and_day(on_day, on_day, 2, apart=apart)
    assert list(only) == unambiguous([pair for pair in near if pair not in apart])


def test_items_with_many_candidates_are_paired_in_their_order():
    matching = OneToOne([1, 1, 4, 0], [2, 2, 2, 5, 1])
    assert list(matching.pairs_by_key_and_day(on_day, on_day, 1, most=3)) == [(2, 3)]
    assert list(matching.pairs_in_order(on_day, on_day, days_later=1)) == [(0, 0), (1, 1), (2, 3)]
    assert list(matching.pairs_in_order(on_day, on_day, apart={(0, 0)})) == [(0, 4)]

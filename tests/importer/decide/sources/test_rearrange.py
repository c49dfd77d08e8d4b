"""How equal purchases of two sources meet anew, so that none is alone on both sides."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.importer.decide.rows import day
from worker.importer.decide.sources.rearrange import find_chains
from worker.importer.decide.sources.rows import SourceRow, Spans

LIVE = Spans(left_from_on=day(-60), left_to_on=date.max, right_from_on=day(-60), right_to_on=date.max)


def fare(offset, amount="-2.80", words="Bus"):
    return SourceRow(on=day(offset), amount=Decimal(amount), currency="EUR", words=words)


def once(shift=0):
    """Rows of amounts that occur once, from which the days between the sources are learned."""
    return [fare(n + shift, f"-{n}.99", "Shop") for n in range(10, 20)]


CASES = {
    "nothing is alone": ([fare(0)], [fare(0)], {0: 0}, []),
    "alone on one side only": ([fare(0), fare(1)], [fare(0)], {0: 0}, []),
    "two that never met": ([fare(0)], [fare(1)], {}, [[(0, 0)]]),
    "the next day's row was taken by the row before": (
        [fare(1), fare(2)], [fare(0), fare(1)], {0: 1}, [[(1, 1), (0, 0)]],
    ),
    "the first fare of a week is alone, and the last one's partner is taken": (
        [fare(n + 1) for n in range(6)], [fare(n) for n in range(6)], {n: n + 1 for n in range(5)},
        [[(n, n) for n in reversed(range(6))]],
    ),
    "three fares a day, told in another order": (
        [fare(0), fare(0), fare(1)], [fare(0), fare(0), fare(0)], {0: 1, 2: 2}, [[(1, 1), (0, 0)]],
    ),
    "rows of another amount pass nothing on": ([fare(0), fare(1, "-3")], [fare(0, "-3"), fare(1)], {1: 0}, [[(0, 1)]]),
    "a pair of two amounts, of which each side has the other one alone": (
        [fare(0), fare(1, "-3")], [fare(0), fare(1, "-3")], {1: 0}, [[(0, 0), (1, 1)]],
    ),
    "too far for a chain": ([fare(0), fare(20)], [fare(0), fare(6)], {0: 0}, []),
    "sources of equal days lack one each": (
        [*once(), fare(1), fare(2), fare(3)], [*once(), fare(2), fare(3), fare(5)],
        {**{n: n for n in range(10)}, 11: 10, 12: 11}, [],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("lefts", "rights", "present", "chains"), CASES.values(), ids=CASES)
def test_which_rows_meet_anew(lefts, rights, present, chains):
    assert [list(chain.pairs) for chain in find_chains(lefts, rights, present, LIVE)] == chains


@given(st.lists(st.integers(0, 9), max_size=8), st.lists(st.integers(0, 9), max_size=8), st.randoms())
def test_a_chain_leaves_one_row_less_alone_on_either_side_and_no_row_twice(left_days, right_days, random):
    lefts, rights = [fare(n) for n in sorted(left_days)], [fare(n) for n in sorted(right_days)]
    places = range(min(len(lefts), len(rights)))
    some = [n for n in places if abs(lefts[n].on - rights[n].on).days <= 3 and random.random() < 0.6]
    present = {n: n for n in some}
    chains = find_chains(lefts, rights, present, LIVE)
    pairs = [pair for chain in chains for pair in chain.pairs]
    after = present | dict(pairs)
    assert len(set(after.values())) == len(after) == len(present) + len(chains)
    for chain in chains:
        assert chain.first_left not in present
        assert chain.last_right not in present.values()

"""Which rejected rows a replay mends with the rows of which account."""

import pytest

from worker.importer.actions.replay import Replayed

REPLAYED = Replayed(
    transactions=[],
    accounts={1: frozenset("A"), 2: frozenset("B"), 3: frozenset("AB"), 4: frozenset("AX"), 5: frozenset()},
)

CASES = {
    "the first account": ("A", "", [1]),
    "the second one": ("B", "A", [2, 3]),
    "the second one, where the first waits": ("B", "", [2]),
    "an account without rejected rows": ("C", "AB", []),
}


@pytest.mark.parametrize(("account", "before", "mended"), CASES.values(), ids=CASES)
def test_a_rejected_row_is_mended_with_the_last_of_its_accounts(account, before, mended):
    assert REPLAYED.completed_by(account, before) == mended


def test_a_rejected_row_of_which_nothing_is_left_is_mended_at_once():
    assert REPLAYED.without_rows() == [5]

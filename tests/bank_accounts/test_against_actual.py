"""The same two sources merged by the rules here, and by those that Actual publishes for imported transactions.

Actual's, in words: an incoming row with a known id is that row; any other takes the first free row of its amount at
most seven days away, one of the same payee before all others, and of these the nearest. Ids of two sources never agree.
"""

from collections import Counter
from random import Random

from tests.bank_accounts.histories import PAIRS, Stated, two_sources
from tests.bank_accounts.test_matrix import compare, source_row, stated_by_both
from worker.importer.decide.sources.rows import SourceRow

MAX_DAYS = 7


def actual_pairs(incoming: list[SourceRow], stored: list[SourceRow]) -> list[tuple[int, int]]:
    """Return the pairs that Actual's rules choose, by the places of the rows."""
    free = dict(enumerate(stored))
    chosen: list[tuple[int, int]] = []
    for by_payee in (True, False):
        taken = {place for place, _ in chosen}
        for place, row in enumerate(incoming):
            near = [
                (abs((other.on - row.on).days), number)
                for number, other in free.items()
                if place not in taken and other.amount == row.amount and abs((other.on - row.on).days) <= MAX_DAYS
                and (not by_payee or other.words.casefold() == row.words.casefold())
            ]  # fmt: skip
            if near:
                _, number = min(near)
                chosen.append((place, number))
                del free[number]
    return chosen


def by_actual(old: Stated, new: Stated) -> tuple[Counter, Counter]:
    """Return what is missed and what is wrong by Actual's rules, counted as `compare` counts."""
    incoming, stored = [source_row(row) for row in new.rows], [source_row(row) for row in old.rows]
    met = Counter(stored[right].amount for _, right in actual_pairs(incoming, stored))
    wanted = stated_by_both(old, new)
    return wanted - met, met - wanted


def test_no_purchase_is_swallowed_where_one_source_ends_and_the_other_begins():
    missed, swallowed = Counter(), Counter()
    for one, other in PAIRS:
        old, new = two_sources(one, other, 0, Random(f"{one} {other}"))
        for name, (missing, wrong) in {"ours": compare(old, new), "Actual": by_actual(old, new)}.items():
            missed[name] += missing.total()
            swallowed[name] += wrong.total()
    assert (missed["ours"], swallowed["ours"]) == (0, 0)
    assert swallowed["Actual"] > 0

"""Every ordered pair of seven kinds of source: no wrong join, one row per purchase, a question where nothing decides.

The old source is met as it was at the seam, with what was pending then, corrected or taken back later, and as it was in
the end. `make test` tries a seeded sample; `make histories` tries 500 histories of every pair and overlap that were
never tried before.
"""

import os
from collections import Counter
from random import Random

import pytest

from tests.bank_accounts.histories import KINDS, OVERLAPS, PAIRS, Stated, beside, told_first, two_sources
from worker.importer.decide.accounts.recognise import AccountFacts, Recognition, best, recognise
from worker.importer.decide.sources.meet import meet_rows
from worker.importer.decide.sources.rows import SourceRow, Spans

FRESH = "FRESH_HISTORIES" in os.environ
HISTORIES = int(os.environ.get("FRESH_HISTORIES", "3"))


def facts(kind, account, rows):
    return AccountFacts(
        anchors=some(account.anchor), masks=some(account.mask), names=some(account.name),
        institutions=some(account.institution_name), currency=account.currency,
        connectors=frozenset({"file" if kind.file else kind.name}), rows=[source_row(row) for row in rows],
    )  # fmt: skip


def seeds(*about):
    """Return the seeds of a pair: the same ones every time, or fresh ones."""
    random = Random() if FRESH else Random(str(about))
    return [random.randrange(2**32) for _ in range(HISTORIES)]


def some(value):
    return frozenset({value} if value else ())


def source_row(row):
    return SourceRow(
        on=row.booking_on, amount=row.amount, currency=row.currency, words=row.description, pending=row.pending
    )


def number_decides(one, other):
    """Say whether both sources state one account number."""
    return KINDS[one].account.anchor is not None and KINDS[one].account.anchor == KINDS[other].account.anchor


@pytest.mark.parametrize("overlap", OVERLAPS)
@pytest.mark.parametrize(("one", "other"), PAIRS, ids=["-".join(pair) for pair in PAIRS])
def test_a_source_is_recognised_or_asked_about_and_never_joined_wrongly(one, other, overlap):
    for seed in seeds(one, other, overlap):
        old, new = two_sources(one, other, overlap, Random(seed))
        other_old = beside("old", KINDS[one], Random(seed + 1))
        other_new = beside("new", KINDS[other], Random(seed + 2))
        for told in (old, told_first(one, Random(seed))):
            known = {1: facts(old.kind, old.kind.account, told.rows), 2: facts(old.kind, *other_old)}
            right = judged(facts(new.kind, new.kind.account, new.rows), known)
            assert right is not None, f"seed {seed}: not even a question"
            assert right[0] == 1, f"seed {seed}: another account"
            if number_decides(one, other) or overlap == 90:
                assert right[1].verdict == Recognition.SAME, f"seed {seed}: {right[1].sentences}"
            elif overlap == 0:
                assert right[1].verdict == Recognition.MAYBE, f"seed {seed}: {right[1].sentences}"
            wrong = judged(facts(new.kind, *other_new), {1: known[1]})
            assert wrong is None or wrong[1].verdict != Recognition.SAME, f"seed {seed}: {wrong[1].sentences}"


def judged(new, known):
    return best([(number, recognise(new, one)) for number, one in known.items()])


@pytest.mark.parametrize("overlap", OVERLAPS)
@pytest.mark.parametrize(("one", "other"), PAIRS, ids=["-".join(pair) for pair in PAIRS])
def test_each_purchase_of_both_sources_is_one_row(one, other, overlap):
    for seed in seeds(one, other, overlap):
        old, new = two_sources(one, other, overlap, Random(seed))
        for told in (old, told_first(one, Random(seed))):
            missed, wrong = compare(told, new)
            assert (missed, wrong) == (Counter(), Counter()), f"seed {seed}"


def compare(old: Stated, new: Stated) -> tuple[Counter, Counter]:
    """Return how many purchases of both were neither met nor asked about, and how many pairs are none, by amount.

    Equal purchases are interchangeable: a pair is right while no more of them meet than both sources have.
    """
    lefts, rights = [source_row(row) for row in new.rows], [source_row(row) for row in old.rows]
    found = meet_rows(lefts, rights, spans=Spans.of(lefts, rights))
    met = Counter(rights[meeting.right].amount for meeting in found.met)
    asked = Counter(rights[meeting.right].amount for meeting in found.doubtful)
    wanted = stated_by_both(old, new)
    return wanted - met - asked, met - wanted


def stated_by_both(old: Stated, new: Stated) -> Counter:
    """Return how many purchases both sources state with one amount, by amount."""
    stated = {purchase.number: purchase.amount for purchase in new.purchases}
    return Counter(one.amount for one in old.purchases if stated.get(one.number) == one.amount)

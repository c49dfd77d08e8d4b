"""What a decision costs grows with its rows, not with their pairs: twice the rows are about twice the calls.

Calls are counted, so that nothing depends on who else is at work. All rows are of one amount and day, which is the
worst that a bank or a file can deliver. The bounds are lowered, for as many rows as take milliseconds.
"""

import sys
from datetime import date

import pytest

from tests.importer.decide.rows import COMPLETE, counterpart, key, leg, line, row
from worker.connectors.base import TransactionKind
from worker.importer.decide import mended_records, rejections
from worker.importer.decide.accounts import replaced
from worker.importer.decide.expenses import match as expenses_match
from worker.importer.decide.ids.match import match_by_identity
from worker.importer.decide.pending import near_pairs
from worker.importer.decide.pending.match_posted import match_pending_rows
from worker.importer.decide.pending.match_rewritten import UnmatchedRow
from worker.importer.decide.rejections import MoneyAndWords
from worker.importer.decide.sources import meet, unlike
from worker.importer.decide.sources.rows import SourceRow, Spans
from worker.importer.decide.transfers import match as transfers_match
from worker.importer.decide.transfers import unequal

ROWS = 40
CANDIDATES = 8
MOST_GROWTH = 2.6
"""Pairs would be four times as many."""


def source_rows(count, **more):
    one = row()
    values = {"on": one.days.effective_on, "amount": one.amount, "currency": one.currency, "words": "Coffee Bar"} | more
    return [SourceRow(**values) for _ in range(count)]


def money(count):
    return [MoneyAndWords(place, row().expense.amount, "Coffee Bar", row().days.effective_on) for place in range(count)]


def match_transfers(count):
    ours = [leg("-20", "Umbuchung", id=place, kind=TransactionKind.TRANSFER) for place in range(count)]
    theirs = [leg("20", id=count + place) for place in range(count)]
    return lambda: transfers_match.match_transfers([*ours, *theirs])


def match_unequal(count):
    ours = [leg("-20.10", "Umbuchung", id=place, kind=TransactionKind.TRANSFER) for place in range(count)]
    theirs = [leg("20", "Umbuchung", id=count + place) for place in range(count)]
    return lambda: unequal.match_unequal([*ours, *theirs])


def mend_rejections(count):
    return lambda: rejections.arrived_rejections(money(count), money(count))


def mend_records(count):
    texts = dict.fromkeys(range(count), "15.06.2026;Coffee Bar;-3.5o")
    record = mended_records.ArrivedRecord(
        "Coffee Bar", date(2026, 6, 15), {"Date": "15.06.2026", "Text": "Coffee Bar", "Sum": "-3.50"}
    )
    return lambda: mended_records.mended_records(texts, [record] * count)


def compare_accounts(count):
    both = [*source_rows(count), *source_rows(count, pending=True)]
    return lambda: replaced.compare_accounts(both, both)


def ask_about_unlike_rows(count):
    lefts, rights = source_rows(count), source_rows(count, amount=row("-3.51").amount, pending=True)
    return lambda: unlike.unlike_pairs(lefts, rights, Spans.of(lefts, rights))


def meet_parted_rows(count):
    lefts, rights = source_rows(count), source_rows(count)
    return lambda: meet.meet_rows(lefts, rights, spans=Spans.of(lefts, rights), apart=frozenset({(0, 0)}))


def match_expenses(count):
    lines, typed = [line() for _ in range(count)], [counterpart("lunch", expense_id=place) for place in range(count)]
    return lambda: expenses_match.match_user_expenses(lines, typed)


def match_by_content(count):
    lines = [line(pending=place % 2 == 0) for place in range(count)]
    known = [key(row(id=place, occurrence=place)) for place in range(1, count + 1)]
    return lambda: match_by_identity(lines, known, {}, COMPLETE)


def match_pending(count):
    gone = [row(id=place, pending=True, external_id=f"p{place}") for place in range(count)]
    rows = [UnmatchedRow(known=one, withdrawn=True, complete=True) for one in gone]
    lines = [line("-4.00") for _ in range(count)]
    return lambda: match_pending_rows(lines, rows)


GROW = (
    match_transfers, match_unequal, mend_rejections, compare_accounts, ask_about_unlike_rows, meet_parted_rows,
    match_expenses, match_by_content, match_pending, mend_records,
)  # fmt: skip


def calls_of(work):
    """Return how many functions were called, of Python and of C."""
    calls = 0

    def count(_frame, event, _arg):
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return calls


@pytest.fixture
def lower_bounds(monkeypatch):
    for module in (mended_records, rejections, replaced, unlike, expenses_match, unequal):
        monkeypatch.setattr(module, "MAX_CANDIDATES", CANDIDATES)
    for module in (meet, near_pairs, transfers_match):
        monkeypatch.setattr(module, "MAX_COMPARED_PAIRS", CANDIDATES**2)


@pytest.mark.usefixtures("lower_bounds")
@pytest.mark.parametrize("decision", GROW)
def test_twice_the_rows_are_about_twice_the_work(decision):
    few, many = decision(ROWS), decision(2 * ROWS)
    many()  # fills caches of texts
    assert calls_of(many) < MOST_GROWTH * calls_of(few)


def test_every_pair_compared_would_be_seen():
    work = [lambda rows=rows: [abs(one - other) for one in rows for other in rows] for rows in (range(40), range(80))]
    assert calls_of(work[1]) > MOST_GROWTH * calls_of(work[0])

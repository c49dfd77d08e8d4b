"""Which line is a posted row that changed id and text or day: one by one, and most rows of a window at once."""

import pytest

from tests.importer.decide.rows import day, line, row
from worker.importer.decide.pending.match_posted import match_pending_rows
from worker.importer.decide.pending.match_rewritten import UnmatchedRow, is_migration
from worker.importer.decide.reasons import Reason
from worker.importer.decide.stored_row import ExpenseState

DELETED = {"expense_id": None, "expense": None, "expense_state": ExpenseState.OWN}


def gone(number, amount, offset=0, **more):
    known = row(amount, f"Shop {number}", id=number, external_id=f"old{number}", booking_on=day(offset), **more)
    return UnmatchedRow(known=known, withdrawn=True, complete=False)


def said(number, amount, offset=0, **more):
    return line(amount, f"KARTENZAHLUNG {number * 1111}", external_id=f"new{number}", booking_on=day(offset), **more)


def matched(lines, candidates, delivered_known=0):
    found = match_pending_rows(lines, candidates, delivered_known=delivered_known)
    return {match.right.known.id: match.left.external_id for match in found}


OLD = [gone(1, "-1"), gone(2, "-2", 1), gone(3, "-3", 2)]
NEW = [said(1, "-1"), said(2, "-2", 1), said(3, "-3", 2)]
ALL = {1: "new1", 2: "new2", 3: "new3"}


def test_rows_that_change_id_and_text_at_once_are_the_same_rows():
    assert matched(NEW, OLD) == ALL
    assert {match.reason for match in match_pending_rows(NEW, OLD)} == {Reason.MIGRATED}


def test_so_are_rows_that_change_their_day_too():
    shifted = [said(1, "-1", 1), said(2, "-2", 2), said(3, "-3", 3)]
    assert matched(shifted, OLD) == ALL


def test_equal_amounts_of_a_week_are_matched_in_the_order_of_their_days():
    week = range(1, 8)
    assert matched([said(n, "-2.80", n + 1) for n in week], [gone(n, "-2.80", n) for n in week]) == {
        n: f"new{n}" for n in week
    }


def test_what_the_user_deleted_stays_deleted():
    assert matched(NEW, [gone(1, "-1", **DELETED), *OLD[1:]]) == ALL


NOT_AT_ONCE = {
    "most rows are still there": (NEW, OLD, 4),
    "two rows are no migration": (NEW[:2], OLD[:2], 0),
    "other amounts": ([said(n, f"-{n}.50") for n in (1, 2, 3)], OLD, 0),
    "other days": ([said(n, f"-{n}", n + 3) for n in (1, 2, 3)], OLD, 0),
    "pending lines": ([said(n, f"-{n}", pending=True) for n in (1, 2, 3)], OLD, 0),
}


@pytest.mark.parametrize(("lines", "candidates", "delivered_known"), NOT_AT_ONCE.values(), ids=NOT_AT_ONCE)
def test_other_words_alone_are_other_purchases(lines, candidates, delivered_known):
    assert matched(lines, candidates, delivered_known) == {}


def test_a_new_purchase_of_a_migrated_amount_stays_new():
    lines = [*NEW, said(4, "-2", 9)]
    assert matched(lines, OLD) == ALL


def test_rows_that_are_not_proven_to_be_gone_are_no_migration():
    shown = [UnmatchedRow(known=candidate.known, withdrawn=False, complete=False) for candidate in OLD]
    assert not is_migration(shown, 0)
    assert matched(NEW, shown) == {}

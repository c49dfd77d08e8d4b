"""When a row is gone at the bank."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from tests.importer.decide.rows import COMPLETE, CUT, DAY, JUNE, NOTHING_PROVEN, day, row, rules
from worker.connectors.base import Window
from worker.importer.decide.absent_rows import (
    Coverage,
    is_newly_absent,
    out_of_reach,
    removal_reason,
    windows_are_complete,
)
from worker.importer.decide.reasons import Reason
from worker.importer.decide.row_days import RowDays
from worker.importer.decide.stored_row import State

PROMISED = rules(windows_complete=True)
NO_GRACE = replace(rules(), pending_grace_days=0)
BEFORE_JUNE = day(-30)
UP_TO_TODAY = Coverage(window=Window(from_on=BEFORE_JUNE, to_on=DAY), up_to_now=True)
POSTED, PENDING = row(), row(pending=True, absent_days=None)
RETURNED = row(state=State.REMOVED, fingerprint=b"")


def waiting(days, **more):
    return row(pending=True, absent_days=days, **more)


CASES = {
    "the bank lists it": (POSTED, NOTHING_PROVEN, rules(), {"removed_by_bank": True}, Reason.REMOVED_BY_BANK),
    "posted, absent from a complete window": (
        POSTED, COMPLETE, PROMISED, {}, Reason.ABSENT_FROM_COMPLETE_WINDOW,
    ),
    "posted, and older than all that a complete window tells": (
        POSTED, replace(COMPLETE, told_from_on=DAY + timedelta(days=1)), PROMISED, {}, None,
    ),
    "posted, and as old as what a complete window tells": (
        POSTED, replace(COMPLETE, told_from_on=DAY), PROMISED, {}, Reason.ABSENT_FROM_COMPLETE_WINDOW,
    ),
    "posted, but completeness is not promised": (POSTED, COMPLETE, rules(), {}, None),
    "posted, on a day that was not asked for": (row(booking_on=BEFORE_JUNE), COMPLETE, PROMISED, {}, None),
    "posted, and bought before the days that were asked for": (
        row(booking_on=JUNE.from_on, transaction_on=BEFORE_JUNE), COMPLETE, PROMISED, {}, None,
    ),
    "posted, and of value before the days that were asked for": (
        row(booking_on=JUNE.from_on, value_on=BEFORE_JUNE), COMPLETE, PROMISED, {}, None,
    ),
    "posted, bought before the days that were asked for, its expense on the day of the booking": (
        row(booking_on=JUNE.from_on, transaction_on=BEFORE_JUNE, effective_on=JUNE.from_on),
        COMPLETE, PROMISED, {}, None,
    ),
    "posted, the answer was cut": (POSTED, CUT, PROMISED, {}, None),
    "booked ahead, absent for the grace": (
        row(booking_on=day(20), absent_days=7), UP_TO_TODAY, rules(), {}, Reason.CALLED_OFF,
    ),
    "booked ahead, and vanished before its day came": (
        row(booking_on=day(-2), absent_days=7), UP_TO_TODAY, rules(), {}, Reason.CALLED_OFF,
    ),
    "booked ahead, absent for less than the grace": (
        row(booking_on=day(20), absent_days=6), UP_TO_TODAY, rules(), {}, None,
    ),
    "posted, and vanished after its day": (row(booking_on=day(-9), absent_days=7), UP_TO_TODAY, rules(), {}, None),
    "booked ahead, but the answer ends before today": (
        row(booking_on=day(20), absent_days=7), COMPLETE, PROMISED, {}, None,
    ),
    "pending, absent for the first time": (PENDING, COMPLETE, PROMISED, {}, None),
    "pending, absent for the first time, without days of grace": (
        PENDING, COMPLETE, NO_GRACE, {}, Reason.PENDING_VANISHED,
    ),
    "pending, not mentioned by a list of changes, without days of grace": (
        PENDING, NOTHING_PROVEN, NO_GRACE, {"only_changes": True}, None,
    ),
    "pending, without days of grace, of a day that was not asked for": (
        row(pending=True, absent_days=None, booking_on=BEFORE_JUNE), COMPLETE, NO_GRACE, {}, None,
    ),
    "pending, without days of grace, the answer was cut": (PENDING, CUT, NO_GRACE, {}, None),
    "pending, absent for less than the grace": (waiting(6), COMPLETE, PROMISED, {}, None),
    "pending, absent for the grace": (waiting(7), COMPLETE, PROMISED, {}, Reason.PENDING_VANISHED),
    "pending, of a day the bank is no longer asked about": (
        waiting(7, booking_on=BEFORE_JUNE), COMPLETE, PROMISED, {}, Reason.PENDING_VANISHED,
    ),
    "pending, after a list of changes": (
        waiting(7), NOTHING_PROVEN, rules(), {"only_changes": True}, Reason.PENDING_VANISHED,
    ),
    "pending, but nothing is proven": (waiting(7), NOTHING_PROVEN, rules(), {}, None),
    "removed, and back by a revert": (RETURNED, COMPLETE, rules(), {}, Reason.REMOVED_BY_BANK),
    "removed and back, after a list of changes": (
        RETURNED, NOTHING_PROVEN, rules(), {"only_changes": True}, Reason.REMOVED_BY_BANK,
    ),
    "removed and back, the answer was cut": (RETURNED, CUT, PROMISED, {}, None),
}  # fmt: skip


@pytest.mark.parametrize(("known", "coverage", "rules", "said", "reason"), CASES.values(), ids=CASES)
def test_why_a_row_is_gone(known, coverage, rules, said, reason):
    given = {"removed_by_bank": False, "only_changes": False} | said
    assert removal_reason(known, coverage, rules, **given) == reason


@pytest.mark.parametrize(
    ("known", "coverage", "marked"),
    [(PENDING, COMPLETE, True), (waiting(0), COMPLETE, False), (PENDING, CUT, False)],
    ids=["covered", "marked before", "nothing proven"],
)
def test_absence_counts_from_the_first_delivery_that_proves_it(known, coverage, marked):
    assert is_newly_absent(known, coverage) == marked


def test_an_answer_up_to_now_says_what_is_booked_ahead():
    up_to_now = Coverage(window=JUNE, up_to_now=True)
    assert up_to_now.covers(day(60))
    assert up_to_now.is_ahead(day(60))
    assert not up_to_now.is_ahead(JUNE.to_on)
    assert not up_to_now.covers(BEFORE_JUNE)
    assert not COMPLETE.covers(day(60))


def test_what_a_window_proves_of_a_day():
    assert COMPLETE.covers(JUNE.to_on)
    assert COMPLETE.is_past(RowDays(BEFORE_JUNE, BEFORE_JUNE))
    assert not COMPLETE.is_past(RowDays(JUNE.from_on, JUNE.from_on))
    assert CUT.was_cut_off(RowDays(JUNE.from_on, JUNE.from_on))
    assert not CUT.covers(JUNE.from_on)


@pytest.mark.parametrize(("rows", "promised", "complete"), [(1, True, True), (0, True, False), (1, False, False)])
def test_an_empty_delivery_proves_nothing_whatever_is_promised(rows, promised, complete):
    assert windows_are_complete(rows, promised=promised) is complete


TOLD_FROM_10_JUNE = Coverage(
    window=JUNE,
    told_from_on=JUNE.from_on + timedelta(days=9),
    reaches_from_on=JUNE.from_on + timedelta(days=4),
    surely_from_on=JUNE.from_on + timedelta(days=7),
)
NOTHING_TOLD = replace(TOLD_FROM_10_JUNE, told_from_on=date.max)


@pytest.mark.parametrize(
    ("why", "days_of_june", "more", "coverage", "beyond"),
    [
        ("one row, older than the bank is known to tell", (4,), {}, TOLD_FROM_10_JUNE, 1),
        ("younger ones may be gone at the bank", (5, 7), {}, TOLD_FROM_10_JUNE, 0),
        ("three at once are a bank that tells a month less", (1, 5, 6, 7), {}, TOLD_FROM_10_JUNE, 4),
        ("unless it told them for less than a month", (5, 6, 7, 8), {}, TOLD_FROM_10_JUNE, 0),
        ("nor do those count that it tells no more for long", (1, 2, 3, 4, 5), {}, TOLD_FROM_10_JUNE, 4),
        ("or it tells nothing", (5, 6, 7), {}, NOTHING_TOLD, 0),
        ("so may be those of days that are told", (10, 12), {}, TOLD_FROM_10_JUNE, 0),
        ("and those that were absent before", (1, 2, 3), {"absent_days": 6}, TOLD_FROM_10_JUNE, 0),
        ("days that are told now are within reach", (1, 4), {}, replace(TOLD_FROM_10_JUNE, told_from_on=day(-30)), 0),
        ("nor any of the days before", (4,), {}, NOTHING_TOLD, 1),
        ("pending rows are decided by the days of grace", (1, 2, 9), {"pending": True}, TOLD_FROM_10_JUNE, 0),
        ("nothing is known of what was not asked for", (4,), {}, replace(TOLD_FROM_10_JUNE, window=None), 0),
    ],
)
def test_rows_older_than_all_that_is_told_are_out_of_reach_where_the_bank_is_not_known_to_tell_their_days(
    why, days_of_june, more, coverage, beyond
):
    rows = [row(id=n, booking_on=JUNE.from_on + timedelta(days=on - 1), **more) for n, on in enumerate(days_of_june)]
    assert len(out_of_reach(rows, coverage)) == beyond, why


def test_the_first_days_are_those_of_all_that_a_run_asks_for():
    known, latest = row(booking_on=JUNE.from_on), Coverage(window=JUNE)
    assert not is_newly_absent(known, latest)
    assert is_newly_absent(known, replace(latest, asked_from_on=BEFORE_JUNE - timedelta(days=30)))

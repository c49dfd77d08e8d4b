"""Pending rows whose expense the person deleted, and that a bank tells beside what may be their booking."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.importer.bank import CURSOR, WINDOWED
from worker.connectors.base import IdClass, RemovedTransaction
from worker.importer.actions.suggestions import accept, decline
from worker.runs.states import RunKind, RunStatus

FEEDS = {
    "complete windows": WINDOWED,
    "without ids": replace(WINDOWED, id_class=IdClass.NONE, windows_complete=False),
    "changes": CURSOR,
}
ANSWERS = {"one purchase": accept, "two purchases": decline}
WAYS = {
    ("one purchase",): ([], RunStatus.SUCCEEDED),
    ("two purchases",): (["-20.00"], RunStatus.SUCCEEDED),
    ("taken back",): ([], RunStatus.PARTIAL),
    ("taken back", "one purchase"): ([], RunStatus.SUCCEEDED),
    ("taken back", "two purchases"): (["-20.00"], RunStatus.SUCCEEDED),
    ("one purchase", "taken back"): ([], RunStatus.SUCCEEDED),
    ("posted",): (["-20.00"], RunStatus.SUCCEEDED),
    (): ([], RunStatus.PARTIAL),
}


def take_back(harness, row):
    if harness.bank.capabilities is CURSOR:
        harness.bank.removed = [RemovedTransaction(account_id="A", external_id="p")]
    harness.bank.rows[harness.bank.rows.index(row)] = replace(row, account_id="elsewhere", external_id="other")


@pytest.mark.parametrize("way", WAYS, ids=" and ".join)
@pytest.mark.parametrize("feed", FEEDS)
def test_what_is_deleted_while_pending_comes_back_with_no_booking(harness, feed, way):
    harness.bank.capabilities = FEEDS[feed]
    pending = harness.bank.buy("-20", "Trattoria Luigi", external_id="p", pending=True)
    harness.refresh()
    harness.sql("DELETE FROM expenses")
    harness.day_later()
    harness.bank.buy("-20", "TRATTORIA LUIGI 4711", external_id="q")
    outcome = harness.refresh()
    assert (outcome.code, harness.amounts()) == ("still_pending", [])
    for step in way:
        if step == "taken back":
            take_back(harness, pending)
            harness.refresh()
        elif step == "posted":
            harness.bank.change(pending, pending=False) if feed != "changes" else harness.bank.rows.append(
                replace(pending, pending=False)
            )
        else:
            harness.answer(ANSWERS[step])
    amounts, status = WAYS[way]
    for days in (0, 1, 9):
        harness.day_later(days)
        outcome = harness.refresh()
        assert harness.amounts() == amounts
        if days < 9 or feed != "changes" or "taken back" in way:
            assert outcome.status == status, outcome


@pytest.mark.parametrize("way", [(), ("one purchase",), ("two purchases",)], ids=" and ".join)
@pytest.mark.parametrize("feed", FEEDS)
def test_a_purchase_that_comes_after_a_deleted_pending_row_went_is_asked_about_and_hides_no_third(harness, feed, way):
    """It may be the booking, which the person does not want, or another purchase, which was never shown."""
    harness.bank.capabilities = FEEDS[feed]
    pending = harness.bank.buy("-20", "Trattoria Luigi", external_id="p", pending=True)
    harness.refresh()
    harness.sql("DELETE FROM expenses")
    bought_on = harness.bank.today + timedelta(days=4)
    take_back(harness, pending)
    harness.refresh()
    harness.day_later(8)
    assert harness.refresh().status == RunStatus.SUCCEEDED
    harness.bank.removed = []
    harness.bank.buy("-20", "TRATTORIA LUIGI 4711", external_id="q", booking_on=bought_on)
    outcome = harness.refresh()
    assert (outcome.status, outcome.code, harness.amounts()) == (RunStatus.PARTIAL, "still_pending", [])
    for step in way:
        harness.answer(ANSWERS[step])
        assert harness.refresh().status == RunStatus.SUCCEEDED
    harness.bank.buy("-20", "TRATTORIA LUIGI 4711", external_id="r", booking_on=bought_on + timedelta(days=1))
    for _ in range(2):
        outcome = harness.refresh()
        assert harness.amounts() == ["-20.00"] * (2 if way == ("two purchases",) else 1)
        assert outcome.status == (RunStatus.SUCCEEDED if way else RunStatus.PARTIAL)


def test_what_is_deleted_while_pending_stays_so_when_it_is_pending_again_under_another_id(harness):
    pending = harness.bank.buy("-20", "Trattoria Luigi", external_id="p", pending=True)
    harness.bank.buy("-3", "Bread", external_id="bread")
    harness.refresh()
    harness.sql("DELETE FROM expenses WHERE amount = 20")
    take_back(harness, pending)
    harness.refresh()
    harness.day_later(8)
    assert harness.refresh().counts.removed == 1
    again = replace(pending, external_id="q", description="TRATTORIA LUIGI 4711")
    harness.bank.rows.append(again)
    for posted in (False, True):
        again = harness.bank.change(again, pending=not posted)
        assert (harness.refresh().status, harness.amounts()) == (RunStatus.SUCCEEDED, ["-3.00"])


def test_the_booking_of_a_deleted_pending_row_is_reverted_with_its_run(harness):
    harness.bank.buy("-20", "Trattoria Luigi", external_id="p", pending=True)
    harness.refresh()
    harness.sql("DELETE FROM expenses")
    harness.bank.buy("-20", "TRATTORIA LUIGI 4711", external_id="q")
    harness.refresh()
    assert harness.run(RunKind.REVERT, target_run_id=harness.run_id).status == RunStatus.SUCCEEDED
    assert harness.amounts() == []
    harness.refresh()
    assert harness.amounts() == []

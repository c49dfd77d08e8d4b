"""Pending rows whose expense the person deleted, and that a bank tells beside what may be their booking."""

from dataclasses import replace

import pytest

from tests.importer.bank import CURSOR, WINDOWED
from worker.connectors.base import IdClass, RemovedTransaction
from worker.importer.actions.suggestions import accept, decline, list_suggestions
from worker.runs.states import RunKind, RunStatus

FEEDS = {
    "complete windows": WINDOWED,
    "without ids": replace(WINDOWED, id_class=IdClass.NONE, windows_complete=False),
    "changes": CURSOR,
}
WAYS = {
    "one purchase": ([], RunStatus.SUCCEEDED),
    "two purchases": (["-20.00"], RunStatus.SUCCEEDED),
    "the bank takes the pending row back": ([], RunStatus.SUCCEEDED),
    "the pending row is posted": (["-20.00"], RunStatus.SUCCEEDED),
    "both are told for ever": ([], RunStatus.PARTIAL),
}


@pytest.mark.parametrize("way", WAYS)
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
    with harness.sessions() as session:
        (question,) = list_suggestions(session, harness.user_id)
        if way in ("one purchase", "two purchases"):
            (accept if way == "one purchase" else decline)(session, question.id, user_id=harness.user_id)
    if way == "the bank takes the pending row back":
        if feed == "changes":
            harness.bank.removed = [RemovedTransaction(account_id="A", external_id="p")]
        harness.bank.rows.remove(pending)
    elif way == "the pending row is posted":
        harness.bank.change(pending, pending=False) if feed != "changes" else harness.bank.rows.append(
            replace(pending, pending=False)
        )
    amounts, status = WAYS[way]
    for days in (0, 1, 9):
        harness.day_later(days)
        outcome = harness.refresh()
        assert harness.amounts() == amounts
        if days < 9 or feed != "changes":
            assert outcome.status == status, outcome
    assert outcome.status == RunStatus.SUCCEEDED or feed != "changes"


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

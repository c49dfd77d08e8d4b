"""Pending rows that a bank goes on telling, or forgets, although they were booked: how they and their edits end."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.importer.bank import CURSOR, TODAY, WINDOWED
from worker.bank_accounts.answers import undo_answer
from worker.connectors.base import Account, IdClass, TransactionKind
from worker.importer.actions.suggestions import accept, decline, list_suggestions
from worker.runs.states import RunStatus

WITHOUT_IDS = replace(WINDOWED, id_class=IdClass.NONE, windows_complete=False)
CHANGES = {
    "changed": ("UPDATE expenses SET amount = 7.77", ["-7.77"]),
    "deleted": ("DELETE FROM expenses", []),
    "typed": ("SELECT 1", ["-20.00"]),
}


@pytest.mark.parametrize(("statement", "amounts"), CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("capabilities", [WITHOUT_IDS, CURSOR], ids=["windows", "changes"])
def test_what_was_done_to_a_pending_row_holds_for_the_posted_one_told_beside_it(
    harness, capabilities, statement, amounts
):
    harness.bank.capabilities = capabilities
    if statement == "SELECT 1":
        harness.type_in("20", "Trattoria Luigi")
    pending = harness.bank.buy("-20", "Trattoria Luigi", external_id="p", pending=True)
    harness.refresh()
    harness.sql(statement)
    harness.day_later()
    # The pending row states when it was seen, the posted one when the purchase was, which may be before.
    harness.bank.buy("-20", "TRATTORIA LUIGI 4711", external_id="q", transaction_on=TODAY - timedelta(days=1))
    harness.refresh()
    if capabilities is not CURSOR:
        harness.bank.rows.remove(pending)
        harness.refresh()
    harness.day_later(8)
    for _ in range(2):
        # What was deleted may be another purchase than the one that is hidden: it is asked about until it is answered.
        assert harness.refresh().status == (RunStatus.PARTIAL if not amounts else RunStatus.SUCCEEDED)
        assert harness.amounts() == amounts


def test_a_pending_row_that_was_edited_is_not_taken_for_a_posted_one_of_other_words(harness):
    harness.bank.capabilities = WITHOUT_IDS
    pending = harness.bank.buy("-20", "Hotel Adlon", pending=True)
    harness.refresh()
    harness.sql("UPDATE expenses SET amount = 7.77")
    harness.bank.buy("-20", "Garden Centre")
    harness.refresh()
    harness.bank.rows.remove(pending)
    harness.refresh()
    harness.day_later(8)
    harness.refresh()
    assert harness.amounts() == ["-20.00"]


@pytest.mark.parametrize(("answer", "amounts"), [(accept, ["-23.00"]), (decline, ["-23.00", "-20.00"])])
def test_a_pending_row_that_its_feed_forgets_keeps_runs_from_success_until_it_is_settled(
    harness, sessions, answer, amounts
):
    harness.bank.capabilities = CURSOR
    harness.bank.buy("-20", "Trattoria Luigi", external_id="p", pending=True)
    harness.refresh()
    harness.bank.buy("-23", "Trattoria Luigi", external_id="q")
    assert harness.refresh().status == RunStatus.SUCCEEDED
    harness.day_later(8)
    for _ in range(2):
        outcome = harness.refresh()
        assert (outcome.status, outcome.code) == (RunStatus.PARTIAL, "still_pending")
    with sessions() as session:
        (question,) = list_suggestions(session, harness.user_id)
        answer(session, question.id, user_id=harness.user_id)
    for _ in range(2):
        assert harness.refresh().status == RunStatus.SUCCEEDED
    assert harness.amounts() == amounts


def test_a_pending_row_is_not_taken_for_an_equal_one_that_was_posted_when_it_came(harness):
    """Whatever other rows were pending before the posted one, or were posted after the pending one."""
    harness.bank.capabilities = CURSOR
    harness.bank.buy("-9", "Kiosk", external_id="k", pending=True)
    harness.refresh()
    harness.bank.buy("-3.20", "Bar Centrale", external_id="p", pending=True)
    harness.bank.buy("-3.20", "Bar Centrale", external_id="q")
    harness.refresh()
    harness.bank.buy("-5", "Tram", external_id="t")
    harness.refresh()
    harness.day_later(8)
    assert harness.refresh().status == RunStatus.SUCCEEDED
    assert sorted(harness.amounts()) == ["-3.20", "-3.20", "-5.00", "-9.00"]


def test_a_question_about_a_pending_row_goes_when_the_row_is_posted(harness):
    harness.bank.capabilities = CURSOR
    harness.bank.buy("-20", "Hotel", external_id="p", pending=True)
    harness.refresh()
    harness.day_later(32)
    assert harness.refresh().code == "still_pending"
    harness.bank.buy("-20", "Hotel", external_id="q", pending_external_id="p")
    assert harness.refresh().status == RunStatus.SUCCEEDED
    assert harness.sql("SELECT 1 FROM bank_match_suggestions WHERE status = 'open'") == []


def test_a_question_about_a_pending_row_is_none_at_the_end_of_a_run_whose_next_account_has_the_other_leg(harness):
    giro = Account(external_id="A", name="Giro", currency="EUR", anchor="iban:DE1")
    savings = Account(external_id="B", name="Savings", currency="EUR", anchor="iban:DE2")
    transfer = {"kind": TransactionKind.TRANSFER}
    harness.bank.accounts = [giro]
    harness.bank.buy("-300", "To savings", external_id="g", pending=True, counterparty_account="DE2", **transfer)
    harness.refresh()
    harness.day_later(32)
    assert harness.refresh().code == "still_pending"
    harness.bank.accounts = [giro, savings]
    leg = {"account_id": "B", "booking_on": TODAY, "counterparty_account": "DE1"} | transfer
    harness.bank.buy("300", "From giro", external_id="s", **leg)
    for dry_run in (True, False):
        assert harness.refresh(dry_run=dry_run).status == RunStatus.SUCCEEDED
    assert harness.sql("SELECT 1 FROM bank_match_suggestions WHERE status = 'open'") == []
    assert harness.sql("SELECT 1 FROM bank_connections WHERE problem_code IS NOT NULL") == []
    assert harness.sql(
        "SELECT DISTINCT status FROM bank_import_run_accounts WHERE run_id = :id", id=harness.run_id
    ) == [("succeeded",)]


def test_a_question_about_a_pending_row_that_is_open_again_ends_the_success_also_of_an_equal_answer(harness):
    harness.bank.buy("-20", "Hotel", external_id="p", pending=True)
    harness.refresh()
    harness.day_later(32)
    assert harness.refresh().code == "still_pending"
    (question,) = harness.questions()
    harness.answer(decline)
    for _ in range(2):
        assert harness.refresh().code == "nothing_new"
    with harness.sessions() as session:
        undo_answer(session, question.id, user_id=harness.user_id)
    assert harness.refresh().code == "still_pending"


@pytest.mark.parametrize("typed", [False, True], ids=["edited", "typed"])
@pytest.mark.parametrize("taken_back", [True, False], ids=["taken back", "posted"])
def test_a_pending_row_that_its_user_took_for_gone_is_as_they_left_it_when_it_is_back(harness, typed, taken_back):
    harness.bank.capabilities = CURSOR
    if typed:
        harness.type_in("20", "Hotel for Bo")
    harness.bank.buy("-20", "Hotel", external_id="p", pending=True)
    harness.refresh()
    harness.sql("UPDATE expenses SET notes = 'Hotel for Bo'")
    left = harness.expenses()
    harness.day_later(32)
    assert harness.refresh().code == "still_pending"
    (question,) = harness.questions()
    harness.answer(accept)
    assert harness.expenses() == (left if typed else [])
    if taken_back:
        with harness.sessions() as session:
            undo_answer(session, question.id, user_id=harness.user_id)
        assert harness.expenses() == left
    harness.bank.rows.append(replace(harness.bank.rows[0], pending=False))
    harness.refresh()
    assert harness.expenses() == left

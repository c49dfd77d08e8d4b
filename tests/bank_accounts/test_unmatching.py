"""One decision about two rows is taken back, stays taken back, and is in the history."""

from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text

from tests.importer.bank import TODAY, Harness, ScriptedConnector
from worker.bank_accounts.answers import undo_answer
from worker.bank_accounts.moving import move_account
from worker.bank_accounts.row_story import story_of
from worker.bank_accounts.unmatching import RowMatch, detach, unmatch
from worker.connectors.base import Account, TransactionKind
from worker.errors import ConflictError, NotFoundError
from worker.importer.actions.suggestions import accept, decline, list_suggestions
from worker.runs.states import RunKind

IBAN = "DE02120300000000202051"


def row_id(harness, words, n=0):
    return harness.sql("SELECT id FROM bank_transactions WHERE description = :w ORDER BY id", w=words)[n][0]


def take_back(harness, transaction_id, match=None):
    with harness.sessions() as session:
        return unmatch(session, transaction_id, user_id=harness.user_id, match=match)


@pytest.fixture
def two(sessions, user_id):
    """Two connections to one account."""
    both = Harness(sessions, user_id), Harness(sessions, user_id)
    for harness in both:
        harness.bank.accounts = [Account(external_id="A", name="Account", anchor=f"iban:{IBAN}", currency="EUR")]
    return both


def test_a_row_linked_with_a_typed_expense_gets_its_own_and_is_not_linked_again(harness):
    harness.type_in("4.20", "Cafe Central")
    harness.bank.buy("-4.20", "Cafe Central", external_id="1")
    harness.refresh()
    assert harness.amounts() == ["-4.20"]
    undone = take_back(harness, row_id(harness, "Cafe Central"))
    assert undone.match == "expense"
    for _ in range(2):
        harness.bank.buy("-1", "Tram", external_id=f"t{len(harness.bank.rows)}")
        harness.refresh()
    assert harness.amounts().count("-4.20") == 2
    with harness.sessions() as session:
        undo_answer(session, undone.suggestion_id, user_id=harness.user_id)
    assert harness.amounts().count("-4.20") == 1


def test_unmatched_twins_stay_two_when_the_run_of_one_is_reverted_and_read_again(two):
    for harness in two:
        harness.bank.buy("-4.20", "Cafe Central", external_id="1")
        harness.refresh()
    run_id = two[1].run_id
    take_back(two[1], row_id(two[1], "Cafe Central", 1))
    two[1].run(RunKind.REVERT, target_run_id=run_id, reimport=True)
    assert two[0].amounts() == ["-4.20"]
    for harness in (two[1], two[0]):
        harness.refresh()
    assert two[0].amounts() == ["-4.20", "-4.20"]


def test_twins_that_were_two_purchases_stay_two_and_are_one_again_when_that_is_undone(two):
    for harness in two:
        harness.bank.buy("-4.20", "Cafe Central", external_id="1")
        harness.refresh()
    assert two[0].amounts() == ["-4.20"]
    with two[0].sessions() as session:
        (account_id,) = session.scalars(text("SELECT id FROM bank_accounts"))
        move_account(session, account_id, two[1].connection_id, user_id=two[0].user_id)
    before = two[0].sql("SELECT id, amount, notes FROM expenses")
    undone = take_back(two[0], row_id(two[0], "Cafe Central", 0))
    for harness in two:
        harness.bank.buy("-1", "Tram", external_id="2")
        harness.refresh()
    assert two[0].amounts() == ["-4.20", "-4.20", "-1.00"]
    with two[0].sessions() as session:
        undo_answer(session, undone.suggestion_id, user_id=two[0].user_id)
    assert two[0].amounts() == ["-4.20", "-1.00"]
    assert two[0].sql("SELECT id, amount, notes FROM expenses WHERE amount > 2") == before


@pytest.mark.parametrize(("deleted_before", "left"), [(True, []), (False, ["-4.20"])], ids=["before", "after"])
def test_what_the_user_deleted_before_twins_were_parted_is_gone_once_they_are_one_again(two, deleted_before, left):
    for harness in two:
        harness.bank.buy("-4.20", "Cafe Central", external_id="1")
        harness.refresh()
    (first,) = two[0].sql("SELECT id FROM expenses")
    if deleted_before:
        two[0].sql("DELETE FROM expenses WHERE id = :id", id=first.id)
    undone = take_back(two[1], row_id(two[1], "Cafe Central", 1))
    if not deleted_before:
        two[0].sql("DELETE FROM expenses WHERE id = :id", id=first.id)
    assert two[0].amounts() == ["-4.20"]
    with nullcontext() if deleted_before else pytest.raises(ConflictError), two[0].sessions() as session:
        undo_answer(session, undone.suggestion_id, user_id=two[0].user_id)
    assert two[0].amounts() == left
    for harness in two:
        harness.bank.buy("-1", "Tram", external_id="2")
        harness.refresh()
    assert two[0].amounts() == [*left, "-1.00"]


def test_legs_that_were_no_transfer_are_two_expenses_also_after_the_next_run(sessions, user_id):
    both = Harness(sessions, user_id), Harness(sessions, user_id)
    for harness, own, other, sign in zip(both, ("DE1", "DE2"), ("DE2", "DE1"), "-+", strict=True):
        harness.bank.accounts = [Account(external_id="A", name="Account", anchor=own, currency="EUR")]
        harness.bank.buy(f"{sign}50", "Transfer", external_id="1", counterparty_account=other,
                         kind=TransactionKind.TRANSFER)  # fmt: skip
        harness.refresh()
    assert both[0].amounts() == []
    undone = take_back(both[0], row_id(both[0], "Transfer"))
    assert undone.match == "transfer"
    for harness in both:
        harness.bank.buy("-1", "Tram", external_id="2")
        harness.refresh()
    assert sorted(both[0].amounts()) == ["-1.00", "-1.00", "-50.00", "50.00"]
    with sessions() as session:
        undo_answer(session, undone.suggestion_id, user_id=user_id)
    assert both[0].amounts() == ["-1.00", "-1.00"]


def test_a_posted_row_that_took_a_pending_ones_place_is_parted_from_it_and_edits_stay(harness):
    pending = harness.bank.buy("-20", "Trattoria Luigi", external_id="p", pending=True)
    harness.refresh()
    harness.sql("UPDATE expenses SET notes = 'Dinner with Bo'")
    harness.bank.rows = [replace(pending, external_id="q", pending=False, amount=Decimal(-23))]
    harness.refresh()
    assert harness.expenses()[0][1::2] == ("-23.00", "Dinner with Bo")
    undone = take_back(harness, row_id(harness, "Trattoria Luigi"))
    assert undone.match == "takeover"
    parted = [("-20.00", "Dinner with Bo"), ("-23.00", "Trattoria Luigi")]
    assert sorted(row[1::2] for row in harness.expenses()) == parted
    for left in ([("-23.00", "Dinner with Bo")], parted):  # that is taken back, and taking it back as well
        with harness.sessions() as session:
            undo_answer(session, undone.suggestion_id, user_id=harness.user_id)
        assert sorted(row[1::2] for row in harness.expenses()) == left
    harness.bank.buy("-1", "Tram", external_id="t")
    harness.refresh()
    assert sorted(harness.amounts()) == ["-1.00", "-20.00", "-23.00"]
    harness.day_later(10)
    harness.bank.buy("-2", "Bus", external_id="b")
    harness.refresh()
    assert sorted(harness.amounts()) == ["-1.00", "-2.00", "-23.00"]


def test_a_source_that_was_joined_wrongly_is_an_account_of_its_own_and_its_rows_are_expenses(two):
    for harness in two:
        for n in range(3):
            harness.bank.buy(f"-{n + 1}", f"Shop {n}", external_id=str(n))
        harness.refresh()
    assert len(two[0].amounts()) == 3
    source_id = two[1].sql("SELECT max(id) FROM bank_connection_accounts")[0][0]
    with two[0].sessions() as session:
        detach(session, source_id, user_id=two[0].user_id)
    for harness in two:
        harness.bank.buy("-9", "Hotel", external_id="9")
        harness.refresh()
    assert len(two[0].amounts()) == 8


def test_a_source_that_is_detached_while_its_import_reads_the_bank_is_an_account_of_its_own(two):
    """The import began while both were one account."""
    for harness in two:
        for n in range(3):
            harness.bank.buy(f"-{n + 1}", f"Shop {n}", external_id=f"{n}")
        harness.refresh()

    class DetachedMeanwhile(ScriptedConnector):
        def _pages(self, rows, window):
            yield from super()._pages(rows, window)
            with two[1].sessions() as session:
                detach(
                    session, two[1].sql("SELECT max(id) FROM bank_connection_accounts")[0][0], user_id=two[1].user_id
                )

    two[1].bank.buy("-9", "Hotel", external_id="9")
    two[1].connector = lambda: DetachedMeanwhile(two[1].bank)
    two[1].refresh()
    assert sorted(two[0].amounts()) == ["-1.00", "-1.00", "-2.00", "-2.00", "-3.00", "-3.00", "-9.00"]


def asked_and_answered(harness, answer):
    """Import a row beside an expense that may be it, and answer the question; returns it."""
    harness.type_in("4.20", "Parking")
    harness.bank.buy("-4.20", "Cafe Central", external_id="1")
    harness.refresh()
    with harness.sessions() as session:
        (question,) = list_suggestions(session, harness.user_id)
        answer(session, question.id, user_id=harness.user_id)
    return question


@pytest.mark.parametrize("answer", [accept, decline])
def test_an_answer_to_a_question_can_be_undone(harness, answer):
    question = asked_and_answered(harness, answer)
    with harness.sessions() as session:
        undo_answer(session, question.id, user_id=harness.user_id)
    with harness.sessions() as session:
        reopened = list_suggestions(session, harness.user_id)
    assert [(again.id, again.reason) for again in reopened] == [(question.id, question.reason)]
    assert harness.amounts() == ["-4.20", "-4.20"]


def test_a_match_that_was_asked_about_and_taken_back_is_one_again_when_that_is_undone(harness):
    asked_and_answered(harness, accept)
    undone = take_back(harness, row_id(harness, "Cafe Central"))
    assert harness.amounts() == ["-4.20", "-4.20"]
    with harness.sessions() as session:
        undo_answer(session, undone.suggestion_id, user_id=harness.user_id)
    assert harness.amounts() == ["-4.20"]
    with harness.sessions() as session:
        assert not list_suggestions(session, harness.user_id)


def test_the_story_of_a_row_tells_its_sources_and_what_was_taken_back(two):
    for harness in two:
        harness.bank.buy("-4.20", "Cafe Central", external_id="1", booking_on=TODAY - timedelta(days=1))
        harness.refresh()
    twin_id = row_id(two[1], "Cafe Central", 1)
    with two[0].sessions() as session:
        story = story_of(session, twin_id, user_id=two[0].user_id)
    assert len(story["confirmed_by"]) == 2
    assert story["matches"] == ["twin"]
    take_back(two[0], twin_id)
    with two[0].sessions() as session:
        story = story_of(session, twin_id, user_id=two[0].user_id)
    assert [event["reason"] for event in story["history"]] == ["same_account_twin", "unmatched"]
    assert [pair["kind"] for pair in story["kept_apart"]] == ["twin"]


def test_what_was_not_matched_or_is_somebody_elses_cannot_be_taken_back(harness):
    harness.bank.buy("-4.20", "Cafe Central", external_id="1")
    harness.refresh()
    transaction_id = row_id(harness, "Cafe Central")
    with pytest.raises(ConflictError):
        take_back(harness, transaction_id)
    with pytest.raises(ConflictError):
        take_back(harness, transaction_id, RowMatch.TWIN)
    with pytest.raises(NotFoundError), harness.sessions() as session:
        unmatch(session, transaction_id, user_id=harness.user_id + 1)


def test_a_purchase_at_a_seam_that_nothing_decides_is_asked_about_and_the_answer_can_be_undone(two):
    """The old source ends where the new one begins, and both state one amount under other names."""
    for harness, day, words in ((two[0], 30, "Cafe Central"), (two[1], 28, "SQ 8821")):
        harness.bank.buy("-4.20", words, external_id="1", booking_on=TODAY - timedelta(days=day))
        far = day + 20 if harness is two[0] else 0
        harness.bank.buy("-9.99", "Far away", external_id="2", booking_on=TODAY - timedelta(days=far))
        harness.refresh()
    assert two[0].amounts().count("-4.20") == 2
    with two[0].sessions() as session:
        (question,) = list_suggestions(session, two[0].user_id)
        assert (question.kind, question.reason) == ("twin", "maybe_twin")
        months = accept(session, question.id, user_id=two[0].user_id)
    assert months == {"2026-05"}
    assert two[0].amounts().count("-4.20") == 1
    told = two[0].sql("SELECT count(*) FROM bank_transaction_changes WHERE before_image IS NOT NULL")
    assert told == [(0,)], "the answer is no part of the run that asked"
    two[1].refresh()
    assert two[0].amounts().count("-4.20") == 1
    with two[0].sessions() as session:
        undo_answer(session, question.id, user_id=two[0].user_id)
    assert two[0].amounts().count("-4.20") == 2
    with two[0].sessions() as session:
        decline(session, question.id, user_id=two[0].user_id)
    two[1].refresh()
    assert two[0].amounts().count("-4.20") == 2

"""Taking a run back, and answering the importer's questions."""

from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal

import pytest
from psycopg2 import errors
from sqlalchemy.exc import OperationalError

from tests.importer.bank import CURSOR, WINDOWED, Harness
from tests.importer.test_kind_stories import TWO
from worker.connectors.base import Account, RemovedTransaction, TransactionKind
from worker.errors import ConflictError
from worker.importer.actions.suggestions import accept, decline, list_suggestions
from worker.importer.engine import run
from worker.runs.states import RunKind, RunStatus


def revert(harness, run_id, **more):
    return harness.run(RunKind.REVERT, target_run_id=run_id, **more)


def test_a_reverted_import_leaves_no_expense_and_the_next_refresh_brings_none_back(harness):
    harness.bank.buy("-1", external_id="1")
    row = harness.bank.buy("-2", external_id="2")
    harness.refresh()
    outcome = revert(harness, harness.run_id)
    assert (outcome.status, outcome.counts.removed) == (RunStatus.SUCCEEDED, 2)
    assert harness.amounts() == []
    harness.bank.change(row, description="Amended")
    harness.refresh()
    assert harness.amounts() == []


def test_with_reimport_the_next_refresh_brings_them_back(harness):
    harness.bank.buy("-1", external_id="1")
    harness.refresh()
    revert(harness, harness.run_id, reimport=True)
    assert harness.amounts() == []
    harness.refresh()
    assert harness.amounts() == ["-1.00"]


@pytest.mark.parametrize("reimport", [True, False])
def test_what_a_run_changed_is_as_before_and_follows_the_bank_again_with_reimport_alone(harness, reimport):
    pending = harness.bank.buy("-93.13", "Trattoria Luigi", external_id="1", pending=True)
    harness.refresh()
    harness.sql("UPDATE expenses SET notes = 'Dinner with Bo'")
    harness.bank.change(pending, amount=Decimal("-92.78"), pending=False)
    harness.refresh()
    revert(harness, harness.run_id, reimport=reimport)
    assert [row[1::2] for row in harness.expenses()] == [("-93.13", "Dinner with Bo")]
    harness.refresh()
    assert [row[1::2] for row in harness.expenses()] == [("-92.78" if reimport else "-93.13", "Dinner with Bo")]


def test_a_revert_that_lost_to_an_edit_of_the_same_expenses_is_done_again_at_once(harness):
    harness.bank.buy("-1", external_id="1")
    harness.refresh()
    lost = [OperationalError("UPDATE expenses", {}, errors.DeadlockDetected("x"))]

    @contextmanager
    def sessions():
        with harness.sessions() as session:
            yield session
            if lost:
                raise lost.pop()

    claimed = harness.claim(RunKind.REVERT, target_run_id=harness.run_id)
    outcome = run(claimed, replace(harness.context(), sessions=sessions))
    assert (outcome.status, outcome.counts.removed, harness.amounts()) == (RunStatus.SUCCEEDED, 1, [])


def test_a_revert_can_be_reverted(harness):
    harness.bank.buy("-1", external_id="1")
    harness.refresh()
    revert(harness, harness.run_id)
    revert(harness, harness.run_id)
    assert harness.amounts() == ["-1.00"]
    assert harness.refresh().code == "nothing_new"


@pytest.mark.parametrize("again", ["the bank", "a revert"])
def test_a_row_returns_without_a_category_that_was_deleted_while_it_was_gone(harness, again):
    row = harness.bank.buy("-20", "Trattoria Luigi", external_id="1")
    harness.bank.buy("-1", "Bus", external_id="2")
    harness.refresh()
    harness.sql("INSERT INTO categories (user_id, name) VALUES (:u, 'Food')", u=harness.user_id)
    harness.sql("UPDATE expenses SET category_id = (SELECT id FROM categories), notes = 'Mine' WHERE amount = 20")
    harness.bank.rows.remove(row)
    harness.refresh()
    assert harness.amounts() == ["-1.00"]
    harness.sql("DELETE FROM categories")
    if again == "a revert":
        revert(harness, harness.run_id)
    harness.bank.rows.append(row)
    harness.refresh()
    assert harness.sql("SELECT notes, category_id FROM expenses WHERE amount = 20") == [("Mine", None)]


def test_amended_and_removed_expenses_become_what_they_were(harness):
    harness.bank.capabilities = CURSOR
    harness.bank.buy("-1", "Baker", external_id="1")
    harness.bank.buy("-2", "Butcher", external_id="2")
    harness.refresh()
    before = harness.expenses()
    harness.bank.buy("-9", "Baker", external_id="1")
    harness.bank.removed = [RemovedTransaction(external_id="2")]
    harness.refresh()
    assert harness.amounts() == ["-9.00"]
    harness.bank.removed = []
    revert(harness, harness.run_id)
    assert harness.expenses() == before
    harness.refresh()
    assert harness.expenses() == before


@pytest.mark.parametrize("pending", [True, False], ids=["pending", "posted"])
@pytest.mark.parametrize("capabilities", [CURSOR, WINDOWED], ids=["changes", "windows"])
def test_a_removal_that_is_taken_back_with_reimport_is_done_again_by_the_next_refresh(harness, capabilities, pending):
    harness.bank.capabilities = capabilities
    row = harness.bank.buy("-16.76", "Cinema", external_id="1", pending=pending)
    harness.bank.buy("-2", "Butcher", external_id="2")
    harness.refresh()
    before = harness.expenses()
    harness.bank.rows.remove(row)
    harness.bank.removed = [RemovedTransaction(external_id="1")] if capabilities is CURSOR else []
    if capabilities is WINDOWED and pending:
        harness.refresh()
        harness.day_later(7)
    harness.refresh()
    assert harness.amounts() == ["-2.00"]
    harness.bank.removed = []
    revert(harness, harness.run_id, reimport=True)
    assert harness.expenses() == before
    for _ in range(2):
        outcome = harness.refresh()
        assert (harness.amounts(), outcome.status) == (["-2.00"], RunStatus.SUCCEEDED)


def test_what_the_user_edited_since_is_kept_and_said(harness):
    harness.bank.buy("-1", external_id="1")
    harness.bank.buy("-2", external_id="2")
    harness.refresh()
    harness.sql("UPDATE expenses SET notes = 'Mine' WHERE amount = 1")
    outcome = revert(harness, harness.run_id)
    assert (outcome.status, outcome.code) == (RunStatus.PARTIAL, "edited_since")
    assert harness.amounts() == ["-1.00"]


def test_a_linked_expense_is_let_go_and_stays(harness):
    harness.type_in("20.00", "Trattoria Luigi")
    harness.bank.buy("-20", "TRATTORIA LUIGI", external_id="1")
    harness.refresh()
    revert(harness, harness.run_id)
    assert harness.amounts() == ["-20.00"]
    assert harness.sql("SELECT expense_id, expense_state FROM bank_transactions") == [(None, "reverted")]


def test_hidden_legs_of_a_transfer_come_back_when_the_run_that_paired_them_is_reverted(harness):
    harness.bank.accounts = TWO
    harness.bank.buy("-500", kind=TransactionKind.TRANSFER, external_id="1")
    harness.refresh()
    harness.bank.buy("500", external_id="2", account_id="B")
    harness.refresh()
    assert harness.amounts() == []
    revert(harness, harness.run_id)
    assert harness.amounts() == ["-500.00"]


def suggestion(harness):
    with harness.sessions() as session:
        [view] = list_suggestions(session, harness.user_id)
        return view


def test_accepting_an_expense_suggestion_leaves_one_expense_the_users(harness):
    harness.type_in("20.00", "lunch")
    harness.bank.buy("-20", "TRATTORIA LUIGI", external_id="1")
    harness.refresh()
    view = suggestion(harness)
    assert (view.bank["description"], view.other["description"]) == ("TRATTORIA LUIGI", "lunch")
    with harness.sessions() as session:
        accept(session, view.id, user_id=harness.user_id)
    assert harness.expenses() == [("2026-06-15", "-20.00", "EUR", "lunch")]
    harness.refresh()
    assert len(harness.amounts()) == 1


@pytest.mark.parametrize("meanwhile", ["", "UPDATE expenses SET notes = 'dinner'"], ids=["", "edited"])
def test_an_accepted_row_that_is_withdrawn_and_returns_is_the_same_expense_again(harness, meanwhile):
    harness.type_in("20.00", "lunch")
    row = harness.bank.buy("-20", "TRATTORIA LUIGI", external_id="1")
    harness.bank.buy("-1", "Tram", external_id="2")
    harness.refresh()
    with harness.sessions() as session:
        accept(session, suggestion(harness).id, user_id=harness.user_id)
    harness.bank.rows.remove(row)
    harness.refresh()
    if meanwhile:
        harness.sql(f"{meanwhile} WHERE amount = 20")
    harness.bank.rows.append(row)
    for _ in range(2):
        harness.refresh()
        assert sorted(harness.amounts()) == ["-1.00", "-20.00"]


@pytest.mark.parametrize("reverted", [True, False], ids=["reverted", "read again"])
def test_what_was_typed_while_an_import_was_taken_back_is_not_doubled_when_it_returns(harness, reverted):
    harness.bank.buy("-20", "Trattoria Luigi", external_id="1")
    harness.refresh()
    before = harness.sql("SELECT id FROM expenses")
    revert(harness, harness.run_id, reimport=not reverted)
    harness.type_in("20.00", "Trattoria Luigi")
    if reverted:
        revert(harness, harness.run_id)
        assert before[0] in harness.sql("SELECT id FROM expenses"), "an expense comes back with its id"
    harness.refresh()
    assert harness.amounts() == ["-20.00"]


@pytest.mark.parametrize("deleted", [False, True])
def test_a_removal_that_is_taken_back_leaves_the_expense_that_the_user_had_all_along(harness, deleted):
    harness.type_in("20.00", "Trattoria Luigi")
    row = harness.bank.buy("-20", "TRATTORIA LUIGI", external_id="1")
    harness.bank.buy("-1", "Tram", external_id="2")
    harness.refresh()
    harness.bank.rows.remove(row)
    harness.refresh()
    if deleted:
        harness.sql("DELETE FROM expenses WHERE amount = 20")
    revert(harness, harness.run_id)
    left = ["-1.00"] if deleted else ["-1.00", "-20.00"]
    assert sorted(harness.amounts()) == left
    assert harness.sql("SELECT count(*) FROM bank_transactions WHERE expense_state = 'linked'") == [(1,)]
    harness.bank.rows.append(row)
    harness.refresh()
    assert sorted(harness.amounts()) == left


@pytest.mark.parametrize("read_between", [True, False], ids=["read between", "at once"])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["the first one first", "the second one first"])
def test_a_purchase_of_two_sources_whose_imports_were_taken_back_returns_once(sessions, user_id, order, read_between):
    both = Harness(sessions, user_id), Harness(sessions, user_id)
    imports, reverts = [], []
    for harness in both:
        harness.bank.accounts = [Account(external_id="A", name="Giro", currency="EUR", anchor="iban:DE1")]
        harness.bank.buy("-4.20", "Cafe Central", external_id="1")
        harness.refresh()
        imports.append(harness.run_id)
    for place in order:
        revert(both[place], imports[place])
        reverts.append(both[place].run_id)
    assert both[0].amounts() == []
    for place, run_id in zip(order, reverts, strict=True):
        revert(both[place], run_id)
        if read_between:
            both[place].refresh()
        assert both[0].amounts() == ["-4.20"]
    for harness in both:
        harness.refresh()
        assert both[0].amounts() == ["-4.20"]


def test_a_declined_suggestion_does_not_come_back(harness):
    harness.type_in("20.00", "lunch")
    harness.bank.buy("-20", "TRATTORIA LUIGI", external_id="1")
    harness.refresh()
    with harness.sessions() as session:
        decline(session, suggestion(harness).id, user_id=harness.user_id)
    harness.refresh()
    with harness.sessions() as session:
        assert list_suggestions(session, harness.user_id) == []
    assert len(harness.amounts()) == 2


def test_a_suggestion_that_no_longer_fits_is_refused(harness):
    harness.type_in("20.00", "lunch")
    harness.bank.buy("-20", "TRATTORIA LUIGI", external_id="1")
    harness.refresh()
    view = suggestion(harness)
    harness.sql("UPDATE bank_transactions SET state = 'removed'")
    with harness.sessions() as session, pytest.raises(ConflictError, match="took this row back"):
        accept(session, view.id, user_id=harness.user_id)


def test_an_accepted_transfer_hides_both_legs(harness):
    harness.bank.accounts = TWO
    harness.bank.buy("-500", "Standing order", external_id="1")
    harness.bank.buy("500", "Credit", external_id="2", account_id="B")
    harness.refresh()
    with harness.sessions() as session:
        accept(session, suggestion(harness).id, user_id=harness.user_id)
    assert harness.amounts() == []


def test_a_doubtful_account_waits_and_an_accepted_one_goes_on_with_its_history(harness):
    harness.bank.buy("-1", external_id="1")
    harness.refresh()
    harness.bank.accounts = [Account(external_id="A2", name="Checking", currency="EUR")]
    harness.bank.rows = [harness.bank.change(harness.bank.rows[0], account_id="A2", external_id="n1")]
    harness.refresh()
    assert harness.amounts() == ["-1.00"], "nothing is imported twice while the question is open"
    with harness.sessions() as session:
        accept(session, suggestion(harness).id, user_id=harness.user_id)
    harness.refresh()
    assert harness.amounts() == ["-1.00"]
    assert harness.sql("SELECT external_id FROM bank_connection_accounts") == [("A2",)]


def test_a_habit_suggests_a_category_when_asked_to(sessions, user_id):
    from tests.importer.bank import Harness

    harness = Harness(sessions, user_id, options={"suggest_categories": True})
    harness.sql("INSERT INTO categories (user_id, name) VALUES (:u, 'Food')", u=user_id)
    for n in range(3):
        harness.bank.buy("-3", "Baker", external_id=str(n))
    harness.refresh()
    harness.sql("UPDATE expenses SET category_id = (SELECT id FROM categories)")
    harness.bank.buy("-4", "BAKER", external_id="4")
    harness.refresh()
    view = suggestion(harness)
    assert (view.kind, view.bank["description"]) == ("category", "BAKER")
    with harness.sessions() as session:
        accept(session, view.id, user_id=user_id)
    assert harness.sql("SELECT count(*) FROM expenses WHERE category_id IS NOT NULL") == [(4,)]


def test_an_amended_import_taken_back_returns_as_the_bank_has_it_once_reimport_is_asked_for(harness):
    row = harness.bank.buy("-1", "Baker", external_id="1")
    harness.refresh()
    first = harness.run_id
    harness.bank.change(row, amount=row.amount * 2)
    harness.refresh()
    revert(harness, first)
    assert harness.amounts() == []
    harness.refresh()
    assert harness.amounts() == []
    harness.sql("UPDATE bank_connections SET options = '{\"reimport\": true}'")
    harness.refresh()
    assert harness.amounts() == ["-2.00"]


def test_a_pending_purchase_whose_posting_is_taken_back_is_what_it_was(harness):
    pending = harness.bank.buy("-20", "Trattoria", external_id="p", pending=True)
    harness.refresh()
    harness.sql("UPDATE expenses SET notes = 'Birthday'")
    harness.bank.rows.remove(pending)
    harness.bank.buy("-23", "TRATTORIA ROMA", external_id="q")
    harness.refresh()
    revert(harness, harness.run_id)
    assert [e[1::2] for e in harness.expenses()] == [("-20.00", "Birthday")]
    harness.refresh()
    assert [e[1::2] for e in harness.expenses()] == [("-20.00", "Birthday")]


def test_a_revert_of_many_rows_is_no_query_per_row(harness):
    from tests.importer.counting import statements

    for n in range(300):
        harness.bank.buy(f"-{n + 1}", f"Shop {n}", external_id=str(n))
    harness.refresh()
    with statements(harness.sessions) as asked:
        revert(harness, harness.run_id)
    assert harness.amounts() == []
    assert len(asked) < 60


def test_a_run_that_imported_reverted_rows_again_can_be_reverted_as_well(harness):
    harness.bank.buy("-1", external_id="1")
    harness.refresh()
    for _ in range(2):
        revert(harness, harness.run_id, reimport=True)
        assert harness.amounts() == []
        harness.refresh()
        assert harness.amounts() == ["-1.00"]
    revert(harness, harness.run_id)
    harness.refresh()
    assert harness.amounts() == []


@pytest.mark.parametrize("kind", ["cursor", "old rows"])
def test_with_reimport_rows_come_back_that_a_refresh_would_not_ask_for(harness, kind):
    if kind == "cursor":
        harness.bank.capabilities = CURSOR
    harness.bank.buy("-9", external_id="1")
    harness.bank.buy("-7", external_id="2")
    harness.refresh()
    imported = harness.run_id
    harness.day_later(1 if kind == "cursor" else 90)
    harness.bank.buy("-1", external_id="3")
    harness.refresh()
    revert(harness, imported, reimport=True)
    assert harness.amounts() == ["-1.00"]
    for _ in range(2):
        harness.refresh()
    assert sorted(harness.amounts()) == ["-1.00", "-7.00", "-9.00"]


def test_a_second_revert_takes_back_what_the_first_one_kept_once_the_edit_is_gone(harness):
    row = harness.bank.buy("-1", "Baker", external_id="1")
    harness.refresh()
    harness.bank.change(row, amount=Decimal(-8))
    harness.refresh()
    amended = harness.run_id
    harness.sql("UPDATE expenses SET notes = 'Mine'")
    assert revert(harness, amended).code == "edited_since"
    assert harness.amounts() == ["-8.00"]
    harness.sql("UPDATE expenses SET notes = 'Baker'")
    assert revert(harness, amended).code == "ok"
    assert harness.amounts() == ["-1.00"]

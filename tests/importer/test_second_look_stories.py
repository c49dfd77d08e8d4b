"""What came after a bank's row: expenses that FinMind added."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.importer.bank import TODAY
from worker.importer.actions.suggestions import accept
from worker.importer.store.expenses.locks import ExpensesChangedError


def suggestions(harness):
    return harness.sql("SELECT kind, reason FROM bank_match_suggestions WHERE status = 'open'")


@pytest.mark.parametrize("days", [0, 400])
def test_an_expense_typed_after_the_banks_row_is_linked_by_a_run_with_nothing_new(harness, days):
    on = TODAY - timedelta(days=days)
    harness.bank.buy("-4.20", "Cafe Central", external_id="1", booking_on=on)
    for _ in range(3):
        harness.refresh()
    harness.type_in("4.20", "Cafe Central", on)
    harness.day_later(1 if days else 0)
    harness.refresh()
    assert harness.expenses() == [(on.isoformat(), "-4.20", "EUR", "Cafe Central")]
    assert harness.sql("SELECT expense_state FROM bank_transactions") == [("linked",)]


@pytest.mark.parametrize("words", ["Cafe Central", "Tram"])
def test_a_row_that_is_asked_about_still_meets_an_expense_that_was_written_while_it_was_imported(
    sessions, harness, words
):
    with sessions() as typing:
        harness.type_in("4.20", "Parking", TODAY - timedelta(days=2))
        typing.execute(
            text(
                "INSERT INTO expenses (id, user_id, amount, currency, expense_type, notes, spent_at)"
                " VALUES (0, :u, 4.20, 'EUR', 'EXPENSE', :words, :on)"
            ),
            {"u": harness.user_id, "words": words, "on": TODAY},
        )
        harness.bank.buy("-4.20", "Cafe Central", external_id="1")
        harness.refresh()
    assert suggestions(harness) == [("expense", "similar_expense")]
    for _ in range(2):
        harness.refresh()
        linked = words == "Cafe Central"
        assert len(harness.amounts()) == (2 if linked else 3)
        assert suggestions(harness) == ([] if linked else [("expense", "similar_expense")])


@pytest.mark.parametrize(("words", "left"), [("Cafe Central", 1), ("Parking", 2)])
def test_an_expense_that_was_being_typed_while_the_banks_row_was_imported_is_seen_by_later_runs(
    sessions, harness, words, left
):
    """Its id is the lower one, and the import could not see it."""
    with sessions() as typing:
        typing.execute(
            text(
                "INSERT INTO expenses (user_id, amount, currency, expense_type, notes, spent_at)"
                " VALUES (:u, 4.20, 'EUR', 'EXPENSE', :words, :on)"
            ),
            {"u": harness.user_id, "words": words, "on": TODAY},
        )
        harness.bank.buy("-4.20", "Cafe Central", external_id="1")
        harness.refresh()
    assert len(harness.amounts()) == 2
    for _ in range(2):
        harness.refresh()
        assert len(harness.amounts()) == left
        assert suggestions(harness) == [("expense", "same_amount_and_day")] * (left - 1)
    harness.sql("UPDATE bank_match_suggestions SET status = 'declined'")
    harness.refresh()
    assert suggestions(harness) == []


def test_what_was_asked_about_with_its_rivals_in_sight_is_not_linked_once_they_are_out_of_it(harness):
    for days in (1, -1):
        harness.type_in("4.20", "Cafe Central", TODAY - timedelta(days=3 + days))
    harness.bank.buy("-4.20", "Cafe Central", external_id="1", booking_on=TODAY - timedelta(days=3))
    for _ in range(3):
        harness.refresh()
        assert (len(harness.amounts()), len(suggestions(harness))) == (3, 1)


def test_one_that_may_be_it_is_asked_about_once(harness):
    harness.bank.buy("-4.20", "Cafe Central", external_id="1")
    harness.refresh()
    harness.type_in("4.20", "Parking")
    for _ in range(2):
        harness.refresh()
    assert suggestions(harness) == [("expense", "same_amount_and_day")]
    assert harness.amounts() == ["-4.20", "-4.20"]
    harness.sql("UPDATE bank_match_suggestions SET status = 'declined'")
    harness.refresh()
    assert suggestions(harness) == []


def test_one_that_is_asked_about_again_is_asked_about_for_its_present_reason(harness):
    harness.bank.buy("-4.20", "Cafe Central", external_id="1")
    harness.refresh()
    harness.type_in("4.20", "Parking", TODAY - timedelta(days=1))
    harness.refresh()
    assert suggestions(harness) == [("expense", "similar_expense")]
    harness.sql("UPDATE bank_match_suggestions SET status = 'obsolete'")
    harness.sql("UPDATE expenses SET spent_at = spent_at + 1 WHERE notes = 'Parking'")
    harness.refresh()
    assert suggestions(harness) == [("expense", "same_amount_and_day")]


def test_an_expense_that_the_user_changed_does_not_give_way_by_itself(harness):
    harness.bank.buy("-4.20", "Cafe Central", external_id="1")
    harness.refresh()
    harness.sql("UPDATE expenses SET notes = 'Breakfast with Bo'")
    harness.type_in("4.20", "Cafe Central")
    harness.refresh()
    assert suggestions(harness) == [("expense", "same_expense")]
    assert len(harness.amounts()) == 2


@pytest.mark.parametrize(
    ("words", "days", "owed", "asked"),
    [
        (("Cafe Central", "Shell Station", "Bookshop"), 0, 3, 0),
        (("CAFE CENTRAL WIEN", "SHELL STATION 0815", "BOOKSHOP"), 0, 3, 0),
        (("Cafe Central", "Shell Station", "Bookshop"), 2, 3, 0),
        (("Breakfast", "Petrol", "Novel"), 0, 6, 3),
    ],
    ids=["as the bank says it", "in like words", "two days apart", "in the user's own words"],
)
@pytest.mark.parametrize("runs_between", [0, 2])
def test_a_file_that_finmind_imports_after_the_banks_rows_is_linked_or_asked_about(
    harness, words, days, owed, asked, runs_between
):
    for number, (amount, said) in enumerate((("-4.20", "Cafe Central"), ("-50", "Shell Station"), ("-12", "Bookshop"))):
        harness.bank.buy(amount, said, external_id=str(number))
    for _ in range(1 + runs_between):
        harness.refresh()
    for amount, said in zip(("4.20", "50", "12"), words, strict=True):
        harness.type_in(amount, said, on=TODAY - timedelta(days=days))
    for _ in range(2):
        harness.refresh()
    assert len(harness.amounts()) == owed
    assert len(suggestions(harness)) == asked


@pytest.mark.parametrize(("words", "left"), [("Bakery Lane", 3), ("Parking", 4)])
def test_an_expense_typed_after_rows_of_a_source_that_rests_is_seen_by_a_run_of_another_one(one_account, words, left):
    _rests, read = one_account
    for harness in one_account:
        harness.bank.buy("-4.20", "Bakery Lane", external_id="4", account_id=harness.bank.accounts[0].external_id)
        harness.refresh()
    read.type_in("4.20", words)
    read.refresh()
    assert len(read.amounts()) == left
    assert read.sql("SELECT count(*) FROM bank_match_suggestions WHERE status = 'open'") == [(left - 3,)]
    assert read.sql("SELECT count(*) FROM bank_transactions WHERE expense_state = 'linked'") == [(4 - left,)]


def test_a_month_stays_told_of_when_rows_are_matched_again(one_account, monkeypatch):
    """The person changes an expense between two steps of a second look, the first of which is done."""
    rests, read = one_account
    may = TODAY - timedelta(days=20)
    rests.bank.buy("-4.20", "Bakery Lane", external_id="4")
    read.bank.buy("-7", "Novel", external_id="7", account_id="X", booking_on=may)
    rests.refresh()
    read.refresh()
    read.type_in("4.20", "Bakery Lane")
    read.type_in("7", "Novel", on=may)
    tries = iter([None, ExpensesChangedError])

    def lock_if_unchanged(_session, _expenses):
        if (error := next(tries, None)) is not None:
            raise error

    monkeypatch.setattr("worker.importer.store.second_look.lock_if_unchanged", lock_if_unchanged)
    read.cleared.clear()
    read.refresh()
    assert {month for _, months in read.cleared for month in months} == {f"{may:%Y-%m}", f"{TODAY:%Y-%m}"}


def test_an_answer_about_a_balance_is_no_look_at_what_was_typed_before_it(harness):
    on = TODAY - timedelta(days=400)
    harness.bank.buy("-4.20", "Cafe Central", external_id="1", booking_on=on)
    harness.bank.buy("-1", "Tram", external_id="first")
    harness.bank.balance("50")
    harness.refresh()
    for number in range(3):
        harness.day_later()
        harness.bank.buy("-1", f"Tram {number}", external_id=f"t{number}")
        harness.bank.balance(str(99 - number))
        harness.refresh()
    harness.sql("UPDATE bank_import_run_accounts SET finished_at = finished_at - INTERVAL '5 days'")
    harness.type_in("4.20", "Cafe Central", on)
    harness.sql("UPDATE expenses SET created_at = now() - INTERVAL '3 days' WHERE id = (SELECT max(id) FROM expenses)")
    assert harness.answer(accept) == 1
    harness.day_later()
    harness.bank.balance("97")
    harness.refresh()
    assert harness.amounts().count("-4.20") == 1

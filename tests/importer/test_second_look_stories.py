"""What came after a bank's row: an expense that FinMind added, the same purchase or the other leg from another bank."""

import random
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text

from tests.importer.bank import CURSOR, TODAY, Harness
from worker.connections.connection_queries import find
from worker.connections.removal import forget
from worker.connectors.base import Account
from worker.importer.actions.suggestions import accept, list_suggestions
from worker.importer.decide.sources.rows import MAX_DAYS_ALIKE
from worker.importer.store.expenses.locks import ExpensesChangedError
from worker.runs.states import RunKind

IBAN = "DE02120300000000202051"


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


@pytest.fixture
def two(sessions, user_id):
    both = Harness(sessions, user_id), Harness(sessions, user_id)
    for harness, mask in zip(both, ("1111", "2222"), strict=True):
        harness.bank.accounts = [Account(external_id="A", name="Account", mask=mask, currency="EUR")]
    return both


def test_the_same_purchase_of_two_banks_is_one_once_the_accounts_are_known_to_be_one(two):
    for harness in two:
        harness.bank.buy("-4.20", "Cafe Central", external_id="1")
        harness.refresh()
    assert two[0].amounts() == ["-4.20", "-4.20"]
    two[1].bank.accounts = [replace(two[1].bank.accounts[0], mask="1111")]
    two[1].refresh()
    two[0].refresh()
    assert two[0].amounts() == ["-4.20"]


def test_legs_that_did_not_know_each_other_are_paired_later(two):
    two[0].bank.buy("-50", "Savings", external_id="1", counterparty_account=IBAN)
    two[1].bank.buy("50", "Savings", external_id="2")
    for harness in two:
        harness.refresh()
    assert sorted(two[0].amounts()) == ["-50.00", "50.00"]
    two[1].bank.accounts = [replace(two[1].bank.accounts[0], anchor=f"iban:{IBAN}")]
    two[1].refresh()
    assert two[0].amounts() == []


def test_a_twin_whose_other_row_is_gone_is_an_expense_again(two):
    for harness in two:
        harness.bank.accounts = [replace(harness.bank.accounts[0], mask="1111")]
        row = harness.bank.buy("-4.20", "Cafe Central", external_id="1")
        harness.bank.buy("-1", "Tram", external_id="2")
        harness.refresh()
    two[0].bank.rows.remove(next(row for row in two[0].bank.rows if row.external_id == "1"))
    two[0].refresh()
    assert row.external_id == "1"
    two[1].refresh()
    assert sorted(two[0].amounts()) == ["-1.00", "-4.20"]


def test_rows_of_a_link_that_stands_keep_their_expenses_when_another_is_removed_with_its_own(sessions, two):
    for harness in two:
        harness.bank.accounts = [replace(harness.bank.accounts[0], anchor=f"iban:{IBAN}", mask=None)]
        harness.bank.buy("-4.20", "Cafe Central", external_id="1")
        harness.refresh()
    with sessions() as session:
        forget(session, find(session, two[0].connection_id, lock=True), with_expenses=True, revoked=False)
    assert two[0].amounts() == ["-4.20"]
    two[1].bank.buy("-1", "Tram", external_id="2")
    two[1].refresh()
    assert sorted(two[0].amounts()) == ["-1.00", "-4.20"]


def linked_again(sessions, user_id, first):
    second = Harness(sessions, user_id)
    second.bank.accounts = first.bank.accounts
    second.bank.rows = [replace(row, external_id=f"new-{row.external_id}") for row in first.bank.rows]
    return second


def test_a_bank_that_is_linked_again_brings_back_nothing_deleted_and_doubles_nothing_edited(sessions, user_id, two):
    first = two[0]
    for number, words in enumerate(("Deleted", "Other amount", "Other day", "Other note")):
        first.bank.buy(f"-{number + 1}", words, external_id=str(number))
    first.refresh()
    with sessions() as session:
        forget(session, find(session, first.connection_id, lock=True), with_expenses=False, revoked=False)
    first.sql("DELETE FROM expenses WHERE notes = 'Deleted'")
    first.sql("UPDATE expenses SET amount = 22 WHERE notes = 'Other amount'")
    first.sql("UPDATE expenses SET spent_at = spent_at - 20 WHERE notes = 'Other day'")
    first.sql("UPDATE expenses SET notes = 'Mine' WHERE notes = 'Other note'")
    second = linked_again(sessions, user_id, first)
    for _ in range(2):
        second.refresh()
    assert sorted(second.amounts()) == ["-22.00", "-3.00", "-4.00"]


def test_what_is_typed_after_a_bank_was_linked_again_is_the_purchase_of_the_former_link(sessions, user_id, two):
    first = two[0]
    first.bank.buy("-4.20", "Cafe Central", external_id="1")
    first.refresh()
    with sessions() as session:
        forget(session, find(session, first.connection_id, lock=True), with_expenses=False, revoked=False)
    second = linked_again(sessions, user_id, first)
    second.refresh()
    second.type_in("4.20", "Cafe Central")
    for _ in range(2):
        second.refresh()
    assert second.amounts() == ["-4.20"]


def test_expenses_that_went_with_their_bank_come_back_with_it(sessions, user_id, two):
    first = two[0]
    first.bank.buy("-4", "Cafe Central", external_id="1")
    first.refresh()
    with sessions() as session:
        forget(session, find(session, first.connection_id, lock=True), with_expenses=True, revoked=False)
    assert first.amounts() == []
    second = linked_again(sessions, user_id, first)
    second.refresh()
    assert second.amounts() == ["-4.00"]


MERCHANTS = ("Bus", "Coffee Bar", "Trattoria Luigi", "Bookshop")


@pytest.mark.parametrize("masks", [("1111", "9999"), (None, None)], ids=["a replaced card", "nothing but rows"])
@pytest.mark.parametrize("removed", [True, False], ids=["linked again", "a second connection"])
def test_an_account_of_another_connection_is_known_by_its_rows(sessions, two, masks, removed):
    first, second = two
    for harness, mask in zip(two, masks, strict=True):
        harness.bank.accounts = [replace(harness.bank.accounts[0], mask=mask)]
        for number, words in enumerate(MERCHANTS):
            on = TODAY - timedelta(days=number)
            harness.bank.buy(f"-{number + 1}", words, external_id=f"{mask}{number}", booking_on=on)
    first.refresh()
    if removed:
        with sessions() as session:
            forget(session, find(session, first.connection_id, lock=True), with_expenses=False, revoked=False)
    first.sql("DELETE FROM expenses WHERE notes = 'Bus'")
    first.sql("UPDATE expenses SET spent_at = spent_at - 20 WHERE notes = 'Bookshop'")
    for _ in range(2):
        second.refresh()
    assert sorted(second.amounts()) == ["-2.00", "-3.00", "-4.00"]


@pytest.mark.parametrize("more", [{"pending": True}, {"booking_on": TODAY + timedelta(days=2)}])
def test_pending_rows_of_a_removed_connection_go_once_its_bank_was_read_again_without_them(
    sessions, user_id, two, more
):
    """So do rows that it had booked for days to come."""
    first = two[0]
    first.bank.buy("-4", "Cafe Central", external_id="1")
    first.bank.buy("-9", "Hotel", external_id="2", **more)
    first.bank.capabilities = CURSOR
    first.refresh()
    with sessions() as session:
        forget(session, find(session, first.connection_id, lock=True), with_expenses=False, revoked=False)
    second = linked_again(sessions, user_id, first)
    second.bank.rows.pop()
    second.refresh()
    assert sorted(second.amounts()) == ["-4.00", "-9.00"]
    second.day_later(10)
    second.bank.buy("-1", "Bus", external_id="3")
    second.refresh()
    assert sorted(second.amounts()) == ["-1.00", "-4.00"]


@pytest.mark.parametrize("more", [{"pending": True}, {"booking_on": TODAY + timedelta(days=2)}])
@pytest.mark.parametrize(
    ("days", "amounts"),
    [
        ((-300, -290), ["-9.00"]),
        ((-60, 60), ["-9.00"]),
        ((-3, 4), ["-9.00"]),
        ((4, 9), ["-9.00"]),
        ((-3, 9), []),
    ],
    ids=["of last year", "of two far months", "that ends too early", "that begins later", "of its days"],
)
def test_a_statement_file_tells_of_pending_rows_of_its_days_alone(two, days, amounts, more):
    """Nor of rows that a feed, which is not read any more, had booked for days to come."""
    feed, file = two
    feed.bank.accounts = [replace(feed.bank.accounts[0], anchor=f"iban:{IBAN}")]
    feed.bank.capabilities = CURSOR
    feed.bank.buy("-9", "Hotel", external_id="1", **more)
    feed.refresh()
    feed.sql("UPDATE bank_connections SET status = 'needs_user' WHERE id = :c", c=feed.connection_id)
    file.sql("UPDATE bank_connections SET connector_name = 'file' WHERE id = :c", c=file.connection_id)
    file.bank.accounts = [replace(feed.bank.accounts[0], external_id="S")]
    for number, offset in enumerate(days):
        on = TODAY + timedelta(days=offset)
        file.bank.buy(f"-{number + 1}", "Baker", external_id=str(number), account_id="S", booking_on=on)
    file.bank.today = TODAY + timedelta(days=70)
    file.refresh()
    assert sorted(file.amounts()) == sorted(["-1.00", "-2.00", *amounts])


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


@pytest.fixture
def one_account(two):
    """Two connections to one account, which tell the same purchases."""
    for harness, account_id in zip(two, "AX", strict=True):
        account = Account(external_id=account_id, name="Giro", anchor=f"iban:{IBAN}", currency="EUR")
        harness.bank.accounts = [account]
        harness.bank.buy("-9", "Baker", external_id=f"{account_id}1", account_id=account_id)
        harness.bank.buy("-1", "Bus", external_id=f"{account_id}2", account_id=account_id)
    return two


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


def test_a_deleted_pending_row_stays_deleted_when_the_other_connection_posts_it(one_account):
    first, second = one_account
    for harness in one_account:
        harness.bank.rows[0] = replace(harness.bank.rows[0], pending=True)
        harness.refresh()
    first.sql("DELETE FROM expenses WHERE amount = 9")
    first.bank.rows.pop(0)
    first.day_later()
    first.refresh()
    first.day_later(9)
    first.refresh()
    second.bank.today = first.bank.today
    second.refresh()
    second.bank.rows[0] = replace(second.bank.rows[0], pending=False, external_id="posted")
    for harness in (second, first, second):
        harness.refresh()
    assert first.amounts() == ["-1.00"]


@pytest.mark.parametrize("deleted", [True, False])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["the source with the expense first", "its twin first"])
def test_a_twin_that_posts_with_another_amount_is_a_twin_still(one_account, deleted, order):
    for harness in one_account:
        harness.bank.rows[0] = replace(harness.bank.rows[0], pending=True)
        harness.refresh()
    if deleted:
        one_account[0].sql("DELETE FROM expenses WHERE amount = 9")
    for harness in (one_account[place] for place in order):
        harness.bank.rows[0] = replace(harness.bank.rows[0], pending=False, amount=Decimal("-9.90"))
        harness.refresh()
        assert len(harness.amounts()) == (1 if deleted else 2)
    assert sorted(one_account[0].amounts()) == (["-1.00"] if deleted else ["-1.00", "-9.90"])


def test_what_one_source_booked_counts_while_the_other_one_has_it_pending(one_account):
    first, second = one_account
    for harness in one_account:
        harness.bank.rows[0] = replace(harness.bank.rows[0], pending=True)
        harness.refresh()
    for harness in (second, first):
        harness.bank.rows[0] = replace(harness.bank.rows[0], pending=False, amount=Decimal("-9.90"))
        harness.refresh()
        assert sorted(first.amounts()) == ["-1.00", "-9.90"]


@pytest.mark.parametrize(
    ("edited", "end"),
    [(True, "withdrawn"), (False, "withdrawn"), (True, "removed"), (False, "removed"), (False, "reverted")],
)
def test_a_twin_that_takes_an_expense_over_states_what_of_it_the_person_left_alone(sessions, one_account, edited, end):
    first, second = one_account
    for harness in one_account:
        harness.bank.rows[0] = replace(harness.bank.rows[0], pending=True)
        harness.refresh()
    if edited:
        first.sql("UPDATE expenses SET notes = 'Breakfast' WHERE amount = 9")
    second.bank.rows[0] = replace(second.bank.rows[0], pending=False, amount=Decimal("-9.90"))
    second.refresh()
    if end == "withdrawn":
        first.bank.rows.pop(0)
        for days in (1, 9):
            first.day_later(days)
            first.refresh()
    elif end == "removed":
        with sessions() as session:
            forget(session, find(session, first.connection_id, lock=True), with_expenses=True, revoked=False)
    else:
        first.run(RunKind.REVERT, target_run_id=first.run_id)
    told = [(amount, notes) for _, amount, _, notes in first.expenses()]
    assert sorted(told) == [("-1.00", "Bus"), ("-9.90", "Breakfast" if edited else "Baker")]


@pytest.mark.parametrize(("days", "rows"), [(0, 1), (3, 1), (MAX_DAYS_ALIKE, 1), (MAX_DAYS_ALIKE + 1, 2)])
def test_a_row_that_changes_meets_rows_of_other_sources_as_far_away_as_a_new_one(one_account, days, rows):
    first, second = one_account
    on = TODAY - timedelta(days=9)
    pending = first.bank.change(first.bank.rows[0], pending=True, booking_on=on)
    second.bank.change(second.bank.rows[0], amount=Decimal("-9.90"), booking_on=on + timedelta(days=days))
    for harness in one_account:
        harness.refresh()
    assert sorted(first.amounts()) == ["-1.00", "-9.00", "-9.90"]
    first.bank.change(pending, pending=False, amount=Decimal("-9.90"))
    for harness in one_account:
        harness.refresh()
    assert first.amounts().count("-9.90") == rows


def test_rows_of_the_other_connection_have_the_expenses_when_one_is_removed_with_its_own(sessions, one_account):
    first, second = one_account
    for harness in (*one_account, second, second):
        harness.refresh()
    first.sql("DELETE FROM expenses WHERE amount = 9")  # one by one, so that it stays deleted
    with sessions() as session:
        forget(session, find(session, first.connection_id, lock=True), with_expenses=True, revoked=False)
    for _ in range(2):
        assert second.amounts() == ["-1.00"]
        second.refresh()


def test_a_bank_that_was_removed_with_its_expenses_is_known_again_beside_another_source(sessions, two):
    """Each purchase is in both of them, and the removed one counts no second time."""
    first, _second = two
    for harness in two:
        harness.bank.accounts = [Account(external_id="A", name="Giro", currency="EUR", mask="1111")]
        for number in range(5, 15):
            on = TODAY - timedelta(days=number)
            harness.bank.buy(f"-{number}", f"Shop {number}", external_id=f"s{number}", booking_on=on)
        harness.refresh()
    with sessions() as session:
        forget(session, find(session, first.connection_id, lock=True), with_expenses=True, revoked=False)
    again = Harness(sessions, first.user_id)
    again.bank = first.bank
    assert (again.refresh().status, suggestions(again), len(again.amounts())) == ("succeeded", [], 10)


@pytest.mark.parametrize("institutions", [("North Bank", "Amex"), (None, None)])
def test_the_same_purchase_with_two_banks_that_state_no_digits_is_two(two, institutions):
    for place, (harness, institution) in enumerate(zip(two, institutions, strict=True)):
        account = replace(harness.bank.accounts[0], name=("Giro", "Visa")[place], institution_name=institution)
        harness.bank.accounts = [account]
        harness.bank.buy("-2.80", "Metro", external_id="1", booking_on=TODAY - timedelta(days=2))
        for number in range(5, 15):
            on = TODAY - timedelta(days=number)
            amount = f"-{number + 20 * place}"
            harness.bank.buy(amount, f"Shop {place} {number}", external_id=f"s{number}", booking_on=on)
    for harness in (*two, *two):
        harness.refresh()
    assert len(two[0].amounts()) == 22


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_runs_of_two_sources_without_news_change_nothing(one_account, seed):
    """Two fares a day, booked up to a day later by the second source."""
    later = random.Random(seed)
    for harness, account_id in zip(one_account, "AX", strict=True):
        for ago in range(1, 25):
            for fare in "12":
                late = timedelta(days=later.randrange(2) if account_id == "X" else 0)
                harness.bank.buy(
                    "-2.80", "Bus Ride", external_id=f"{account_id}{ago}-{fare}", account_id=account_id,
                    booking_on=TODAY - timedelta(days=ago) + late,
                )  # fmt: skip
            harness.bank.buy(
                f"-{ago}.33", f"Shop {ago}", external_id=f"{account_id}u{ago}", account_id=account_id,
                booking_on=TODAY - timedelta(days=ago),
            )  # fmt: skip
    for harness in one_account:
        harness.refresh()
    settled = one_account[0].expenses()
    for harness in (*one_account, *one_account):
        harness.sql("UPDATE bank_connections SET answer_digest = NULL, answer_run_id = NULL")
        harness.refresh()
    assert one_account[0].expenses() == settled


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
    with harness.sessions() as session:
        (question,) = list_suggestions(session, harness.user_id)
        accept(session, question.id, user_id=harness.user_id)
    harness.day_later()
    harness.bank.balance("97")
    harness.refresh()
    assert harness.amounts().count("-4.20") == 1

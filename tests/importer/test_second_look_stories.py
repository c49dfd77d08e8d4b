"""What came after a bank's row: an expense that FinMind added, the same purchase or the other leg from another bank."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.importer.bank import TODAY, Harness
from worker.connections.connection_queries import find
from worker.connections.removal import forget
from worker.connectors.base import Account

IBAN = "DE02120300000000202051"


def type_in(harness, amount, notes, on=TODAY):
    """Add an expense as FinMind does."""
    harness.sql(
        "INSERT INTO expenses (user_id, amount, currency, expense_type, notes, spent_at)"
        " VALUES (:u, :a, 'EUR', 'EXPENSE', :n, :d)",
        u=harness.user_id, a=Decimal(amount), n=notes, d=on,
    )  # fmt: skip


def suggestions(harness):
    return harness.sql("SELECT kind, reason FROM bank_match_suggestions WHERE status = 'open'")


def test_an_expense_typed_after_the_banks_row_is_linked_by_a_run_with_nothing_new(harness):
    harness.bank.buy("-4.20", "Cafe Central", external_id="1")
    for _ in range(3):
        harness.refresh()
    type_in(harness, "4.20", "Cafe Central")
    harness.refresh()
    assert harness.expenses() == [(TODAY.isoformat(), "-4.20", "EUR", "Cafe Central")]
    assert harness.sql("SELECT expense_state FROM bank_transactions") == [("linked",)]


def test_one_that_may_be_it_is_asked_about_once(harness):
    harness.bank.buy("-4.20", "Cafe Central", external_id="1")
    harness.refresh()
    type_in(harness, "4.20", "Parking")
    for _ in range(2):
        harness.refresh()
    assert suggestions(harness) == [("expense", "same_amount_and_day")]
    assert harness.amounts() == ["-4.20", "-4.20"]
    harness.sql("UPDATE bank_match_suggestions SET status = 'declined'")
    harness.refresh()
    assert suggestions(harness) == []


def test_an_expense_that_the_user_changed_does_not_give_way_by_itself(harness):
    harness.bank.buy("-4.20", "Cafe Central", external_id="1")
    harness.refresh()
    harness.sql("UPDATE expenses SET notes = 'Breakfast with Bo'")
    type_in(harness, "4.20", "Cafe Central")
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
        forget(session, find(session, first.connection_id, lock=True), delete_expenses=False, revoked=False)
    first.sql("DELETE FROM expenses WHERE notes = 'Deleted'")
    first.sql("UPDATE expenses SET amount = 22 WHERE notes = 'Other amount'")
    first.sql("UPDATE expenses SET spent_at = spent_at - 20 WHERE notes = 'Other day'")
    first.sql("UPDATE expenses SET notes = 'Mine' WHERE notes = 'Other note'")
    second = linked_again(sessions, user_id, first)
    for _ in range(2):
        second.refresh()
    assert sorted(second.amounts()) == ["-22.00", "-3.00", "-4.00"]


def test_expenses_that_went_with_their_bank_come_back_with_it(sessions, user_id, two):
    first = two[0]
    first.bank.buy("-4", "Cafe Central", external_id="1")
    first.refresh()
    with sessions() as session:
        forget(session, find(session, first.connection_id, lock=True), delete_expenses=True, revoked=False)
    assert first.amounts() == []
    second = linked_again(sessions, user_id, first)
    second.refresh()
    assert second.amounts() == ["-4.00"]

"""Expenses the user has already: taken over on evidence, suggested when in doubt, never consumed twice."""

import pytest

from tests.importer.bank import Harness
from worker.connectors.base import Account


@pytest.mark.parametrize(
    ("expense", "linked", "suggested"),
    [
        (("20.00", "Trattoria Luigi"), 1, 0),
        (("20.00", "luigi", "2026-06-13"), 1, 0),
        (("20.00", "lunch"), 0, 1),
        (("20.00", ""), 0, 1),
        (("20.00", "Trattoria Luigi", "2026-06-10"), 0, 1),
        (("20.00", "Trattoria Luigi", "2026-06-01"), 0, 1),
        (("20.00", "Trattoria Luigi", "2026-05-31"), 0, 0),
        (("20.01", "Trattoria Luigi"), 0, 0),
        (("20.00", "Trattoria Luigi", "2026-06-15", "INCOME"), 0, 0),
        (("20.00", "Trattoria Luigi", "2026-06-15", "EXPENSE", "USD"), 0, 0),
    ],
    ids=[
        "same day and merchant", "near day and merchant", "other words", "no words", "days away", "booked late",
        "too far",
        "other amount", "other direction", "other currency",
    ],
)  # fmt: skip
def test_an_expense_typed_by_hand(harness, expense, linked, suggested):
    harness.type_in(*expense)
    harness.bank.buy("-20", "TRATTORIA LUIGI ROMA", external_id="1")
    counts = harness.refresh().counts
    assert (counts.linked, counts.suggested, counts.created) == (linked, suggested, 1 - linked)
    assert len(harness.amounts()) == 2 - linked
    harness.refresh()
    assert len(harness.amounts()) == 2 - linked


def test_a_linked_expense_keeps_the_users_words_and_follows_the_amount(harness):
    harness.type_in("20.00", "Luigi with Ann")
    row = harness.bank.buy("-20", "TRATTORIA LUIGI", external_id="1")
    harness.refresh()
    harness.bank.change(row, amount=row.amount - 3)
    harness.refresh()
    assert harness.expenses() == [("2026-06-15", "-23.00", "EUR", "Luigi with Ann")]


def test_with_another_candidate_near_nothing_is_merged(harness):
    harness.type_in("3.50", "coffee bar", "2026-06-14")
    harness.type_in("3.50", "coffee", "2026-06-13")
    harness.bank.buy("-3.50", "COFFEE BAR ROMA", external_id="1")
    counts = harness.refresh().counts
    assert (counts.linked, counts.suggested) == (0, 1)


def test_two_typed_and_two_delivered_are_two(harness):
    for _ in range(2):
        harness.type_in("3.50", "Coffee")
    for n in range(2):
        harness.bank.buy("-3.50", external_id=str(n))
    assert harness.refresh().counts.linked == 2
    assert len(harness.amounts()) == 2


def test_two_delivered_do_not_consume_one_typed_expense_twice(harness):
    harness.type_in("3.50", "Coffee")
    for n in range(2):
        harness.bank.buy("-3.50", external_id=str(n))
    harness.refresh()
    assert len(harness.amounts()) == 2
    assert harness.sql("SELECT count(DISTINCT expense_id), count(expense_id) FROM bank_transactions") == [(2, 2)]


def test_another_connection_to_the_same_account_adds_nothing(sessions, user_id):
    account = Account(external_id="A", name="Checking", currency="EUR", anchor="iban:DE1")
    one, other = Harness(sessions, user_id), Harness(sessions, user_id)
    for harness in (one, other):
        harness.bank.accounts = [account]
        for n in range(2):
            harness.bank.buy("-3.50", external_id=f"{id(harness)}-{n}")
        harness.bank.buy("-20", "Trattoria" if harness is one else "TRATTORIA LUIGI 12", external_id=f"{id(harness)}-t")
    one.refresh()
    assert other.refresh().counts.linked == 3
    assert len(one.amounts()) == 3
    other.refresh()
    one.refresh()
    assert len(one.amounts()) == 3


def test_accounts_known_to_differ_never_merge(sessions, user_id):
    one, other = Harness(sessions, user_id), Harness(sessions, user_id)
    for harness, iban in ((one, "iban:DE1"), (other, "iban:DE2")):
        harness.bank.accounts = [Account(external_id="A", name="Checking", currency="EUR", anchor=iban)]
        harness.bank.buy("-3.50", external_id="1")
        harness.refresh()
    assert one.amounts() == ["-3.50", "-3.50"]

"""Cards that are replaced: one id goes, another one comes with the same rows."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.importer.bank import MERCHANTS, TODAY
from worker.connectors.base import Account
from worker.importer.actions.suggestions import accept, decline
from worker.runs.states import RunStatus

CARD = Account(external_id="C", name="Card 1", mask="1111", currency="EUR")


def buy_with_card(harness, number, **more):
    on = TODAY - timedelta(days=9 - number)
    words = MERCHANTS[number % len(MERCHANTS)]
    return harness.bank.buy(f"-{number + 3}.10", words, external_id=f"{number}", account_id="C", booking_on=on, **more)


def replace_card(harness, name="Card 2"):
    """Give the card a new id, name and number; its rows get new ids as well."""
    harness.bank.accounts = [replace(CARD, external_id="D", name=name, mask="2222")]
    harness.bank.rows = [replace(row, account_id="D", external_id=f"d{row.external_id}") for row in harness.bank.rows]


@pytest.fixture
def card(harness):
    harness.bank.accounts = [CARD]
    return harness


@pytest.mark.parametrize("name", ["Card 2", CARD.name])
def test_a_replaced_card_goes_on_as_the_old_one_where_its_rows_show_it(card, name):
    for number in range(4):
        buy_with_card(card, number)
    card.refresh()
    before = card.expenses()
    card.sql("UPDATE bank_connection_accounts SET inverted = FALSE")
    replace_card(card, name)
    outcome = card.refresh()
    assert (outcome.status, card.expenses()) == (RunStatus.SUCCEEDED, before)
    assert card.sql("SELECT external_id, former_external_ids, status FROM bank_connection_accounts") == [
        ("D", ["C"], "active")
    ]
    assert card.refresh().status == RunStatus.SUCCEEDED


@pytest.mark.parametrize("known", [1, 2])
def test_a_replaced_card_of_which_hardly_a_row_is_known_is_asked_about_and_nothing_is_doubled(card, known):
    for number in range(known):
        buy_with_card(card, number)
    card.refresh()
    before = card.expenses()
    replace_card(card)
    for _ in range(2):
        outcome = card.refresh()
        assert (outcome.status, outcome.code, card.expenses()) == (RunStatus.PARTIAL, "account_failed", before)
    assert card.answer(accept) == 1
    assert (card.refresh().status, card.expenses()) == (RunStatus.SUCCEEDED, before)


def test_a_replaced_card_whose_one_pending_row_was_posted_with_a_tip_is_asked_about(card):
    row = buy_with_card(card, 2, pending=True)
    card.refresh()
    card.bank.change(row, pending=False, amount=Decimal("-6.00"))
    replace_card(card)
    card.refresh()
    assert card.amounts() == ["-5.10"]
    assert card.answer(accept) == 1
    card.refresh()
    assert card.amounts() == ["-6.00"]


def test_a_card_that_is_replaced_again_before_an_answer_is_asked_about_after_the_days_of_grace(card):
    """The bank has another account, which is read before the card."""
    card.bank.accounts.insert(0, Account(external_id="A", name="Giro", currency="EUR"))
    buy_with_card(card, 2, pending=True)
    card.refresh()
    for name in "DE":
        card.bank.accounts[1] = replace(CARD, external_id=name, name=f"Card {name}", mask=name * 4)
        card.bank.rows = [replace(row, account_id=name, external_id=f"{name}2") for row in card.bank.rows]
        card.refresh()
        assert card.amounts() == ["-5.10"]
        card.day_later(8)
    assert card.answer(accept) == 1
    assert card.refresh().status == RunStatus.SUCCEEDED
    assert card.amounts() == ["-5.10"]


def test_a_replaced_card_without_a_row_goes_on_as_the_old_one(card):
    card.refresh()
    replace_card(card)
    assert card.refresh().status == RunStatus.SUCCEEDED
    assert card.sql("SELECT count(*) FROM bank_connection_accounts") == [(1,)]


def test_a_second_card_beside_a_closed_one_is_imported(card):
    for number in range(4):
        buy_with_card(card, number)
    card.refresh()
    card.bank.accounts = [replace(CARD, external_id="D", name="Card 2", mask="2222")]
    card.bank.rows = []
    for number in range(4):
        card.bank.buy(f"-{number + 50}", "Shoes", account_id="D", booking_on=TODAY - timedelta(days=number))
    assert card.refresh().code == "account_not_found"
    assert len(card.amounts()) == 8


def test_a_card_that_was_left_out_is_asked_about_when_it_is_replaced(card):
    for number in range(4):
        buy_with_card(card, number)
    card.refresh()
    card.sql("UPDATE bank_connection_accounts SET included = FALSE")
    replace_card(card)
    card.refresh()
    assert len(card.amounts()) == 4
    assert card.answer(accept) == 1
    card.refresh()
    assert len(card.amounts()) == 4


SHOPS = ("Baker", "Butcher", "Candles", "Drugstore")


TOO_FEW_TO_TELL = 2


def bought_with_a_card(harness, account, rows=4):
    for days_ago, merchant in enumerate(SHOPS[:rows]):
        day = harness.bank.today - timedelta(days=days_ago)
        harness.bank.buy(f"-{days_ago + 1}.30", merchant, account_id=account, booking_on=day, external_id=None)


def test_a_replaced_card_is_asked_about_and_doubles_nothing_meanwhile(harness):
    bought_with_a_card(harness, "A", TOO_FEW_TO_TELL)
    harness.refresh()
    before = harness.expenses()
    harness.bank.accounts = [Account(external_id="B", name="New card", currency="EUR", mask="9999")]
    harness.bank.rows = [replace(row, account_id="B") for row in harness.bank.rows]
    assert harness.refresh().status != "succeeded"
    assert harness.expenses() == before
    assert harness.answer(accept, "account") == 1
    harness.refresh()
    assert harness.expenses() == before


def test_a_new_account_with_rows_of_its_own_is_no_replaced_card(harness):
    bought_with_a_card(harness, "A")
    harness.refresh()
    harness.bank.accounts = [Account(external_id="B", name="New card", currency="EUR", mask="9999")]
    harness.bank.rows = [replace(row, account_id="B", amount=row.amount - 100) for row in harness.bank.rows]
    harness.refresh()
    assert len(harness.amounts()) == 8


def test_a_card_that_is_said_to_be_new_is_imported(harness):
    bought_with_a_card(harness, "A", TOO_FEW_TO_TELL)
    harness.refresh()
    harness.bank.accounts = [Account(external_id="B", name="New card", currency="EUR", mask="9999")]
    harness.bank.rows = [replace(row, account_id="B") for row in harness.bank.rows]
    harness.refresh()
    assert harness.answer(decline, "account") == 1
    harness.refresh()
    assert len(harness.amounts()) == 2 * TOO_FEW_TO_TELL


def test_a_card_may_be_replaced_more_than_once(harness):
    bought_with_a_card(harness, "A", TOO_FEW_TO_TELL)
    harness.refresh()
    before = harness.expenses()
    for card in ("B", "C"):
        harness.bank.accounts = [Account(external_id=card, name=f"Card {card}", currency="EUR", mask=card * 4)]
        harness.bank.rows = [replace(row, account_id=card) for row in harness.bank.rows]
        harness.refresh()
        assert harness.answer(accept) == 1
        harness.refresh()
    assert harness.expenses() == before

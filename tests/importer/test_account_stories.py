"""Which account is which: what a person said of one, and what the world lists that no rule allows."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.importer.bank import TODAY, Harness
from worker.connectors.base import Account
from worker.importer.actions.suggestions import decline, list_suggestions
from worker.runs.states import RunStatus

IBAN = "DE02120300000000202051"


def accounts(harness):
    return harness.sql("SELECT external_id, currency, status, anchor FROM bank_connection_accounts ORDER BY id")


@pytest.mark.parametrize("options", [{"inverted_accounts": ["A"]}, {}], ids=["by the option", "by the account"])
def test_inverted_signs_are_the_accounts_also_under_its_next_id(sessions, user_id, options):
    harness = Harness(sessions, user_id, options=options)
    harness.bank.accounts = [Account(external_id="A", name="Card", mask="1234", currency="EUR")]
    harness.bank.buy("45", "Groceries", external_id="1", booking_on=TODAY - timedelta(days=1))
    harness.refresh()
    if not options:
        harness.sql("UPDATE bank_connection_accounts SET inverted = TRUE")
        harness.refresh()
    harness.bank.accounts = [replace(harness.bank.accounts[0], external_id="Z")]
    harness.bank.rows = [replace(row, account_id="Z", external_id="9") for row in harness.bank.rows]
    harness.refresh()
    assert harness.amounts() == ["-45.00"]


def test_one_iban_holds_an_account_per_currency(harness):
    harness.bank.accounts = [
        Account(external_id="A", name="Wallet", anchor=IBAN, currency="EUR"),
        Account(external_id="B", name="Wallet", anchor=IBAN, currency="USD"),
    ]
    harness.bank.buy("-5", external_id="1")
    harness.bank.buy("-7", external_id="2", account_id="B", currency="USD")
    for _ in range(2):
        assert harness.refresh().status == RunStatus.SUCCEEDED
    assert sorted(harness.amounts()) == ["-5.00", "-7.00"]


def test_two_accounts_of_one_anchor_end_in_a_question(harness, sessions, user_id):
    harness.bank.accounts = [
        Account(external_id="A", name="First", anchor="hash", currency="EUR"),
        Account(external_id="B", name="Second", anchor="hash", currency="EUR"),
    ]
    harness.bank.buy("-5", external_id="1")
    harness.bank.buy("-7", external_id="2", account_id="B")
    harness.refresh()
    assert [account[2] for account in accounts(harness)] == ["active", "waiting"]
    with sessions() as session:
        (question,) = list_suggestions(session, user_id)
        decline(session, question.id, user_id=user_id)
    for _ in range(2):
        assert harness.refresh().status == RunStatus.SUCCEEDED
    assert sorted(harness.amounts()) == ["-5.00", "-7.00"]


def test_an_account_without_a_currency_of_its_own_imports_the_rows_that_state_one(harness):
    harness.bank.accounts = [Account(external_id="A", name="Wallet", currency="XXX")]
    harness.bank.buy("-5", external_id="1")
    harness.bank.buy("-7", external_id="2", currency="USD")
    harness.bank.buy("-9", external_id="3", currency=None)
    harness.bank.balance("3")
    assert harness.refresh().code == "rows_rejected"
    assert sorted(harness.amounts()) == ["-5.00", "-7.00"]


def test_a_mask_that_two_cards_share_does_not_decide_which_card_has_a_row(sessions, user_id):
    both = Harness(sessions, user_id), Harness(sessions, user_id)
    for harness in both:
        harness.bank.accounts = [
            Account(external_id="A", name="Blue", mask="1234", currency="EUR"),
            Account(external_id="B", name="Gold", mask="1234", currency="EUR"),
        ]
    both[0].bank.buy("-5", "Tram", external_id="1")
    both[1].bank.buy("-5", "Rent of a bicycle", external_id="2", account_id="B")
    for harness in both:
        harness.refresh()
    assert both[0].amounts() == ["-5.00", "-5.00"]

"""A currency that was assumed gives way to the one that the bank states: the rows are corrected, and it is said."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.importer.bank import CURSOR, TODAY, Harness
from worker.connectors.base import Account, IdClass
from worker.runs.states import RunStatus

LONG_AGO = TODAY - timedelta(days=200)


@pytest.fixture
def harness(sessions, user_id):
    """A bank that states neither the currency of its account nor that of its rows: the user's is assumed."""
    harness = Harness(sessions, user_id)
    harness.bank.accounts = [Account(external_id="A", name="Giro", currency=None)]
    for number, on in enumerate((LONG_AGO, TODAY)):
        harness.bank.buy(f"-{number + 1}", f"Shop {number}", external_id=str(number), currency=None, booking_on=on)
    return harness


def state(harness, currency):
    harness.bank.accounts = [replace(harness.bank.accounts[0], currency=currency)]


def currencies(harness):
    return [currency for _, _, currency, _ in harness.expenses()]


@pytest.mark.parametrize("ids", [IdClass.STABLE, IdClass.NONE])
@pytest.mark.parametrize("by_cursor", [False, True])
def test_rows_of_all_days_are_corrected_with_a_trace(harness, ids, by_cursor):
    harness.bank.capabilities = replace(CURSOR if by_cursor else harness.bank.capabilities, id_class=ids)
    harness.refresh()
    assert currencies(harness) == ["EUR", "EUR"]
    state(harness, "USD")
    assert harness.refresh().status is RunStatus.SUCCEEDED
    assert currencies(harness) == ["USD", "USD"]
    [(changes,)] = harness.sql("SELECT count(*) FROM bank_transaction_changes WHERE run_id = :r", r=harness.run_id)
    assert changes == 2
    harness.bank.buy("-3", "Shop 3", external_id="3", currency=None)
    assert harness.refresh().status is RunStatus.SUCCEEDED
    assert currencies(harness) == ["USD"] * 3


def test_what_the_user_said_of_the_currency_stays(harness):
    harness.refresh()
    harness.sql("UPDATE expenses SET currency = 'CHF' WHERE amount = 1")
    state(harness, "USD")
    harness.refresh()
    assert currencies(harness) == ["CHF", "USD"]


def test_a_user_who_prefers_another_currency_now_keeps_the_account_in_its_own_until_the_bank_states_one(harness):
    """What the bank delivers again, or anew, was half in one currency and half in the other."""
    harness.refresh()
    harness.sql("UPDATE users SET preferred_currency = 'USD'")
    harness.bank.buy("-3", "Shop 3", external_id="3", currency=None)
    harness.refresh()
    assert currencies(harness) == ["EUR"] * 3
    state(harness, "USD")
    harness.refresh()
    assert currencies(harness) == ["USD"] * 3


def test_a_currency_that_was_assumed_rightly_changes_nothing(harness):
    harness.refresh()
    state(harness, "EUR")
    assert harness.refresh().counts.updated == 0
    state(harness, "USD")  # relabelled, as before
    harness.refresh()
    assert currencies(harness) == ["EUR", "EUR"]


def test_an_expense_that_the_user_typed_in_is_in_the_currency_that_they_said(harness):
    harness.type_in("1", "Shop 0", LONG_AGO)
    harness.refresh()
    state(harness, "USD")
    harness.bank.capabilities = replace(harness.bank.capabilities, history_days=90)
    assert harness.refresh().status is RunStatus.SUCCEEDED
    assert currencies(harness) == ["EUR", "USD"]


def test_rows_that_the_bank_gives_no_more_are_named(harness):
    harness.refresh()
    state(harness, "USD")
    harness.bank.capabilities = replace(harness.bank.capabilities, history_days=90)
    for _ in range(2):
        outcome = harness.refresh()
        assert (outcome.status, outcome.code) == (RunStatus.PARTIAL, "currency_was_assumed")
    assert currencies(harness) == ["EUR", "USD"]
    harness.sql("UPDATE expenses SET currency = 'USD'")
    assert harness.refresh().status is RunStatus.SUCCEEDED
    assert currencies(harness) == ["USD", "USD"]

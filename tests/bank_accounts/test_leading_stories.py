"""Which source of an account leads for which field of an expense, from the first import to the last."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.importer.bank import TODAY, Harness
from worker.bank_accounts.unmatching import RowMatch, detach, unmatch
from worker.connectors.base import Account
from worker.importer.actions.suggestions import accept, list_suggestions

IBAN = "iban:DE02120300000000202051"
DAY, BOOKED = TODAY - timedelta(days=3), TODAY - timedelta(days=2)
BY_FEED = (DAY.isoformat(), "-42.70", "EUR", "Trattoria Luigi")
BY_BOTH = (BOOKED.isoformat(), "-42.70", "EUR", "Trattoria Luigi")
BY_STATEMENT = (BOOKED.isoformat(), "-42.70", "EUR", "KARTENUMSATZ 4711 LUIGI TRATTORIA")


@pytest.fixture
def feed(sessions, user_id):
    """Tells the day of the purchase and the merchant."""
    harness = Harness(sessions, user_id)
    harness.bank.accounts = [Account(external_id="A", name="Giro", anchor=IBAN, currency="EUR")]
    harness.bank.buy("-42.70", "Trattoria Luigi", external_id="f", booking_on=DAY)
    return harness


@pytest.fixture
def statement(sessions, user_id):
    """A file of the bank: the day of the booking, and the bank's own words."""
    harness = Harness(sessions, user_id)
    harness.sql("UPDATE bank_connections SET connector_name = 'file' WHERE id = :c", c=harness.connection_id)
    harness.bank.accounts = [Account(external_id="S", name="Giro", anchor=IBAN, currency="EUR")]
    harness.bank.buy("-42.70", "KARTENUMSATZ 4711 LUIGI TRATTORIA", external_id="s", account_id="S", booking_on=BOOKED)
    return harness


def twin_of(harness):
    return harness.sql("SELECT id FROM bank_transactions WHERE expense_state = 'twin'")[0][0]


@pytest.mark.parametrize("statement_first", [False, True])
def test_a_statement_leads_for_the_day_and_a_feed_for_the_text_whichever_comes_first(feed, statement, statement_first):
    first, second = (statement, feed) if statement_first else (feed, statement)
    first.refresh()
    assert first.expenses() == [BY_STATEMENT if statement_first else BY_FEED]
    second.refresh()
    assert first.expenses() == [BY_BOTH]
    for harness in (first, second):
        harness.bank.buy("-1", "Tram", external_id="t", account_id=harness.bank.accounts[0].external_id)
        harness.refresh()
    assert [row for row in first.expenses() if row[1] != "-1.00"] == [BY_BOTH]


def test_what_the_person_wrote_stays_and_the_other_fields_are_led(feed, statement):
    feed.refresh()
    feed.sql("UPDATE expenses SET notes = 'Dinner with Bo'")
    statement.refresh()
    assert feed.expenses() == [(BOOKED.isoformat(), "-42.70", "EUR", "Dinner with Bo")]


@pytest.mark.parametrize("by_detaching", [False, True])
def test_a_source_that_leaves_leads_no_more(feed, statement, by_detaching):
    feed.refresh()
    statement.refresh()
    with feed.sessions() as session:
        if by_detaching:
            source = statement.sql(
                "SELECT id FROM bank_connection_accounts WHERE connection_id = :c", c=statement.connection_id
            )
            detach(session, source[0][0], user_id=feed.user_id)
        else:
            unmatch(session, twin_of(feed), user_id=feed.user_id, match=RowMatch.TWIN)
    assert sorted(feed.expenses()) == sorted([BY_FEED, BY_STATEMENT])


@pytest.mark.parametrize("leaving", ["statement", "feed"])
def test_a_source_that_is_removed_with_its_expenses_leads_no_more(feed, statement, leaving):
    feed.refresh()
    statement.refresh()
    gone = statement if leaving == "statement" else feed
    gone.remove(with_expenses=True)
    assert feed.expenses() == [BY_FEED if leaving == "statement" else BY_STATEMENT]


def test_what_another_feed_changes_reaches_the_expenses_that_a_removed_one_keeps(feed):
    other = Harness(feed.sessions, feed.user_id)
    other.bank.accounts = [Account(external_id="B", name="Giro", anchor=IBAN, currency="EUR")]
    other.bank.buy("-42.70", "Trattoria Luigi", external_id="o", account_id="B", booking_on=BOOKED)
    feed.refresh()
    other.refresh()
    assert feed.expenses() == [BY_FEED]
    feed.remove(with_expenses=False)
    assert feed.expenses() == [BY_BOTH], "the day is that of the feed that is left"
    other.day_later()
    other.bank.rows[0] = replace(other.bank.rows[0], amount=Decimal("-47.70"))
    other.refresh()
    assert feed.expenses() == [(BOOKED.isoformat(), "-47.70", "EUR", "Trattoria Luigi")]


@pytest.mark.parametrize("joined", ["statement", "feed"])
def test_a_source_that_joins_late_by_an_answer_leads_where_it_knows_better(feed, statement, joined):
    """It has no account number, and only some of its rows agree: it waits, with a question."""
    first, second = (feed, statement) if joined == "statement" else (statement, feed)
    second.bank.accounts = [Account(external_id=second.bank.rows[0].account_id, name="Giro", currency="EUR")]
    first.refresh()
    assert second.refresh().code == "similar_account"
    with first.sessions() as session:
        (question,) = list_suggestions(session, first.user_id)
        accept(session, question.id, user_id=first.user_id)
    second.refresh()
    assert first.expenses() == [BY_BOTH]


def test_a_source_that_was_an_account_of_its_own_leads_as_soon_as_its_number_is_known(feed, statement):
    (numbered,) = statement.bank.accounts
    statement.bank.accounts = [Account(external_id="S", name="Something else", currency="EUR")]
    feed.refresh()
    rows, statement.bank.rows = statement.bank.rows, []
    statement.refresh()
    statement.bank.rows = rows
    statement.sql("UPDATE bank_connection_accounts SET history_from_on = NULL, history_complete = FALSE")
    statement.refresh()
    assert sorted(feed.expenses()) == sorted([BY_FEED, BY_STATEMENT])
    statement.bank.accounts = [numbered]
    statement.bank.buy("-1", "Tram", external_id="t", account_id="S")
    statement.refresh()
    assert feed.expenses() == [BY_BOTH, (TODAY.isoformat(), "-1.00", "EUR", "Tram")]

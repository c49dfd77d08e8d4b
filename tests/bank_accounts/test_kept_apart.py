"""Two rows that a person parted stay two purchases, also where a third source of the account confirms one of them."""

from datetime import timedelta

import pytest

from tests.importer.bank import TODAY, Harness
from worker.bank_accounts.moving import move_account
from worker.bank_accounts.unmatching import RowMatch, unmatch
from worker.connectors.base import Account

COFFEE = "-4.20"


@pytest.fixture
def three(sessions, user_id):
    """Three connections to one account; each has other rows around the coffee."""
    found = [Harness(sessions, user_id) for _ in range(3)]
    for harness in found:
        harness.bank.accounts = [Account(external_id="A", name="Giro", anchor="iban:DE1", currency="EUR")]
        for n in (5, 40):
            harness.bank.buy(f"-{n}", f"Shop {n}", external_id=str(n), booking_on=TODAY - timedelta(days=n))
    return found


def drink(harness):
    harness.bank.buy(COFFEE, "Cafe Central", external_id="coffee")
    harness.refresh()


def row_of(harness):
    return harness.sql(
        "SELECT t.id FROM bank_transactions t JOIN bank_connection_accounts a ON a.id = t.account_id"
        " WHERE a.connection_id = :c AND t.amount = -4.20",
        c=harness.connection_id,
    )[0][0]


def part(harness):
    with harness.sessions() as session:
        unmatch(session, row_of(harness), user_id=harness.user_id, match=RowMatch.TWIN)


def refresh_all(harnesses):
    for harness in harnesses:
        harness.bank.buy("-0.5", "Tram", external_id=f"tram {len(harness.bank.rows)}")
        harness.refresh()


def coffees(harness):
    return harness.amounts().count(COFFEE)


def test_a_third_source_confirms_one_of_two_rows_that_were_parted(three):
    for harness in three[:2]:
        drink(harness)
    part(three[1])
    drink(three[2])
    for _ in range(2):
        refresh_all(three)
        assert coffees(three[0]) == 2


def test_parted_rows_stay_two_when_the_third_source_that_confirmed_both_loses_its_row(three):
    for harness in three:
        drink(harness)
    assert coffees(three[0]) == 1
    part(three[1])
    three[0].bank.rows = [row for row in three[0].bank.rows if row.external_id != "coffee"]
    for _ in range(2):
        three[0].day_later(4)
        three[0].refresh()
    for _ in range(2):
        refresh_all(three[1:])
        assert coffees(three[0]) == 2


def test_parted_rows_stay_two_when_the_account_moves_to_a_third_source_that_confirms_one(three):
    for harness in three[:2]:
        drink(harness)
    part(three[1])
    drink(three[2])
    for target in (three[2], three[1], three[2]):
        with target.sessions() as session:
            account_id = target.sql("SELECT min(bank_account_id) FROM bank_connection_accounts")[0][0]
            move_account(session, account_id, target.connection_id, user_id=target.user_id)
        refresh_all(three)
        assert coffees(three[0]) == 2

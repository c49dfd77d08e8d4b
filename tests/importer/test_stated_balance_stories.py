"""Balances of past days against the rows: those of statements, and those that rows state."""

from dataclasses import replace
from decimal import Decimal

from tests.importer.bank import Harness
from tests.importer.test_proof_stories import ids_of, proof, whole_proof
from worker.connectors.base import DatedBalance


def running(harness, *steps):
    """Book rows of May, each with the balance that the bank states after it."""
    for number, (day, amount, balance) in enumerate(steps):
        harness.bank.buy(
            amount, f"Shop {number}", external_id=str(number), booking_on=harness.bank.today.replace(month=5, day=day),
            stated_amounts={"balance_after": balance},
        )  # fmt: skip


def test_balances_that_rows_state_prove_a_first_load(harness):
    running(harness, (3, "-5", "95"), (3, "-7", "88"), (9, "10", "98"))
    assert harness.refresh().status == "succeeded"
    found = whole_proof(harness)
    assert (found["result"], found["rests_on"], found["from_on"]) == ("proven", "running_balances", "2026-05-02")
    harness.day_later()
    running(harness, (12, "-8", "90"))
    harness.refresh()
    assert whole_proof(harness)["balance_on"] == "2026-05-12"


def test_rows_that_a_first_load_doubles_differ_from_the_balances_that_rows_state(harness):
    running(harness, (3, "-5", "95"), (3, "-7", "88"), (9, "10", "98"))
    harness.bank.rows.append(replace(harness.bank.rows[1], external_id="7b"))
    outcome = harness.refresh()
    found = whole_proof(harness)
    assert (outcome.code, found["difference"], found["rests_on"]) == ("balance_mismatch", "7", "running_balances")
    assert sorted(found["explanation"]["transaction_ids"]) == ids_of(harness, "1", "7b")


def test_balances_of_rows_that_do_not_follow_from_each_other_prove_nothing(harness):
    running(harness, (3, "-5", "95"), (4, "-7", "12"), (9, "10", "50"))
    assert harness.refresh().status == "succeeded"
    assert whole_proof(harness)["result"] == "unproven"


def stating(harness, *balances, account_id="A"):
    stated = (DatedBalance(account_id=account_id, on=on, amount=Decimal(amount)) for on, amount in balances)
    harness.bank.extra = {"balances": tuple(stated)}


def test_a_statement_proves_the_rows_of_a_first_load(harness):
    today = harness.bank.today
    for day in (3, 12, 20):
        harness.bank.buy(f"-{day}", external_id=str(day), booking_on=today.replace(month=5, day=day))
    stating(harness, (today.replace(month=4, day=30), "100"), (today.replace(month=5, day=31), "65"))
    assert harness.refresh().status == "succeeded"
    found = whole_proof(harness)
    assert (found["result"], found["rests_on"], found["from_on"]) == ("proven", "stated_balances", "2026-04-30")
    assert found["balance_on"] == "2026-05-31"


def test_rows_that_a_first_load_doubles_differ_from_its_statement(harness):
    today = harness.bank.today
    for number in "12":
        harness.bank.buy("-4", "Lunch", external_id=number, booking_on=today.replace(month=5, day=12))
    stating(harness, (today.replace(month=4, day=30), "100"), (today.replace(month=5, day=31), "96"))
    outcome = harness.refresh()
    found = whole_proof(harness)
    assert (outcome.code, found["result"], found["difference"]) == ("balance_mismatch", "mismatch", "4")
    assert found["explanation"]["code"] == "row_doubled"


def test_the_days_between_two_balances_are_where_a_row_is_missing(harness):
    today = harness.bank.today
    ends = (("30", 4, "100"), ("10", 5, "100"), ("20", 5, "90"), ("31", 5, "90"))
    stating(harness, *((today.replace(month=month, day=int(day)), amount) for day, month, amount in ends))
    assert harness.refresh().code == "balance_mismatch"
    found = whole_proof(harness)
    assert (found["since_on"], found["balance_on"], found["difference"]) == ("2026-05-10", "2026-05-20", "-10")


def test_the_opening_amount_of_a_statement_is_what_the_latest_balance_is_proven_with(harness):
    today = harness.bank.today
    harness.bank.buy("-5", external_id="1", booking_on=today.replace(month=5, day=12))
    harness.bank.buy("-6", external_id="2")
    stating(harness, (today.replace(month=4, day=30), "100"))
    harness.bank.balance("89")
    harness.refresh()
    assert proof(harness)[0] == "proven"
    harness.bank.balance("80")
    harness.day_later()
    assert harness.refresh().code == "balance_mismatch"


def test_balances_of_an_inverted_account_are_turned_with_its_rows(sessions, user_id):
    harness = Harness(sessions, user_id, options={"inverted_accounts": ["A"]})
    today = harness.bank.today
    harness.bank.buy("30", "Shop", external_id="1", booking_on=today.replace(month=5, day=12))
    stating(harness, (today.replace(month=4, day=30), "0"), (today.replace(month=5, day=31), "30"))
    harness.refresh()
    assert proof(harness)[0] == "proven"

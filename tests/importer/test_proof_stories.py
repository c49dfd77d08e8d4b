"""The bank's own balance against the rows: per account, in the bank's days, with the sign the account has."""

from dataclasses import replace
from datetime import UTC, datetime

from tests.importer.bank import Harness
from worker.connectors.base import Account, Balance, BalanceKind
from worker.runs.states import RunKind


def proof(harness):
    [(found,)] = harness.sql("SELECT balance_proof FROM bank_import_run_accounts WHERE run_id = :r", r=harness.run_id)
    return found["result"], found["difference"], found["since_on"]


def state_balance(harness, amount, at):
    balance = Balance(amount=amount, kind=BalanceKind.BOOKED, at=at)
    harness.bank.accounts = [replace(account, balance=balance) for account in harness.bank.accounts]


def test_the_day_of_a_balance_is_taken_in_the_banks_zone(sessions, user_id):
    harness = Harness(sessions, user_id, options={"timezone": "America/New_York"})
    harness.bank.buy("-1", external_id="1", booking_on=harness.bank.today.replace(day=14))
    state_balance(harness, 99, datetime(2026, 6, 15, 2, 0, tzinfo=UTC))  # the evening of the 14th
    harness.refresh()
    harness.bank.buy("-5", external_id="2")
    harness.refresh()
    assert proof(harness)[0] == "unproven"
    state_balance(harness, 94, datetime(2026, 6, 15, 12, 0, tzinfo=UTC))
    harness.refresh()
    assert proof(harness)[0] == "proven"


def test_an_account_whose_signs_are_inverted_has_an_inverted_balance(sessions, user_id):
    harness = Harness(sessions, user_id, options={"inverted_accounts": ["A"]})
    harness.bank.buy("30", "Shop", external_id="1")
    harness.bank.balance("30")
    harness.refresh()
    harness.bank.buy("20", "Shop", external_id="2")
    harness.bank.balance("50")
    harness.refresh()
    assert proof(harness) == ("proven", None, None) or proof(harness)[:2] == ("proven", None)
    assert sorted(harness.amounts()) == ["-20.00", "-30.00"]


def test_two_accounts_are_proven_apart(harness):
    harness.bank.accounts.append(Account(external_id="B", name="Savings", currency="EUR"))
    harness.bank.buy("-1", external_id="1")
    harness.bank.buy("-2", external_id="2", account_id="B")
    harness.bank.balance("99")
    harness.refresh()
    harness.bank.buy("-9", external_id="3", account_id="B")
    harness.day_later()
    harness.bank.balance("99")
    harness.refresh()
    rows = harness.sql(
        "SELECT balance_proof ->> 'result', balance_proof ->> 'difference' FROM bank_import_run_accounts"
        " WHERE run_id = :r ORDER BY account_id",
        r=harness.run_id,
    )
    assert rows == [("proven", None), ("mismatch", "9")]


def test_a_gap_that_is_filled_later_is_proven_again(harness):
    harness.bank.buy("-1", external_id="1")
    harness.bank.balance("99")
    harness.refresh()
    harness.day_later()
    harness.bank.balance("90")
    harness.refresh()
    assert proof(harness) == ("mismatch", "-9", "2026-06-15")
    harness.bank.buy("-9", external_id="2")
    harness.refresh()
    assert proof(harness)[0] == "proven"


def test_rows_taken_back_by_a_revert_still_count_for_the_bank(harness):
    from worker.runs.states import RunKind

    harness.bank.buy("-1", external_id="1")
    harness.bank.balance("99")
    harness.refresh()
    harness.run(RunKind.REVERT, target_run_id=harness.run_id)
    harness.day_later()
    harness.bank.balance("99")
    harness.refresh()
    assert harness.amounts() == []
    assert proof(harness)[0] == "proven"


def test_an_available_balance_proves_nothing(harness):
    available = Balance(amount=99, kind=BalanceKind.AVAILABLE, at=datetime(2026, 6, 15, tzinfo=UTC))
    harness.bank.accounts = [replace(account, balance=available) for account in harness.bank.accounts]
    harness.bank.buy("-1", external_id="1")
    harness.refresh()
    assert proof(harness)[0] == "unproven"


def test_rows_that_a_first_load_doubles_are_never_proven_by_the_balance_that_load_was_read_with(harness):
    harness.bank.buy("-1", external_id="1")
    harness.bank.buy("-1", external_id="1b")  # the same purchase, doubled by the connector
    harness.bank.balance("99")
    for _ in range(2):
        harness.refresh()
        assert proof(harness)[0] == "unproven"
    harness.day_later()
    harness.bank.buy("-4", "Lunch", external_id="2")
    harness.bank.balance("95")
    harness.refresh()
    [(found,)] = harness.sql("SELECT balance_proof FROM bank_import_run_accounts WHERE run_id = :r", r=harness.run_id)
    assert (found["result"], found["rests_on"], found["from_on"]) == ("proven", "other_balance", "2026-06-15")


def test_a_balance_that_counts_pending_rows_is_recognised(harness):
    harness.bank.buy("-9", "Lunch", external_id="1")
    shoes = harness.bank.buy("-20", "Shoes", external_id="p", pending=True)
    harness.bank.balance("71")
    harness.refresh()
    harness.day_later()
    harness.bank.change(shoes, external_id="2", pending=False)
    harness.bank.balance("71")
    assert harness.refresh().status == "succeeded"
    assert proof(harness)[0] == "proven"


def test_a_mismatch_names_the_row_that_is_there_twice(harness):
    harness.bank.buy("-1", external_id="1")
    harness.bank.balance("99")
    harness.refresh()
    harness.day_later()
    for number in "23":
        harness.bank.buy("-4", "Lunch", external_id=number)
    harness.bank.balance("95")
    outcome = harness.refresh()
    assert outcome.code == "balance_mismatch"
    assert "there twice" in outcome.message


def test_a_first_import_that_ends_before_the_balances_day_takes_no_opening_amount_from_it(sessions, user_id):
    harness = Harness(sessions, user_id)
    today = harness.bank.today
    harness.bank.buy("-1", external_id="1", booking_on=today.replace(day=1))
    harness.bank.buy("-9", external_id="2")
    harness.bank.balance("90")
    outcome = harness.run(RunKind.IMPORT, to_on=today.replace(day=10))
    assert (outcome.status, proof(harness)[0]) == ("succeeded", "unproven")
    outcome = harness.refresh()
    assert (outcome.status, outcome.counts.created) == ("succeeded", 1)
    harness.day_later()
    harness.bank.buy("-5", external_id="3")
    harness.bank.balance("85")
    harness.refresh()
    assert proof(harness)[0] == "proven"

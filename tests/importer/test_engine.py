"""The main road: what the bank holds becomes expenses, once."""

from decimal import Decimal

from tests.importer.counting import statements
from worker.connectors.base import Account
from worker.runs.states import RunKind, RunStatus


def test_a_first_refresh_reads_everything_and_a_second_finds_nothing_new(harness):
    harness.bank.buy("-3.50", external_id="1")
    harness.bank.buy("2500", "Salary", external_id="2")
    first = harness.refresh()
    assert (first.status, first.code, first.counts.created) == (RunStatus.SUCCEEDED, "ok", 2)
    assert harness.expenses() == [
        ("2026-06-15", "-3.50", "EUR", "Coffee"),
        ("2026-06-15", "2500.00", "EUR", "Salary"),
    ]
    second = harness.refresh()
    assert (second.code, second.counts.unchanged, second.counts.created) == ("nothing_new", 2, 0)
    assert len(harness.expenses()) == 2


def test_an_import_of_days_reads_those_days(harness):
    harness.bank.buy("-1", external_id="1", booking_on=harness.bank.today.replace(day=1))
    harness.bank.buy("-2", external_id="2")
    harness.run(RunKind.IMPORT, from_on=harness.bank.today.replace(day=10), to_on=harness.bank.today)
    assert harness.amounts() == ["-2.00"]


def test_counts_are_on_the_run_and_on_its_account(harness):
    harness.bank.buy("-1", external_id="1")
    harness.refresh()
    assert harness.sql("SELECT status, code, created, fetched FROM bank_import_runs") == [("succeeded", "ok", 1, 1)]
    assert harness.sql("SELECT accounts_done, accounts_total FROM bank_import_runs") == [(1, 1)]
    assert harness.sql("SELECT status, code, created FROM bank_import_run_accounts") == [("succeeded", "ok", 1)]


def test_two_accounts_may_use_the_same_ids(harness):
    harness.bank.accounts.append(Account(external_id="B", name="Savings", currency="EUR"))
    harness.bank.buy("-1", external_id="1")
    harness.bank.buy("-1", external_id="1", account_id="B")
    assert harness.refresh().counts.created == 2


def test_touched_months_are_cleared_after_the_commit(harness):
    harness.bank.buy("-1", external_id="1")
    harness.refresh()
    assert harness.cleared == [(harness.user_id, frozenset({"2026-06"}))]


def test_the_exact_amount_stays_with_the_bank_line(harness):
    harness.bank.buy("-1.2345", external_id="1", currency="KWD")
    outcome = harness.refresh()
    assert harness.amounts() == ["-1.23"]
    assert harness.sql("SELECT amount FROM bank_transactions") == [(Decimal("-1.2345"),)]
    assert outcome.report["warnings"] == ["amounts_rounded"]


def test_a_refresh_asks_the_database_as_much_for_thirty_new_rows_as_for_three(harness):
    """Each statement costs a third of a millisecond, most of it planning: 61 were sent before any was looked at."""
    harness.bank.buy("-1", external_id="known")
    harness.bank.balance("100")
    harness.refresh()
    sent = {}
    for rows in (3, 30):
        harness.refresh()  # an answer with nothing new is remembered, and forgotten by the next one
        for number in range(rows):
            harness.bank.buy("-1", f"Shop {number}", external_id=f"{rows}/{number}")
        with statements(harness.sessions) as sent[rows]:
            assert harness.refresh().counts.created == rows
    assert len(sent[30]) == len(sent[3]) <= 56  # with the four that ask for the run, and one that takes a role

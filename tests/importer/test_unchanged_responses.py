"""A bank that says again what it said before: the record is repeated, and whatever is different is looked at."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tests.factories import subscribe
from tests.importer.bank import CURSOR
from worker.connectors.base import Account, RejectedRow, RemovedTransaction
from worker.connectors.errors import ProviderUnavailableError
from worker.errors import CancelRequestedError, LostLeaseError
from worker.importer.account_state import load_accounts
from worker.importer.engine import run
from worker.importer.fetch.delivery import Delivery
from worker.importer.fetch.prefetch import PrefetchedDeliveries
from worker.importer.job import job_of
from worker.runs.lease import claim
from worker.runs.request import request_run
from worker.runs.states import RunKind, RunRequest


@pytest.fixture
def quiet(harness):
    """A bank whose second answer was remembered, for it had nothing new."""
    harness.bank.buy("-3.50", external_id="1")
    harness.bank.buy("-3.50", external_id="2")
    harness.bank.balance("93.00")
    harness.refresh()
    harness.refresh()
    assert remembered(harness) == harness.run_id
    return harness


def remembered(harness):
    return harness.sql("SELECT answer_run_id FROM bank_connections")[0][0]


def record(harness, run_id):
    return harness.sql(
        "SELECT account_id, from_on, to_on, status, code, pages, fetched, created, unchanged, rejected, balance_proof"
        " FROM bank_import_run_accounts WHERE run_id = :id ORDER BY account_id",
        id=run_id,
    )


def is_unchanged(harness):
    """Refresh, and say whether the run was ended as an unchanged response."""
    before = remembered(harness)
    harness.refresh()
    return before is not None and remembered(harness) == before


def test_the_same_answer_on_the_same_day_leaves_the_same_record(quiet):
    second = quiet.run_id
    outcome = quiet.refresh()
    assert remembered(quiet) == second != quiet.run_id
    assert (outcome.code, outcome.counts.fetched, outcome.counts.unchanged) == ("nothing_new", 2, 2)
    assert record(quiet, quiet.run_id) == record(quiet, second)
    assert record(quiet, second)[0].balance_proof["reason"] == "no_other_balance"
    assert quiet.sql(
        "SELECT accounts_done, accounts_total, unchanged FROM bank_import_runs WHERE id = :i", i=quiet.run_id
    ) == [(1, 1, 2)]


def test_the_response_after_an_unchanged_one_is_unchanged_too(quiet):
    assert [is_unchanged(quiet) for _ in range(3)] == [True] * 3
    assert quiet.amounts() == ["-3.50", "-3.50"]


def test_a_balance_read_again_is_seen_as_of_now(quiet):
    later = datetime(2026, 6, 15, 18, tzinfo=UTC)
    (account,) = quiet.bank.accounts
    quiet.bank.accounts = [replace(account, balance=replace(account.balance, at=later))]
    quiet.sql("UPDATE bank_connection_accounts SET last_seen_at = now() - interval '1 day'")
    assert is_unchanged(quiet)
    assert quiet.sql("SELECT balance_at, last_seen_at > now() - interval '1 hour' FROM bank_connection_accounts") == [
        (later, True)
    ]


def test_a_balance_of_the_next_day_in_the_banks_zone_is_another_answer(harness):
    harness.bank.capabilities = replace(harness.bank.capabilities, timezone="Australia/Brisbane")
    harness.bank.buy("-3.50", external_id="1")
    harness.bank.balance("96.50")
    (account,) = harness.bank.accounts
    evening, night = (datetime(2026, 6, 14, hour, tzinfo=UTC) for hour in (13, 15))
    for at in (evening, evening, evening, night):
        harness.bank.accounts = [replace(account, balance=replace(account.balance, at=at))]
        before = remembered(harness)
        harness.refresh()
    assert before is not None
    assert remembered(harness) != before
    assert record(harness, harness.run_id)[0].balance_proof["balance_on"] == "2026-06-15"


DIFFERENT = {
    "a third coffee": lambda h: h.bank.buy("-3.50", external_id="3"),
    "another word": lambda h: h.bank.change(h.bank.rows[0], description="Coffee to go"),
    "one row less": lambda h: h.bank.rows.pop(),
    "another balance": lambda h: h.bank.balance("92.00"),
    "another name of the account": lambda h: rename(h, "Household"),
    "one account more": lambda h: h.bank.accounts.append(Account(external_id="B", name="Savings", currency="EUR")),
    "the next day": lambda h: h.day_later(),
    "another choice of the user": lambda h: h.sql(
        """UPDATE bank_connections SET options = '{"import_pending": "hide"}'"""
    ),
    "another currency of the user": lambda h: h.sql("UPDATE users SET preferred_currency = 'USD'"),
    "a row that cannot be read": lambda h: h.bank.extra.update(
        rejected=(RejectedRow(code="bad_amount", message="no number", raw="x", account_id="A"),)
    ),
    "an explicit removal": lambda h: h.bank.removed.append(RemovedTransaction(external_id="9")),
    "a warning": lambda h: h.bank.extra.update(warnings=("something_odd",)),
    "a cut answer": lambda h: setattr(h.bank, "complete", False),
    "an error, gone the second time": lambda h: h.bank.errors.update(
        {"transactions:A": [ProviderUnavailableError("down"), ProviderUnavailableError("down")]}
    ),
    "an import in between": lambda h: h.run(RunKind.IMPORT),
    "an account left out": lambda h: h.sql("UPDATE bank_connection_accounts SET included = FALSE"),
}


def rename(harness, name):
    harness.bank.accounts = [replace(account, name=name) for account in harness.bank.accounts]


@pytest.mark.parametrize("difference", DIFFERENT)
def test_whatever_is_different_makes_it_a_run_like_any_other(quiet, difference):
    DIFFERENT[difference](quiet)
    assert not is_unchanged(quiet)


def test_a_new_row_is_imported_though_the_rest_is_the_same_and_the_bank_is_asked_once(quiet):
    quiet.bank.calls.clear()
    quiet.bank.buy("-9.00", external_id="3")
    outcome = quiet.refresh()
    assert (outcome.counts.created, outcome.counts.unchanged, outcome.counts.pages) == (1, 2, 1)
    assert len(quiet.bank.calls) == 1
    assert remembered(quiet) is None


@pytest.mark.parametrize("dry_run", [False, True])
def test_of_what_is_fetched_ahead_few_rows_are_held_in_memory(harness, monkeypatch, dry_run):
    held, fetch = [], PrefetchedDeliveries._fetch

    def fetch_and_count(deliveries, request, **how):
        kept = [one for one in deliveries._prefetched.values() if isinstance(one, Delivery)]
        held.append(sum(sum(delivery.staging.counts().values()) + len(delivery.last_page) for delivery in kept))
        return fetch(deliveries, request, **how)

    names = [f"A{number}" for number in range(12)]
    harness.bank.accounts = [Account(external_id=name, name=name, currency="EUR") for name in names]
    for name in names:
        for number in range(2):
            harness.bank.buy("-3.50", external_id=f"{name}{number}", account_id=name)
    for _ in range(2):
        harness.refresh()
    monkeypatch.setattr("worker.importer.fetch.prefetch.KEPT_ROWS", 6)
    monkeypatch.setattr(PrefetchedDeliveries, "_fetch", fetch_and_count)
    if not dry_run:
        assert is_unchanged(harness)
        assert max(held) == 6
        held.clear()
    harness.bank.buy("-9.00", external_id="new", account_id=names[-1])
    harness.bank.change(harness.bank.rows[-3], description="Tea")
    outcome = harness.run(RunKind.IMPORT if dry_run else RunKind.REFRESH, dry_run=dry_run)
    assert (outcome.counts.created, outcome.counts.updated, outcome.counts.unchanged) == (1, 1, 23)
    assert (max(held), len(held)) == (6, len(names))


def test_what_a_revert_took_back_is_not_called_unchanged_by_an_unchanged_response(quiet):
    first = quiet.sql("SELECT id FROM bank_import_runs ORDER BY queued_at LIMIT 1")[0][0]
    quiet.run(RunKind.REVERT, target_run_id=first)
    assert remembered(quiet) is None
    assert not is_unchanged(quiet)
    assert quiet.amounts() == []


def test_rows_that_a_revert_allows_to_return_do_so(quiet):
    first = quiet.sql("SELECT id FROM bank_import_runs ORDER BY queued_at LIMIT 1")[0][0]
    quiet.run(RunKind.REVERT, target_run_id=first, reimport=True)
    quiet.refresh()
    assert quiet.amounts() == ["-3.50", "-3.50"]


def test_what_the_user_edits_between_unchanged_responses_stays(quiet):
    quiet.sql("UPDATE expenses SET notes = 'Coffee with Ada' WHERE id = (SELECT min(id) FROM expenses)")
    quiet.sql("DELETE FROM expenses WHERE id = (SELECT max(id) FROM expenses)")
    assert is_unchanged(quiet)
    assert [row[3] for row in quiet.expenses()] == ["Coffee with Ada"]


def test_a_dry_run_repeats_nothing_and_forgets_nothing(quiet):
    before = remembered(quiet)
    assert quiet.refresh(dry_run=True).counts.unchanged == 2
    assert remembered(quiet) == before
    assert is_unchanged(quiet)


def test_without_the_record_of_the_first_it_is_a_run_like_any_other(quiet):
    quiet.sql("DELETE FROM bank_import_run_accounts")
    assert quiet.refresh().counts.unchanged == 2
    assert remembered(quiet) == quiet.run_id


def test_a_cursor_that_stands_still_is_an_unchanged_response_and_one_that_moves_is_not(harness):
    harness.bank.capabilities = CURSOR
    harness.bank.buy("-1", external_id="1")
    for _ in range(3):
        harness.refresh()
    assert is_unchanged(harness)
    harness.bank.buy("-2", external_id="2")
    assert not is_unchanged(harness)
    assert harness.amounts() == ["-2.00", "-1.00"]


@pytest.mark.parametrize(
    ("happening", "error"),
    [
        ("lease_token = gen_random_uuid()", LostLeaseError),
        ("cancel_requested_at = now()", CancelRequestedError),
    ],
)
def test_an_unchanged_response_is_behind_the_fence_like_every_write(quiet, happening, error):
    with quiet.sessions() as session:
        run_id = request_run(session, RunRequest(connection_id=quiet.connection_id, kind=RunKind.REFRESH))
    with quiet.sessions() as session:
        claimed = claim(session, run_id, worker_name="test", lease_s=60)
    quiet.sql(f"UPDATE bank_import_runs SET {happening} WHERE id = :id", id=run_id)
    with pytest.raises(error):
        run(claimed, quiet.context())
    assert record(quiet, run_id) == []


def test_an_answer_is_not_remembered_while_its_opening_amount_is_being_taken(harness):
    harness.bank.buy("-3.50", external_id="1")
    harness.refresh()
    harness.bank.balance("96.50")
    harness.refresh()
    assert record(harness, harness.run_id)[0].balance_proof["reason"] == "opening_taken"
    assert remembered(harness) is None
    assert not is_unchanged(harness)
    assert record(harness, harness.run_id)[0].balance_proof["reason"] == "no_other_balance"


def test_rows_that_wait_for_days_to_pass_are_looked_at_every_day(harness):
    hold = harness.bank.buy("-40", external_id="h", pending=True)
    harness.refresh()
    harness.bank.rows.remove(hold)
    for _ in range(3):
        harness.refresh()
    assert harness.amounts() == ["-40.00"]
    for _ in range(9):
        harness.day_later()
        harness.refresh()
    assert harness.amounts() == []


def test_a_claim_reads_the_accounts_as_anybody_else_does(quiet):
    quiet.sql("UPDATE bank_connection_accounts SET balance_amount = 12345678901234567.89, cursor = 'c', mask = '1234'")
    with quiet.sessions() as session:
        asked = RunRequest(connection_id=quiet.connection_id, kind=RunKind.REFRESH)
        claimed = claim(session, request_run(session, asked), worker_name="test", lease_s=60)
        read = load_accounts(session, quiet.connection_id, None)
    assert job_of(claimed).accounts == read
    assert read[0].booked == Decimal("12345678901234567.89")


def test_an_unchanged_response_is_announced_to_subscriptions(quiet):
    with quiet.sessions() as session:
        subscribe(session, quiet.user_id)
    assert is_unchanged(quiet)
    ((kind, data),) = quiet.sql("SELECT type, data FROM webhook_events")
    assert (kind, data["run_id"], data["status"]) == ("import.completed", str(quiet.run_id), "succeeded")
    assert {name: count for name, count in data["counts"].items() if count} == {
        "pages": 1,
        "fetched": 2,
        "unchanged": 2,
    }


def test_an_unchanged_response_counts_as_success_of_its_connection(quiet):
    quiet.sql(
        "UPDATE bank_connections SET consecutive_failures = 3, status = 'error', rate_limit_code = 'rate_limited'"
    )
    assert is_unchanged(quiet)
    assert quiet.sql(
        "SELECT consecutive_failures, status, rate_limit_code, last_good_run_id FROM bank_connections"
    ) == [(0, "active", None, quiet.run_id)]

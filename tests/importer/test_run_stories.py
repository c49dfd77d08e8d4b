"""Windows, isolation, rate limits, dry runs, balance proofs: a run tells the truth about itself."""

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import pytest

from tests.importer.bank import CURSOR, TODAY, WINDOWED
from worker.connections.connection_changes import include_account
from worker.connectors.base import Account, AccountFailure, AuthState, AuthStatus, Scope
from worker.connectors.errors import (
    AuthenticationError,
    CursorInvalidError,
    InvalidDataError,
    ProviderUnavailableError,
    RateLimitError,
    RateLimitScope,
)
from worker.errors import CancelRequestedError, KeyProviderUnavailableError, StopRequestedError
from worker.runs.run_queries import accounts_of, decisions_of
from worker.runs.states import RunKind, RunStatus

B = Account(external_id="B", name="Savings", currency="EUR")


def test_history_is_walked_in_the_providers_windows_newest_first(harness):
    harness.bank.capabilities = replace(WINDOWED, window_days=90, history_days=365)
    for days in (0, 100, 200, 300, 364):
        harness.bank.buy("-1", external_id=str(days), booking_on=TODAY - timedelta(days=days))
    harness.refresh()
    assert len(harness.amounts()) == 5
    edges = [(first, last) for _, first, last in harness.bank.calls]
    assert edges[0][1] == TODAY
    assert all(later[0] == earlier[1] + timedelta(days=1) for later, earlier in pairwise(edges))
    assert all((last - first).days < 90 for first, last in edges)


def test_an_interrupted_history_goes_on_where_it_stopped(harness):
    harness.bank.capabilities = replace(WINDOWED, window_days=90, history_days=365)
    harness.bank.buy("-1", external_id="old", booking_on=TODAY - timedelta(days=300))
    harness.bank.errors["transactions:A"] = []
    calls = iter(range(100))

    def stop_at_the_third_page():
        if next(calls) == 2:
            raise StopRequestedError

    harness.check = stop_at_the_third_page
    with pytest.raises(StopRequestedError):
        harness.refresh()
    harness.check = lambda: None
    harness.sql("UPDATE bank_import_runs SET status = 'failed', code = 'x', finished_at = now(),"
                " lease_token = NULL, lease_expires_at = NULL")  # fmt: skip
    done = harness.sql("SELECT history_from_on FROM bank_connection_accounts")[0][0]
    harness.bank.calls.clear()
    harness.refresh()
    assert harness.amounts() == ["-1.00"]
    assert all(last < done or first >= TODAY - timedelta(days=45) for _, first, last in harness.bank.calls)


@pytest.mark.parametrize("late_days", [3, 10, 25, 44])
def test_rows_that_come_late_are_found(harness, late_days):
    harness.bank.buy("-1", external_id="1")
    harness.refresh()
    harness.bank.buy("-2", external_id="late", booking_on=TODAY - timedelta(days=late_days))
    harness.refresh()
    assert len(harness.amounts()) == 2


def test_lateness_is_learned(harness):
    harness.bank.buy("-1", external_id="1")
    harness.refresh()
    harness.bank.buy("-2", external_id="late", booking_on=TODAY - timedelta(days=44))
    harness.refresh()
    harness.bank.calls.clear()
    harness.refresh()
    assert harness.bank.calls[0][1] == TODAY - timedelta(days=58)


def test_after_an_outage_the_whole_gap_is_read(harness):
    harness.bank.buy("-1", external_id="1")
    harness.refresh()
    harness.day_later(200)
    harness.bank.buy("-2", external_id="2", booking_on=TODAY + timedelta(days=1))
    harness.refresh()
    assert len(harness.amounts()) == 2


@pytest.mark.parametrize("ending", ["an error", "a cut answer"])
def test_a_failed_or_partial_step_moves_no_watermark(harness, ending):
    harness.bank.buy("-1", external_id="1")
    harness.refresh()
    harness.day_later(10)
    if ending == "an error":
        harness.bank.errors["transactions:A"] = [InvalidDataError("broken")]
    else:
        harness.bank.complete = False
    outcome = harness.refresh()
    assert (outcome.status, outcome.code) == (
        (RunStatus.FAILED, "bad_data") if ending == "an error" else (RunStatus.PARTIAL, "truncated")
    )
    assert harness.sql("SELECT watermark_on FROM bank_connection_accounts") == [(TODAY,)]


def test_a_voided_cursor_loop_is_read_again_from_its_first_cursor(harness):
    harness.bank.capabilities = CURSOR
    harness.bank.buy("-1", external_id="1")
    harness.refresh()
    harness.bank.buy("-2", external_id="2")
    harness.bank.errors["refresh"] = [CursorInvalidError(), CursorInvalidError()]
    assert harness.refresh().counts.created == 1
    assert harness.bank.calls[-3:] == [(None, "1")] * 3
    assert harness.sql("SELECT cursor FROM bank_connections") == [("2",)]


def test_one_failing_account_does_not_stop_the_others(harness):
    harness.bank.accounts.append(B)
    harness.bank.buy("-1", external_id="1")
    harness.bank.buy("-2", external_id="1", account_id="B")
    harness.bank.errors["transactions:A"] = [InvalidDataError("broken")]
    outcome = harness.refresh()
    assert (outcome.status, outcome.code) == (RunStatus.PARTIAL, "bad_data")
    assert harness.amounts() == ["-2.00"]
    rows = harness.sql("SELECT status, code FROM bank_import_run_accounts ORDER BY account_id")
    assert rows == [("failed", "bad_data"), ("succeeded", "ok")]
    assert harness.refresh().counts.created == 1


def test_an_account_that_failed_inside_a_good_answer_is_named(harness):
    harness.bank.capabilities = replace(WINDOWED, fetch_scope=Scope.CONNECTION)
    harness.bank.accounts.append(B)
    harness.bank.buy("-1", external_id="1")
    harness.bank.extra = {"failures": (AccountFailure(account_id="B", error=AuthenticationError("log in again")),)}
    outcome = harness.refresh()
    assert (outcome.status, outcome.code) == (RunStatus.PARTIAL, "needs_user")
    assert harness.amounts() == ["-1.00"]


def test_rows_that_came_with_an_accounts_failure_are_kept_and_move_nothing(harness):
    harness.bank.buy("-1", external_id="1")
    harness.bank.extra = {"failures": (AccountFailure(account_id="A", error=InvalidDataError("data is missing")),)}
    outcome = harness.refresh()
    assert (outcome.status, outcome.code, harness.amounts()) == (RunStatus.PARTIAL, "bad_data", ["-1.00"])
    assert harness.sql("SELECT watermark_on FROM bank_connection_accounts") == [(None,)]


def test_an_account_that_is_gone_keeps_its_rows(harness):
    harness.bank.accounts.append(B)
    harness.bank.buy("-2", external_id="1", account_id="B")
    harness.refresh()
    harness.bank.accounts.pop()
    for _ in range(2):
        outcome = harness.refresh()
        assert (outcome.status, outcome.code) == (RunStatus.PARTIAL, "account_not_found")
    assert harness.amounts() == ["-2.00"]
    with harness.sessions() as session:
        include_account(session, harness.connection_id, "B", included=False)
    assert harness.refresh().status == RunStatus.SUCCEEDED


def test_new_accounts_can_wait_for_the_user(sessions, user_id):
    from tests.importer.bank import Harness

    harness = Harness(sessions, user_id, options={"new_accounts": "ask"})
    harness.bank.buy("-1", external_id="1")
    harness.refresh()
    harness.bank.accounts.append(B)
    harness.bank.buy("-2", external_id="1", account_id="B")
    for _ in range(2):
        outcome = harness.refresh()
        assert (outcome.status, outcome.code) == (RunStatus.PARTIAL, "new_account")
    assert harness.amounts() == ["-1.00"]
    with sessions() as session:
        include_account(session, harness.connection_id, "B", included=True)
    assert harness.refresh().status == RunStatus.SUCCEEDED
    assert harness.amounts() == ["-2.00", "-1.00"]


@pytest.mark.parametrize("call", ["auth", "accounts", "transactions:A"])
def test_a_burst_limit_is_waited_out(harness, call):
    harness.bank.buy("-1", external_id="1")
    harness.bank.errors[call] = [RateLimitError(retry_after_s=3), RateLimitError()]
    assert harness.refresh().status == RunStatus.SUCCEEDED
    assert len(harness.waits) == 2
    assert 3 <= harness.waits[0] <= 3.5


@pytest.mark.parametrize(
    ("error", "waits", "at_least_s"),
    [
        (RateLimitError(scope=RateLimitScope.QUOTA, retry_after_s=7200), 0, 7200),
        (RateLimitError(scope=RateLimitScope.QUOTA), 0, 3600),
        (RateLimitError(retry_after_s=600), 0, 600),
        (KeyProviderUnavailableError(), 0, 60),
    ],
    ids=["quota with a time", "quota until midnight", "a burst too long to wait", "keys away"],
)
def test_longer_waits_defer_the_run(harness, error, waits, at_least_s):
    harness.bank.errors["accounts"] = [error]
    outcome = harness.refresh()
    assert (outcome.status, outcome.code) == (RunStatus.DEFERRED, error.code)
    assert outcome.defer_s >= at_least_s
    assert len(harness.waits) == waits


def test_a_deferred_run_goes_on_and_counts_everything(harness):
    harness.bank.accounts.append(B)
    harness.bank.buy("-1", external_id="1")
    harness.bank.buy("-2", external_id="1", account_id="B")
    harness.bank.errors["transactions:B"] = [RateLimitError(scope=RateLimitScope.QUOTA, retry_after_s=1)]
    assert harness.refresh().status == RunStatus.DEFERRED
    assert harness.amounts() == ["-1.00"]
    harness.sql("UPDATE bank_import_runs SET not_before = now()")
    harness.bank.calls.clear()
    outcome = harness.refresh()
    assert (outcome.status, outcome.counts.created) == (RunStatus.SUCCEEDED, 2)
    assert {call[0] for call in harness.bank.calls} == {"B"}


@pytest.mark.parametrize(
    ("error", "tries", "code"),
    [
        (ProviderUnavailableError, 2, "provider_down"),
        (AuthenticationError, 1, "needs_user"),
        (InvalidDataError, 1, "bad_data"),
    ],
)
def test_only_an_outage_gets_one_quick_second_try(harness, error, tries, code):
    harness.bank.errors["transactions:A"] = [error("no") for _ in range(5)]
    outcome = harness.refresh()
    assert (outcome.status, outcome.code) == (RunStatus.FAILED, code)
    assert len(harness.bank.calls) == tries


def test_an_account_that_an_outage_kept_from_being_read_stands_in_the_run(harness):
    harness.bank.accounts.append(B)
    harness.bank.buy("-1", external_id="1")
    harness.bank.errors["transactions:B"] = [ProviderUnavailableError("no", everyone=True) for _ in range(5)]
    assert harness.refresh().status == RunStatus.PARTIAL
    with harness.sessions() as session:
        told = accounts_of(session, harness.run_id)
    assert [(one["account_external_id"], one["status"], one["code"], one["created"]) for one in told] == [
        ("A", "succeeded", "ok", 1),
        ("B", "failed", "provider_down", 0),
    ]


def test_accounts_that_the_bank_did_not_list_are_not_taken_for_one_that_an_outage_kept_from_being_read(harness):
    harness.refresh()
    harness.sql("INSERT INTO bank_connection_accounts (connection_id, user_id, external_id, name, status)"
                " SELECT id, user_id, 'old', 'Closed', 'closed' FROM bank_connections")  # fmt: skip
    harness.bank.accounts[:] = [B]
    harness.bank.errors["transactions:B"] = [ProviderUnavailableError("no", everyone=True) for _ in range(5)]
    harness.refresh()
    with harness.sessions() as session:
        told = accounts_of(session, harness.run_id)
    assert [(one["account_external_id"], one["status"]) for one in told] == [("A", "partial"), ("B", "failed")]


def test_an_account_that_was_asked_for_by_its_former_id_and_not_reached_stands_in_the_run(harness):
    harness.refresh()
    harness.sql("UPDATE bank_connection_accounts SET former_external_ids = '{before}'")
    harness.bank.errors["transactions:A"] = [ProviderUnavailableError("no", everyone=True) for _ in range(5)]
    harness.refresh(account_external_id="before")
    with harness.sessions() as session:
        told = accounts_of(session, harness.run_id)
    assert [(one["account_external_id"], one["status"]) for one in told] == [("A", "failed")]


def test_an_expired_login_ends_in_needs_user_before_any_data_is_read(harness):
    harness.bank.auth = AuthStatus(state=AuthState.NEEDS_USER, reason="expired")
    outcome = harness.refresh()
    assert (outcome.status, outcome.code) == (RunStatus.FAILED, "needs_user")
    assert harness.bank.calls == []


def test_a_cancelled_run_keeps_what_was_committed(harness):
    harness.bank.accounts.append(B)
    harness.bank.buy("-1", external_id="1")
    harness.bank.buy("-2", external_id="1", account_id="B")
    calls = iter(range(100))

    def cancel_later():
        if next(calls) == 3:
            raise CancelRequestedError

    harness.check = cancel_later
    with pytest.raises(CancelRequestedError):
        harness.refresh()
    assert harness.amounts() == ["-1.00"]


def test_a_dry_run_promises_exactly_what_the_import_then_does(harness):
    harness.bank.accounts.append(B)
    changing = harness.bank.buy("-1", "Baker", external_id="1")
    harness.bank.buy("-5", external_id="2")
    harness.refresh()
    harness.type_in("7", "Butcher")
    harness.bank.change(changing, amount=changing.amount - 1)
    harness.bank.buy("-7", "BUTCHER", external_id="3")
    harness.bank.buy("-8", external_id="4", account_id="B")
    harness.bank.buy("-8", external_id="bad", currency="???")
    before = (harness.expenses(), harness.sql("SELECT count(*) FROM bank_transactions"))
    dry = harness.run(RunKind.IMPORT, dry_run=True)
    assert (harness.expenses(), harness.sql("SELECT count(*) FROM bank_transactions")) == before
    assert harness.sql("SELECT count(*) FROM bank_import_rejections") == [(0,)]
    decided = harness.sql(
        "SELECT decision, count(*) FROM bank_transaction_changes WHERE run_id = :r GROUP BY 1 ORDER BY 1",
        r=harness.run_id,
    )
    assert decided == [("created", 1), ("linked", 1), ("rejected", 1), ("unchanged", 1), ("updated", 1)]
    real = harness.run(RunKind.IMPORT)
    assert dry.counts == real.counts


def test_a_dry_run_of_a_bank_never_imported_writes_nothing_but_its_report(harness):
    harness.bank.buy("-1", external_id="1")
    outcome = harness.run(RunKind.IMPORT, dry_run=True)
    assert outcome.counts.created == 1
    assert harness.sql("SELECT count(*) FROM bank_connection_accounts") == [(0,)]
    assert harness.sql("SELECT decision, detail ->> 'amount' FROM bank_transaction_changes") == [("created", "-1")]
    with harness.sessions() as session:
        (told,) = decisions_of(session, harness.run_id)
    assert told["account"] == harness.bank.accounts[0].name


class TestBalanceProof:
    def proofs(self, harness):
        rows = harness.sql("SELECT balance_proof FROM bank_import_run_accounts ORDER BY id")
        return [(p["result"], p["reason"], p["difference"]) for (p,) in rows]

    def test_without_a_balance_nothing_is_proven(self, harness):
        harness.bank.buy("-1", external_id="1")
        harness.refresh()
        assert self.proofs(harness) == [("unproven", "no_balance", None)]

    def test_the_opening_is_taken_once_and_then_everything_has_to_fit(self, harness):
        harness.bank.buy("-1", external_id="1")
        harness.bank.balance("99")
        harness.refresh()
        harness.bank.buy("-4", external_id="2")
        harness.bank.balance("95")
        harness.refresh()
        assert self.proofs(harness) == [("unproven", "opening_taken", None), ("proven", "balances", None)]

    def test_a_gap_is_named_with_its_amount_and_day_and_never_made_to_fit(self, harness):
        harness.bank.buy("-1", external_id="1")
        harness.bank.balance("99")
        harness.refresh()
        harness.refresh()
        harness.day_later()
        harness.bank.balance("90")
        for _ in range(2):
            harness.refresh()
        [proof] = harness.sql("SELECT balance_proof FROM bank_import_run_accounts WHERE run_id = :r", r=harness.run_id)[
            0
        ]
        assert (proof["result"], proof["difference"], proof["since_on"]) == ("mismatch", "-9", "2026-06-15")

    def test_pending_and_future_rows_do_not_count(self, harness):
        harness.bank.buy("-1", external_id="1")
        harness.bank.balance("99")
        harness.refresh()
        harness.bank.buy("-4", external_id="2", pending=True)
        harness.bank.buy("-5", external_id="3", booking_on=date(2026, 7, 1))
        harness.refresh()
        assert self.proofs(harness)[-1] == ("unproven", "no_other_balance", None)
        harness.bank.buy("-6", external_id="4")
        harness.bank.balance("93")
        harness.refresh()
        assert self.proofs(harness)[-1] == ("proven", "balances", None)


def test_every_row_of_a_run_is_explained(harness):
    row = harness.bank.buy("-1", "Baker", external_id="1")
    harness.refresh()
    harness.bank.change(row, description="Bakery")
    harness.bank.buy("-2", "Butcher", external_id="2")
    harness.refresh()
    with harness.sessions() as session:
        told = decisions_of(session, harness.run_id)
        rest = decisions_of(session, harness.run_id, after_id=told[0]["id"])
    assert [(d["decision"], d["reason"], d["description"], d["account"]) for d in told] == [
        ("updated", "amended", "Bakery", "Checking"),
        ("created", "new_id", "Butcher", "Checking"),
    ]
    assert rest == told[1:]

"""The shipped connectors of this folder, through the real engine into a real Postgres."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from pydantic import SecretStr

from tests.fakes.simplefin_bank import Bank, BankAccount, Entry
from tests.fakes.simplefin_server import Fault, SimpleFinServer
from tests.importer.bank import Harness
from worker.connectors.base import BankConnector, ConnectorContext
from worker.connectors.mock import MockConfig, MockConnector
from worker.connectors.simplefin import SimpleFinConfig, SimpleFinConnector
from worker.importer.context import ImportContext
from worker.net.http import HttpLimits, open_client
from worker.runs.states import RunKind, RunStatus

TODAY = date(2026, 6, 15)


class Through(Harness):
    """A harness whose connection goes to a connector instead of a script."""

    opened: BankConnector

    def context(self) -> ImportContext:
        return replace(super().context(), open_connector=lambda _connection_id: self.opened)

    @contextmanager
    def at(self, connector: type[BankConnector], config, *, on: date = TODAY) -> Iterator["Through"]:
        self.bank.today = on
        with open_client(HttpLimits(connect_s=5, read_s=20, total_s=20)) as http:
            now = datetime(on.year, on.month, on.day, 17, tzinfo=UTC)
            timezone = connector.capabilities.timezone
            self.opened = connector(config, ConnectorContext(http=http, now=lambda: now, timezone=timezone))
            yield self


@pytest.fixture
def through(sessions, user_id) -> Through:
    return Through(sessions, user_id)


def mock(**config) -> MockConfig:
    return MockConfig(**({"history_days": 60} | config))


@pytest.mark.parametrize("days", [0, 1, 5])
def test_the_mock_is_imported_once_however_often_and_pending_purchases_post_in_place(through, days):
    with through.at(MockConnector, mock()):
        first = through.refresh()
    with through.at(MockConnector, mock(), on=TODAY + timedelta(days=days)):
        again = through.refresh()
        truth = [page for account in ("mock-1", "mock-2") for page in through.opened.get_transactions(
            account, TODAY - timedelta(days=59), TODAY + timedelta(days=days))]  # fmt: skip
    assert first.status is again.status is RunStatus.SUCCEEDED
    shown = [row for page in truth for row in page.transactions if row.kind != "transfer"]
    recent = TODAY - timedelta(days=59 - days)
    assert sorted(Decimal(row[1]) for row in through.expenses() if date.fromisoformat(row[0]) >= recent) == sorted(
        row.amount for row in shown if row.transaction_on >= recent
    )


def proofs(through: Through) -> set[tuple[str, str]]:
    rows = through.sql(
        "SELECT balance_proof->>'result', balance_proof->>'reason' FROM bank_import_run_accounts WHERE run_id = :r",
        r=through.run_id,
    )
    return {(result, reason) for result, reason in rows}


@pytest.mark.parametrize("days", [3, 9])
def test_the_balances_of_the_mock_prove_what_was_imported(through, days):
    for later in (0, days):
        with through.at(MockConnector, mock(), on=TODAY + timedelta(days=later)):
            through.refresh()
    # The bank sells equal things on one day: another balance alone cannot tell them from doubles of the first load.
    assert proofs(through) <= {("proven", "balances"), ("unproven", "equal_rows_in_first_load")}
    assert ("proven", "balances") in proofs(through)


def test_a_rate_limited_mock_is_waited_for_and_then_imported(through):
    with through.at(MockConnector, mock(mode="rate_limited", limited_calls=2, retry_after_s=7)):
        outcome = through.refresh()
    assert outcome.status is RunStatus.SUCCEEDED
    assert [7 <= wait_s <= 8 for wait_s in through.waits] == [True, True]
    assert through.expenses()


def test_a_flaky_mock_gets_its_second_try(through):
    with through.at(MockConnector, mock(mode="flaky", page_size=20)):
        assert through.refresh().status is RunStatus.SUCCEEDED


@pytest.mark.parametrize(
    ("config", "status", "code"),
    [
        ({"mode": "auth_expired"}, RunStatus.FAILED, "needs_user"),
        ({"mode": "error"}, RunStatus.FAILED, "provider_down"),
        ({"mode": "error", "fault": "bad_data", "fault_account": "mock-2"}, RunStatus.PARTIAL, "bad_data"),
        ({"mode": "rate_limited", "limit_scope": "quota", "limited_calls": 9}, RunStatus.DEFERRED, "rate_limited"),
        ({"mode": "empty"}, RunStatus.SUCCEEDED, "nothing_new"),
    ],
    ids=["auth_expired", "error", "one-account", "quota", "empty"],
)
def test_every_mode_of_the_mock_ends_as_it_should(through, config, status, code):
    with through.at(MockConnector, mock(**config)):
        outcome = through.refresh()
    assert (outcome.status, outcome.code) == (status, code)


@pytest.fixture
def simplefin():
    accounts = [
        BankAccount(id="ACT-1", name="Checking (1234)", opening="500.00"),
        BankAccount(id="ACT-2", name="Card", connection_id="CON-2", institution="Second Bank"),
    ]
    now = datetime(TODAY.year, TODAY.month, TODAY.day, 17, tzinfo=UTC)
    for account in accounts:
        account.entries = [
            Entry(id=f"t{ago}", amount=f"-{ago + 1}.00", posted_at=now - timedelta(days=ago))
            for ago in range(0, 400, 10)
        ]
    with SimpleFinServer(Bank(accounts=accounts, now=now)) as server:
        yield server


def access(server: SimpleFinServer) -> SimpleFinConfig:
    return SimpleFinConfig(access_url=SecretStr(server.access_url))


def test_a_year_of_simplefin_arrives_over_http_without_hole_or_overlap(through, simplefin):
    with through.at(SimpleFinConnector, access(simplefin)):
        first = through.run(RunKind.IMPORT)
        assert (first.status, first.counts.created) == (RunStatus.SUCCEEDED, 80)
        second = through.refresh()
    assert (second.code, second.counts.created) == ("nothing_new", 0)
    assert len(through.expenses()) == 80
    assert len(simplefin.requests) <= 12


def test_the_balances_of_simplefin_prove_what_was_imported(through, simplefin):
    with through.at(SimpleFinConnector, access(simplefin)):
        through.refresh()
    simplefin.bank.now += timedelta(days=3)
    simplefin.bank.account("ACT-1").entries.append(Entry(id="new", amount="-7.00", posted_at=simplefin.bank.now))
    with through.at(SimpleFinConnector, access(simplefin), on=TODAY + timedelta(days=3)):
        assert through.refresh().counts.created == 1
    assert proofs(through) == {("proven", "balances")}


def test_one_bank_that_wants_a_login_does_not_stop_the_other(through, simplefin):
    simplefin.bank.troubles = [{"code": "con.auth", "conn_id": "CON-2", "msg": "Log in again"}]
    with through.at(SimpleFinConnector, access(simplefin)):
        outcome = through.refresh()
    assert (outcome.status, outcome.counts.created) == (RunStatus.PARTIAL, 49), "rows that came along are kept"


def test_the_spent_allowance_of_simplefin_defers_the_run(through, simplefin):
    simplefin.fail(Fault(status=429, times=9))
    with through.at(SimpleFinConnector, access(simplefin)):
        outcome = through.refresh()
    assert (outcome.status, outcome.code) == (RunStatus.DEFERRED, "rate_limited")
    assert through.waits == []


@pytest.mark.parametrize(("says", "posted"), [(True, 0), ("true", 0), (1, 0), ("1", 0), (None, None), (None, 0)])
def test_a_pending_row_is_one_in_every_spelling_and_posts_in_place(through, simplefin, says, posted):
    now = simplefin.bank.now
    simplefin.bank.says_pending, simplefin.bank.posted_of_pending = says, posted
    account = simplefin.bank.account("ACT-1")
    account.entries = [Entry(id="hold", amount="-20.00", posted_at=None, transacted_at=now, description="Trattoria")]
    with through.at(SimpleFinConnector, access(simplefin)):
        through.refresh(account_external_id="ACT-1")
    account.entries = [Entry(id="t1", amount="-22.00", posted_at=now, transacted_at=now, description="Trattoria")]
    with through.at(SimpleFinConnector, access(simplefin), on=TODAY + timedelta(days=1)):
        through.refresh(account_external_id="ACT-1")
    assert through.amounts() == ["-22.00"]


def test_rows_without_ids_and_moments_as_text_are_imported_once(through, simplefin):
    simplefin.bank.blank_ids = simplefin.bank.numbers_as_text = True
    for _ in range(2):
        with through.at(SimpleFinConnector, access(simplefin)):
            through.refresh()
        assert len(through.expenses()) == 80


def test_a_balance_that_counts_what_is_pending_is_no_mismatch(through, simplefin):
    simplefin.bank.balance_counts_pending = True
    with through.at(SimpleFinConnector, access(simplefin)):
        through.refresh()
    now = simplefin.bank.now
    simplefin.bank.account("ACT-1").entries.append(
        Entry(id="hold", amount="-20.00", posted_at=None, transacted_at=now, description="Trattoria")
    )
    with through.at(SimpleFinConnector, access(simplefin)):
        through.refresh()
    assert "mismatch" not in {result for result, _ in proofs(through)}

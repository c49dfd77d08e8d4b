"""Every behaviour of the fakes, and histories of a simulated bank: a replay decides what was decided."""

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from tests.fakes import enablebanking_server, gocardless_server, plaid_server
from tests.fakes.enablebanking_server import FakeEnableBanking
from tests.fakes.gocardless_server import FakeGoCardless
from tests.fakes.plaid_server import CARD, FakePlaid
from tests.fakes.provider_server import NOW, Detour, serving
from tests.fakes.simplefin_bank import Bank, BankAccount, Entry, made_up_bank
from tests.fakes.simplefin_server import Fault, SimpleFinServer
from tests.recordings.recorded import RecordedConnection
from worker.connectors.enablebanking import EnableBankingConfig, EnableBankingConnector
from worker.connectors.gocardless import GoCardlessConfig, GoCardlessConnector
from worker.connectors.plaid import PlaidConfig, PlaidConnector
from worker.connectors.simplefin import SimpleFinConfig, SimpleFinConnector
from worker.net.http import HttpLimits, open_client
from worker.runs.states import RunKind


def nothing(_fake):
    """Switch nothing on."""


def same(connection):
    for place, replay in enumerate(connection.replays()):
        assert replay.differences == [], f"recording {place}"


@pytest.fixture
def plaid(sessions, user_id):
    fake = FakePlaid()
    with serving(fake) as url:
        connection = RecordedConnection(sessions, user_id, PlaidConnector, lambda: Detour(url))
        connection.config = PlaidConfig(
            client_id=plaid_server.CLIENT_ID, secret=SecretStr(plaid_server.SECRET),
            access_token=SecretStr("access-canary-1"), item_id="item-1",
        )  # fmt: skip
        connection.clock = NOW
        for place in range(7):
            fake.add(plaid_server.transaction(f"t{place}", 10.5 + place, merchant_name=f"Merchant {place % 3}"))
        fake.page_size = 3
        yield fake, connection


PLAID = {
    "as it is": lambda _fake: None,
    "mutates": lambda fake: setattr(fake, "mutate_before", 2),
    "always mutates": lambda fake: setattr(fake, "always_mutates", True),
    "not ready": lambda fake: setattr(fake, "status", "NOT_READY"),
    "still loading": lambda fake: setattr(fake, "status", "INITIAL_UPDATE_COMPLETE"),
    "no institution": lambda fake: setattr(fake, "institution_name", None),
    "needs login": lambda fake: setattr(
        fake,
        "item_error",
        {
            "error_type": "ITEM_ERROR",
            "error_code": "ITEM_LOGIN_REQUIRED",
            "error_message": "x",
            "display_message": None,
        },
    ),
    "rate limited": lambda fake: fake.fail("/transactions/sync", "RATE_LIMIT_EXCEEDED", "TRANSACTIONS_SYNC_LIMIT", 429),
    "bank down": lambda fake: fake.fail("/transactions/sync", "INSTITUTION_ERROR", "INSTITUTION_DOWN"),
    "plaid down": lambda fake: fake.fail("/accounts/get", "API_ERROR", "INTERNAL_SERVER_ERROR", 500),
    "odd currency": lambda fake: fake.add(plaid_server.transaction("o", 1.25, iso_currency_code="EUR")),
    "card": lambda fake: fake.add(plaid_server.transaction("c", -33.1, account_id=CARD)),
    "unknown account": lambda fake: fake.add(plaid_server.transaction("u", 7.77, account_id="nobody's")),
}


@pytest.mark.parametrize("behaviour", PLAID.values(), ids=PLAID)
def test_plaid(plaid, behaviour):
    fake, connection = plaid
    behaviour(fake)
    connection.refresh()
    connection.refresh()
    same(connection)


def test_plaid_over_days(plaid):
    fake, connection = plaid
    fake.add(plaid_server.transaction("p1", 20.0, pending=True, date="2026-11-19", merchant_name="Trattoria Roma"))
    connection.refresh()
    fake.add(plaid_server.transaction("p2", 23.0, pending_transaction_id="p1", merchant_name="Trattoria Roma"))
    fake.remove("p1")
    fake.modify(plaid_server.transaction("t2", 99.99))
    fake.remove("t3")
    connection.later(NOW + timedelta(days=2))
    connection.refresh()
    fake.forgotten = {f"c{len(fake.journal)}"}
    fake.add(plaid_server.transaction("late", 5.0, date="2026-10-01"))
    connection.later(NOW + timedelta(days=4))
    connection.refresh()
    connection.run(RunKind.IMPORT, from_on=datetime(2026, 11, 1, tzinfo=UTC).date())
    connection.run(RunKind.REFRESH, account_external_id=CARD)
    connection.run(RunKind.IMPORT, dry_run=True)
    assert connection.sql("SELECT count(*) FROM bank_transaction_changes")[0][0] > 3
    same(connection)


@pytest.fixture
def enablebanking(sessions, user_id):
    fake = FakeEnableBanking()
    with serving(fake) as url:
        connection = RecordedConnection(sessions, user_id, EnableBankingConnector, lambda: Detour(url))
        connection.config = EnableBankingConfig(
            application_id=enablebanking_server.APPLICATION,
            private_key=SecretStr(enablebanking_server.PRIVATE_KEY),
            session_id=fake.session_id,
            bank="Nordea",
        )
        connection.clock = NOW
        rows = [
            enablebanking_server.transaction(f"{3 + place}.50", "DBIT", entry_reference=f"ref-{place}")
            for place in range(6)
        ]
        fake.pages = [rows[:2], rows[2:4], rows[4:]]
        yield fake, connection


ENABLE_BANKING = {
    "as it is": lambda _fake: None,
    "oldest day unsaid": lambda fake: setattr(fake, "oldest_days", 60),
    "oldest day said": lambda fake: (setattr(fake, "oldest_days", 60), setattr(fake, "says_oldest", True)),
    "repeats the last key": lambda fake: setattr(fake, "repeat_last_key", True),
    "repeats a key": lambda fake: setattr(fake, "repeat_key", True),
    "refuses date_to": lambda fake: setattr(fake, "refuses_date_to", True),
    "wants the key alone": lambda fake: setattr(fake, "wants_key_alone", True),
    "refuses in mid-window": lambda fake: setattr(fake, "refuses_pages_from", (1, "ASPSP_ERROR", 400)),
    "spent": lambda fake: setattr(fake, "allowance", 1),
    "expired": lambda fake: setattr(fake, "status", "EXPIRED"),
}


@pytest.mark.parametrize("behaviour", ENABLE_BANKING.values(), ids=ENABLE_BANKING)
def test_enable_banking(enablebanking, behaviour):
    fake, connection = enablebanking
    behaviour(fake)
    connection.refresh()
    connection.refresh()
    same(connection)


@pytest.fixture
def gocardless(sessions, user_id):
    fake = FakeGoCardless()
    with serving(fake) as url:
        connection = RecordedConnection(sessions, user_id, GoCardlessConnector, lambda: Detour(url, strip="/api/v2"))
        connection.config = GoCardlessConfig(
            secret_id=SecretStr(gocardless_server.SECRET_ID),
            secret_key=SecretStr(gocardless_server.SECRET_KEY),
            requisition_id=fake.requisition_id,
        )
        connection.clock = NOW
        fake.booked = [
            gocardless_server.transaction(f"-{5 + place}.25", transactionId=f"tx-{place}") for place in range(5)
        ]
        fake.pending = [gocardless_server.transaction("-9.99", transactionId="pending-1")]
        yield fake, connection


GOCARDLESS = {
    "as it is": lambda _fake: None,
    "no booked rows": lambda fake: setattr(fake, "booked", []),
    "no pending list": lambda fake: setattr(fake, "pending", None),
    "suspended": lambda fake: setattr(fake, "status", "SU"),
    "processing": lambda fake: setattr(fake, "processing", 3),
    "bank errors": lambda fake: setattr(fake, "bank_errors", 2),
    "refused account": lambda fake: setattr(fake, "refused_ids", set(fake.account_ids)),
    "spent": lambda fake: setattr(fake, "allowance", 0),
}


@pytest.mark.parametrize("behaviour", GOCARDLESS.values(), ids=GOCARDLESS)
def test_gocardless(gocardless, behaviour):
    fake, connection = gocardless
    behaviour(fake)
    connection.refresh()
    connection.refresh()
    same(connection)


@contextmanager
def simplefin(sessions, user_id, bank, now):
    with SimpleFinServer(bank) as server:
        client = open_client(HttpLimits(connect_s=5, read_s=20, total_s=20))
        connection = RecordedConnection(sessions, user_id, SimpleFinConnector, lambda: client._transport)
        connection.config = SimpleFinConfig(access_url=SecretStr(server.access_url))
        connection.clock = now
        yield server, connection


T = datetime(2026, 6, 15, 17, tzinfo=UTC)


def two_accounts():
    accounts = [
        BankAccount(id="ACT-1", name="Checking (1234)", opening="500.00"),
        BankAccount(id="ACT-2", name="Card", connection_id="CON-2", institution="Second Bank"),
    ]
    for account in accounts:
        account.entries = [
            Entry(id=f"t{ago}", amount=f"-{ago + 1}.00", posted_at=T - timedelta(days=ago)) for ago in range(0, 200, 10)
        ]
    return Bank(accounts=accounts, now=T)


SIMPLEFIN = {
    "as it is": lambda _server: None,
    "protocol 1": lambda server: setattr(server.bank, "protocol", 1),
    "one bank wants a login": lambda server: server.bank.troubles.append(
        {"code": "con.auth", "conn_id": "CON-2", "msg": "Log in again"}
    ),
    "pending as a word": lambda server: setattr(server.bank, "says_pending", "true"),
    "pending as a number": lambda server: setattr(server.bank, "says_pending", 1),
    "pending unsaid": lambda server: (
        setattr(server.bank, "says_pending", None),
        setattr(server.bank, "posted_of_pending", None),
    ),
    "blank ids": lambda server: setattr(server.bank, "blank_ids", True),
    "numbers as text": lambda server: setattr(server.bank, "numbers_as_text", True),
    "wants a login": lambda server: server.bank.needs_login.add("CON-2"),
    "balance counts pending": lambda server: setattr(server.bank, "balance_counts_pending", True),
    "securities": lambda server: server.bank.securities.add("ACT-2"),
    "spent": lambda server: server.fail(Fault(status=429, times=9)),
    "forbidden": lambda server: server.fail(Fault(status=403, times=9)),
    "unpaid": lambda server: server.fail(Fault(status=402, times=9)),
    "down": lambda server: server.fail(Fault(status=500, times=1)),
    "a web page": lambda server: server.fail(Fault(status=200, body=b"<html>Anna Canary</html>", times=1)),
    "not JSON": lambda server: server.fail(Fault(status=200, body=b"{Anna", times=1)),
}


@pytest.mark.parametrize("behaviour", SIMPLEFIN.values(), ids=SIMPLEFIN)
def test_simplefin(sessions, user_id, behaviour):
    with simplefin(sessions, user_id, two_accounts(), T) as (server, connection):
        behaviour(server)
        connection.refresh()
        now = T + timedelta(days=1)
        server.bank.now = now
        connection.later(now)
        account = server.bank.account("ACT-1")
        account.entries.append(Entry(id="hold", amount="-20.00", posted_at=None, transacted_at=now, payee="Trattoria"))
        connection.refresh()
        account.entries[-1] = Entry(id="done", amount="-22.00", posted_at=now, transacted_at=now, payee="Trattoria")
        connection.refresh()
        same(connection)


@pytest.mark.parametrize("seed", ["a", "b", "c", "d"])
def test_histories_of_the_simulated_bank(sessions, user_id, seed):
    now = datetime(2026, 6, 1, 17, tzinfo=UTC)
    with simplefin(sessions, user_id, made_up_bank(now.date(), seed), now) as (server, connection):
        for days in (0, 1, 4, 12):
            server.bank = made_up_bank((now + timedelta(days=days)).date(), seed)
            server.bank.now = now + timedelta(days=days)
            connection.later(server.bank.now)
            connection.refresh()
        assert len(connection.expenses()) > 20
        same(connection)

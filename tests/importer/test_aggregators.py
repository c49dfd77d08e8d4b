"""The three aggregators through the real engine: what their fakes tell ends up as expenses, each exactly once."""

import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.fakes import enablebanking_server, gocardless_server, plaid_server
from tests.fakes.enablebanking_server import FakeEnableBanking
from tests.fakes.gocardless_server import FakeGoCardless
from tests.fakes.plaid_server import FakePlaid
from tests.fakes.provider_server import NOW, FakeProvider, context_for, serving
from tests.importer.bank import Harness
from worker.connectors.base import BankConnector
from worker.connectors.enablebanking import EnableBankingConfig, EnableBankingConnector
from worker.connectors.gocardless import GoCardlessConfig, GoCardlessConnector
from worker.connectors.plaid import PlaidConfig, PlaidConnector
from worker.importer.context import ImportContext
from worker.runs.states import RunKind


class Aggregated(Harness):
    """A connection through a real connector; `config` is what a run would find sealed in the row."""

    def __init__(self, sessions: Any, user_id: int, fake: FakeProvider, connector: type[BankConnector], config: Any):
        super().__init__(sessions, user_id)
        self.sql("UPDATE bank_connections SET connector_name = :n", n=connector.name)
        self.bank.today = NOW.date()
        self.fake = fake
        self.connector = connector
        self.config = config
        self.stack = ExitStack()

    def context(self) -> ImportContext:
        return replace(super().context(), open_connector=lambda _connection_id: self._open(), now=lambda: NOW)

    def _open(self) -> BankConnector:
        context = self.stack.enter_context(context_for(self.fake.url))
        return self.connector(self.config, replace(context, save_config=self._keep))

    def _keep(self, config: Any) -> None:
        self.config = config


@contextmanager
def aggregated(sessions: Any, user_id: int, fake: Any, connector: Any, config: Any) -> Iterator[Aggregated]:
    with serving(fake) as fake.url:
        harness = Aggregated(sessions, user_id, fake, connector, config)
        with harness.stack:
            yield harness


@pytest.fixture
def plaid(sessions, user_id):
    config = PlaidConfig(
        client_id=plaid_server.CLIENT_ID, secret=plaid_server.SECRET, access_token="access-1", item_id="item-1"
    )
    with aggregated(sessions, user_id, FakePlaid(), PlaidConnector, config) as harness:
        yield harness


@pytest.fixture
def enablebanking(sessions, user_id):
    fake = FakeEnableBanking()
    config = EnableBankingConfig(
        application_id=enablebanking_server.APPLICATION,
        private_key=enablebanking_server.PRIVATE_KEY,
        session_id=fake.session_id,
    )
    with aggregated(sessions, user_id, fake, EnableBankingConnector, config) as harness:
        yield harness


@pytest.fixture
def gocardless(sessions, user_id):
    fake = FakeGoCardless()
    fake.allowance = 100
    config = GoCardlessConfig(
        secret_id=gocardless_server.SECRET_ID,
        secret_key=gocardless_server.SECRET_KEY,
        requisition_id=fake.requisition_id,
    )
    with aggregated(sessions, user_id, fake, GoCardlessConnector, config) as harness:
        yield harness


def test_plaid_added_modified_removed_and_posted(plaid):
    for account in plaid.fake.accounts:
        account["balances"]["current"] = None  # the fake's does not follow its rows
    plaid.fake.add(plaid_server.transaction("t1", 72.1))
    plaid.fake.add(plaid_server.transaction("p1", 9.5, pending=True))
    assert plaid.refresh().code == "ok"
    assert sorted(plaid.amounts()) == ["-72.10", "-9.50"]
    plaid.fake.remove("p1")
    plaid.fake.add(plaid_server.transaction("t2", 11.5, pending_transaction_id="p1"))
    plaid.fake.modify(plaid_server.transaction("t1", 70.0))
    assert plaid.refresh().code == "ok"
    assert sorted(plaid.amounts()) == ["-11.50", "-70.00"]
    plaid.fake.remove("t1")
    plaid.refresh()
    assert plaid.amounts() == ["-11.50"]
    assert plaid.refresh().code == "nothing_new"
    assert plaid.fake.asked[-1].body["cursor"] == "c6"


def test_plaid_mutation_while_paging_starts_over_and_loses_nothing(plaid):
    plaid.fake.page_size = 1
    plaid.fake.mutate_before = 3
    for number in range(4):
        plaid.fake.add(plaid_server.transaction(f"t{number}", number + 1))
    assert plaid.refresh().code == "ok"
    assert sorted(plaid.amounts()) == ["-1.00", "-2.00", "-3.00", "-4.00"]


def test_plaid_date_range_import_leaves_the_cursor_alone(plaid):
    plaid.fake.add(plaid_server.transaction("t1", 5))
    plaid.refresh()
    before = plaid.sql("SELECT cursor FROM bank_connections")
    plaid.fake.add(plaid_server.transaction("t2", 6))
    day = datetime(2026, 11, 10, tzinfo=UTC).date()
    plaid.run(RunKind.IMPORT, from_on=day, to_on=day)
    assert sorted(plaid.amounts()) == ["-5.00", "-6.00"]
    assert plaid.sql("SELECT cursor FROM bank_connections") == before


def test_two_equal_coffees_whose_references_change_stay_two(enablebanking):
    coffee = enablebanking_server.transaction("3.20", "DBIT", remittance_information=["Coffee"])
    enablebanking.fake.pages = [[coffee, coffee]]
    assert enablebanking.refresh().code == "ok"
    enablebanking.fake.pages = [
        [coffee | {"entry_reference": "2026-11-10.0"}, coffee | {"entry_reference": "2026-11-10.1"}]
    ]
    enablebanking.refresh()
    assert enablebanking.amounts() == ["-3.20", "-3.20"]


def test_a_renewed_consent_keeps_the_account_and_its_rows(enablebanking):
    enablebanking.fake.pages = [[enablebanking_server.transaction("3.20", "DBIT")]]
    enablebanking.refresh()
    reply = enablebanking.fake._open("code-1")
    enablebanking.config = enablebanking.config.model_copy(
        update={"session_id": reply.body["session_id"], "accounts": ()}
    )
    enablebanking.sql("UPDATE bank_connections SET link_epoch = 2")
    assert enablebanking.refresh().code in {"ok", "nothing_new"}
    assert enablebanking.amounts() == ["-3.20"]
    assert enablebanking.sql("SELECT count(*) FROM bank_connection_accounts") == [(1,)]


def test_a_spent_day_defers_the_run(enablebanking):
    enablebanking.fake.allowance = 0
    outcome = enablebanking.refresh()
    assert (outcome.status, outcome.code) == ("deferred", "rate_limited")
    assert outcome.defer_s > 3600


def test_an_expired_session_needs_the_user(enablebanking):
    enablebanking.fake.status = "EXPIRED"
    outcome = enablebanking.refresh()
    assert (outcome.status, outcome.code) == ("failed", "needs_user")


def test_a_pending_row_that_posts_under_another_id_is_one_expense(gocardless):
    row = gocardless_server.transaction("-20.00", remittanceInformationUnstructured="Restaurant")
    gocardless.fake.pending = [row]
    gocardless.refresh()
    gocardless.fake.pending, gocardless.fake.booked = [], [row | {"transactionId": "b1", "bookingDate": "2026-11-12"}]
    gocardless.refresh()
    gocardless.fake.booked = [row | {"transactionId": "minted-again", "bookingDate": "2026-11-12"}]
    gocardless.refresh()
    assert gocardless.amounts() == ["-20.00"]


def test_a_page_that_is_refused_in_mid_window_doubles_no_page_before_it(enablebanking):
    shop, cinema = (
        enablebanking_server.transaction(amount, "DBIT", remittance_information=[text])
        for amount, text in (("5.00", "Bakery"), ("6.00", "Cinema"))
    )
    enablebanking.fake.pages = [[shop], [cinema]]
    enablebanking.fake.refuses_pages_from = (1, "WRONG_REQUEST_PARAMETERS", 422)
    enablebanking.refresh()
    enablebanking.fake.refuses_pages_from = None
    enablebanking.refresh()
    assert sorted(enablebanking.amounts()) == ["-5.00", "-6.00"]


@pytest.mark.parametrize("trouble", ["forgotten", "always_mutates"])
def test_a_cursor_that_leads_nowhere_is_replaced_without_doubling(plaid, trouble):
    for account in plaid.fake.accounts:
        account["balances"]["current"] = None  # the fake's does not follow its rows
    plaid.fake.add(plaid_server.transaction("t1", 5))
    plaid.refresh()
    plaid.fake.add(plaid_server.transaction("t2", 6))
    setattr(plaid.fake, trouble, {"c1"} if trouble == "forgotten" else True)
    assert plaid.refresh().code == "ok"
    plaid.fake.add(plaid_server.transaction("t3", 7))
    plaid.refresh()
    assert sorted(plaid.amounts()) == ["-5.00", "-6.00", "-7.00"]


def test_rows_of_plaid_without_an_id_are_told_apart_by_their_content(plaid):
    for amount in (5, 6):
        plaid.fake.add(plaid_server.transaction("", amount))
    plaid.refresh()
    plaid.fake.forgotten = {"c2"}
    plaid.refresh()
    assert sorted(plaid.amounts()) == ["-5.00", "-6.00"]


def test_one_refused_account_does_not_starve_the_others(gocardless):
    refused = str(uuid.uuid4())
    gocardless.fake.account_ids.insert(0, refused)
    gocardless.fake.refused_ids = {refused}
    gocardless.fake.booked = [gocardless_server.transaction("-5.00")]
    outcome = gocardless.refresh()
    assert (outcome.status, gocardless.amounts()) == ("partial", ["-5.00"])

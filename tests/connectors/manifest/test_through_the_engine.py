"""Shipped manifests through the real engine into a real Postgres: what a person's ledger shows in the end."""

from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import httpx2
import pytest

from tests.connectors.manifest.stories import REGISTRY
from tests.fakes import akahu_server, lunchflow_server, monobank_server, up_server
from tests.fakes.provider_server import Detour, serving
from tests.importer.bank import Harness
from worker.connectors.base import ConnectorContext
from worker.connectors.config import parse_config
from worker.runs.states import RunStatus

TODAY = date(2026, 11, 20)


class ThroughManifest(Harness):
    """A harness whose connection goes to a manifest's connector and a provider that is played."""

    def context(self):
        return replace(super().context(), open_connector=lambda _connection_id: self.opened)

    @contextmanager
    def at(self, fake, name, config, *, on=TODAY):
        self.bank.today = on
        connector = REGISTRY.get(name)
        now = datetime(on.year, on.month, on.day, 3, tzinfo=UTC)
        with serving(fake) as url, httpx2.Client(transport=Detour(url), follow_redirects=False) as http:
            zone = connector.capabilities.timezone
            context = ConnectorContext(http=http, now=lambda: getattr(fake, "now", now), timezone=zone)
            self.opened = connector(parse_config(connector, config), context)
            yield self

    def shown(self):
        return sorted((str(row[0]), str(row[1])) for row in self.expenses())


@pytest.fixture
def through(sessions, user_id):
    return ThroughManifest(sessions, user_id)


def test_a_purchase_at_up_is_one_expense_while_it_is_held_and_after_it_settled_dearer(through):
    fake = up_server.FakeUp()
    fake.hold("t-1", -1250, "2026-11-18T23:30:00+11:00")
    with through.at(fake, "up", {"token": up_server.TOKEN}):
        assert through.refresh().status is RunStatus.SUCCEEDED
    fake.settle("t-1", -1300, "2026-11-20T00:10:00+11:00")
    with through.at(fake, "up", {"token": up_server.TOKEN}):
        assert through.refresh().status is RunStatus.SUCCEEDED
    assert [amount for _, amount in through.shown()] == ["-13.00"]


def test_a_pending_row_of_akahu_without_an_id_becomes_its_settled_row(through):
    fake = akahu_server.FakeAkahu()
    fake.pending = [akahu_server.pending("2026-11-17T11:00:00.000Z", -60.25)]
    config = {"app_token": akahu_server.APP, "user_token": akahu_server.USER}
    with through.at(fake, "akahu", config):
        through.refresh()
    fake.pending, fake.settled = [], [akahu_server.settled("trans_1", "2026-11-18T11:00:00.000Z", -60.25)]
    with through.at(fake, "akahu", config):
        assert through.refresh().status is RunStatus.SUCCEEDED
    assert [amount for _, amount in through.shown()] == ["-60.25"]


def test_ids_of_lunch_flow_that_change_with_every_answer_double_nothing(through):
    fake = lunchflow_server.FakeLunchFlow()
    fake.rows = [lunchflow_server.row("2026-11-10", -12.5), lunchflow_server.row("2026-11-10", -12.5)]
    for _ in range(3):
        with through.at(fake, "lunchflow", {"api_key": lunchflow_server.KEY}):
            assert through.refresh().status is RunStatus.SUCCEEDED
    assert through.shown() == [("2026-11-10", "-12.50")] * 2


def test_a_run_that_monobank_holds_up_goes_on_a_minute_later(through):
    fake = monobank_server.FakeMonobank()
    fake.now = datetime(2026, 11, 20, 10, tzinfo=UTC)
    fake.rows = [monobank_server.row(f"r{days}", fake.now - timedelta(days=days), -100_00) for days in (2, 40)]
    statuses = []
    for _ in range(40):
        with through.at(fake, "monobank", {"token": monobank_server.TOKEN}):
            statuses.append(through.refresh().status)
        fake.now += timedelta(minutes=1)
        through.sql("UPDATE bank_import_runs SET not_before = now() WHERE status = 'deferred'")
        if statuses[-1] is RunStatus.SUCCEEDED:
            break
    assert set(statuses[:-1]) == {RunStatus.DEFERRED}
    assert statuses[-1] is RunStatus.SUCCEEDED
    assert len(through.shown()) == 2

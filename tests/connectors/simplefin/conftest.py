"""A SimpleFIN server with two banks behind it, and connectors to it."""

import pytest
from pydantic import SecretStr

from tests.connectors.simplefin.asking import NOW
from tests.fakes.simplefin_bank import Bank, BankAccount
from tests.fakes.simplefin_server import SimpleFinServer
from worker.connectors.base import ConnectorContext
from worker.connectors.simplefin import SimpleFinConfig, SimpleFinConnector
from worker.net.http import HttpLimits, open_client


@pytest.fixture
def connect():
    """Open connectors on a server; their clients are closed afterwards."""
    clients = []

    def opened(
        server: SimpleFinServer, config: SimpleFinConfig | None = None, *, patience_s: float = 20
    ) -> SimpleFinConnector:
        clients.append(open_client(HttpLimits(connect_s=5, read_s=patience_s, total_s=patience_s)))
        context = ConnectorContext(http=clients[-1], now=lambda: NOW, timezone="America/New_York")
        return SimpleFinConnector(config or SimpleFinConfig(access_url=SecretStr(server.access_url)), context)

    yield opened
    for client in clients:
        client.close()


@pytest.fixture
def server():
    with SimpleFinServer(
        Bank(
            now=NOW,
            accounts=[
                BankAccount(id="ACT-1", name="Checking (1234)", opening="100.00"),
                BankAccount(id="ACT-2", name="Card", connection_id="CON-2", institution="Second Bank"),
            ],
        )
    ) as running:
        yield running

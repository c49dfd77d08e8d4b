"""A Plaid of our own and a connector that believes it is the real one."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.fakes.plaid_server import CLIENT_ID, SECRET, FakePlaid
from tests.fakes.provider_server import context_for, serving
from worker.connectors.base import ConnectorContext
from worker.connectors.plaid import PlaidConfig, PlaidConnector


@pytest.fixture
def plaid() -> Iterator[FakePlaid]:
    fake = FakePlaid()
    with serving(fake) as fake.url:
        yield fake


@pytest.fixture
def context(plaid: FakePlaid) -> Iterator[ConnectorContext]:
    with ExitStack() as stack:
        yield stack.enter_context(context_for(plaid.url))


@pytest.fixture
def config() -> PlaidConfig:
    return PlaidConfig(client_id=CLIENT_ID, secret=SECRET, access_token="access-canary-1", item_id="item-1")


@pytest.fixture
def connector(config: PlaidConfig, context: ConnectorContext) -> PlaidConnector:
    return PlaidConnector(config, context)

"""A GoCardless of our own and a connector that believes it is the real one."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes.gocardless_server import SECRET_ID, SECRET_KEY, FakeGoCardless
from tests.fakes.provider_server import context_for, serving
from worker.connectors.base import ConnectorContext
from worker.connectors.gocardless import GoCardlessConfig, GoCardlessConnector


@pytest.fixture
def bank() -> Iterator[FakeGoCardless]:
    fake = FakeGoCardless()
    with serving(fake) as fake.url:
        yield fake


@pytest.fixture
def saved() -> list[Any]:
    return []


@pytest.fixture
def context(bank: FakeGoCardless, saved: list[Any]) -> Iterator[ConnectorContext]:
    with context_for(bank.url, saved=saved) as made:
        yield made


@pytest.fixture
def config(bank: FakeGoCardless) -> GoCardlessConfig:
    return GoCardlessConfig(secret_id=SECRET_ID, secret_key=SECRET_KEY, requisition_id=bank.requisition_id)


@pytest.fixture
def connector(config: GoCardlessConfig, context: ConnectorContext) -> GoCardlessConnector:
    return GoCardlessConnector(config, context)

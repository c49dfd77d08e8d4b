"""An Enable Banking of our own and a connector that believes it is the real one."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes.enablebanking_server import APPLICATION, PRIVATE_KEY, FakeEnableBanking
from tests.fakes.provider_server import context_for, serving
from worker.connectors.base import ConnectorContext
from worker.connectors.enablebanking import EnableBankingConfig, EnableBankingConnector


@pytest.fixture
def bank() -> Iterator[FakeEnableBanking]:
    fake = FakeEnableBanking()
    with serving(fake) as fake.url:
        yield fake


@pytest.fixture
def saved() -> list[Any]:
    return []


@pytest.fixture
def context(bank: FakeEnableBanking, saved: list[Any]) -> Iterator[ConnectorContext]:
    with context_for(bank.url, saved=saved) as made:
        yield made


@pytest.fixture
def config(bank: FakeEnableBanking) -> EnableBankingConfig:
    return EnableBankingConfig(
        application_id=APPLICATION, private_key=PRIVATE_KEY, session_id=bank.session_id, bank="Nordea"
    )


@pytest.fixture
def connector(config: EnableBankingConfig, context: ConnectorContext) -> EnableBankingConnector:
    return EnableBankingConnector(config, context)

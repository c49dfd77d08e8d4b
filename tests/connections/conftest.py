"""A connection service with a bank that counts what it is asked to do, and a vault with a key of its own."""

from contextlib import contextmanager
from types import SimpleNamespace
from typing import ClassVar

import pytest
from pydantic import BaseModel, ConfigDict, SecretStr

from worker.connections.lifecycle import ConnectionService
from worker.connectors.base import BankConnector
from worker.connectors.errors import AuthenticationError, ProviderUnavailableError
from worker.credentials import LocalKeyring
from worker.credentials.envelope import EnvelopeVault


class TokenConfig(BaseModel):
    model_config = ConfigDict(extra="forbid")
    setup_token: SecretStr | None = None
    access_url: SecretStr | None = None


class CountingBank(BankConnector):
    """A connector whose token works once."""

    name: ClassVar = "counting"
    display_name: ClassVar = "Counting Bank"
    Config: ClassVar = TokenConfig
    calls: ClassVar[list[str]] = []
    down: ClassVar[bool] = False

    def __init__(self, config):
        self.config = config

    def link(self):
        self.calls.append("link")
        if self.config.setup_token and self.config.setup_token.get_secret_value() == "spent":
            raise AuthenticationError("the setup token was used before")
        return TokenConfig(access_url=SecretStr("https://u:renewed-secret@bank.test"))

    @classmethod
    def outage_scope(cls, config):
        return config.access_url.get_secret_value().rpartition("@")[2]

    def get_auth_status(self):
        raise NotImplementedError

    def list_accounts(self):
        raise NotImplementedError

    def get_transactions(self, account_id, from_date, to_date):
        raise NotImplementedError

    def normalize_transactions(self, raw):
        raise NotImplementedError

    def revoke(self):
        self.calls.append("revoke")
        if self.down:
            raise ProviderUnavailableError("down")
        return True


@pytest.fixture
def bank():
    CountingBank.calls.clear()
    CountingBank.down = False
    return CountingBank


@pytest.fixture
def connection_service(sessions, bank):
    @contextmanager
    def open_connector(connector, config):
        yield connector(config)

    registry = SimpleNamespace(get={"counting": bank}.__getitem__)
    vault = EnvelopeVault([LocalKeyring({"k1": b"1" * 32})], primary_key_id="k1")
    return ConnectionService(sessions=sessions, vault=vault, find_connector=registry.get, open_connector=open_connector)

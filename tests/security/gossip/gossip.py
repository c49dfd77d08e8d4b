"""A connector that tells its secret to everybody: in errors, logs, warnings and rejected rows."""

import logging

from pydantic import SecretStr

from worker.connectors.base import (
    Account,
    AuthStatus,
    BankConnector,
    Capabilities,
    IdClass,
    Page,
    RejectedRow,
)
from worker.connectors.config import ConnectorConfig
from worker.connectors.errors import ProviderUnavailableError


class GossipConfig(ConnectorConfig):
    password: SecretStr
    story: str


class GossipConnector(BankConnector):
    name = "gossip"
    display_name = "Gossip"
    Config = GossipConfig
    capabilities = Capabilities(id_class=IdClass.STABLE)

    def get_auth_status(self):
        logging.getLogger("gossip").debug("logging in with %s", self.config.password.get_secret_value())
        return AuthStatus()

    def list_accounts(self):
        return [Account(external_id="g1", name="Gossip", currency="EUR")]

    def get_transactions(self, account_id, from_date, to_date):  # noqa: ARG002 - the contract
        told = self.config.password.get_secret_value()
        if self.config.story == "error":
            raise ProviderUnavailableError(f"the login {told} was refused")
        if self.config.story == "defect":
            raise RuntimeError(f"cannot handle {told}") from KeyError(told)
        rejected = (RejectedRow(code="bad", message=f"no date in {told}", raw=f"row with {told}", account_id="g1"),)
        yield Page(rejected=rejected, warnings=(f"the bank says {told}",))

    def normalize_transactions(self, raw):  # noqa: ARG002 - the contract
        return []

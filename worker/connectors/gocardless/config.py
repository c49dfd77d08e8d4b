"""The config of a GoCardless connection: the customer's secret, its tokens, one requisition, its accounts."""

from collections.abc import Mapping
from datetime import datetime

from pydantic import Field, SecretStr

from worker.connectors.berlin.consent import ConsentAccount, ConsentConfig
from worker.connectors.config import ConnectorConfig


class GoCardlessApp(ConnectorConfig):
    """One customer of GoCardless Bank Account Data; it serves every user."""

    secret_id: SecretStr = Field(description="Secret id from the Bank Account Data portal.")
    secret_key: SecretStr = Field(description="Secret key that belongs to it.")
    access_token: SecretStr | None = Field(default=None, description="Made from the secret; lives a day.")
    access_expires_at: datetime | None = Field(default=None, description="When the access token ends (UTC).")
    refresh_token: SecretStr | None = Field(default=None, description="Renews the access token; lives 30 days.")
    refresh_expires_at: datetime | None = Field(default=None, description="When the refresh token ends (UTC).")


class GoCardlessAccount(ConsentAccount):
    """One account of a requisition."""

    id: str
    anchor: str | None = None

    @property
    def external_id(self) -> str:
        """Its id under this requisition."""
        return self.id

    @property
    def identity(self) -> str | None:
        """Its IBAN or the like."""
        return self.anchor


class GoCardlessConfig(GoCardlessApp, ConsentConfig):
    """One requisition: a user's consent at one bank."""

    requisition_id: str = Field(description="The consent at one bank.")
    institution: str | None = Field(default=None, description="Name of the bank.")
    history_days: int = Field(default=90, ge=1, le=730, description="History the agreement grants (days).")
    accounts: tuple[GoCardlessAccount, ...] = Field(default=(), description="The accounts of the requisition.")
    failures: Mapping[str, int] = Field(
        default={}, description="Times in a row that the bank refused an account, by account (counted by the worker)."
    )
    trust_ids: bool = Field(
        default=False,
        description="Take the bank's transaction ids as identities; only for a bank whose ids never change.",
    )

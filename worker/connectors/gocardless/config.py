"""What a GoCardless connection keeps: the customer's secret, the tokens made from it, one requisition, its accounts."""

from datetime import datetime

from pydantic import BaseModel, Field, SecretStr

from worker.connectors.config import ConnectorConfig


class GoCardlessApp(ConnectorConfig):
    """One customer of GoCardless Bank Account Data; it serves every user."""

    secret_id: SecretStr = Field(description="Secret id from the Bank Account Data portal.")
    secret_key: SecretStr = Field(description="Secret key that belongs to it.")
    access_token: SecretStr | None = Field(default=None, description="Made from the secret; lives a day.")
    access_expires_at: datetime | None = Field(default=None, description="When the access token ends (UTC).")
    refresh_token: SecretStr | None = Field(default=None, description="Renews the access token; lives 30 days.")
    refresh_expires_at: datetime | None = Field(default=None, description="When the refresh token ends (UTC).")


class GoCardlessAccount(BaseModel):
    """What GoCardless said about an account the first time; asking again would cost the day's allowance."""

    id: str
    name: str = "Account"
    currency: str | None = None
    cash_account_type: str | None = None
    mask: str | None = None
    anchor: str | None = None


class GoCardlessConfig(GoCardlessApp):
    """One requisition: a user's consent at one bank."""

    requisition_id: str = Field(description="The consent at one bank.")
    institution: str | None = Field(default=None, description="Name of the bank.")
    history_days: int = Field(default=90, ge=1, le=730, description="History the agreement grants (days).")
    accounts: tuple[GoCardlessAccount, ...] = Field(default=(), description="The accounts of the requisition.")
    trust_ids: bool = Field(
        default=False,
        description="Take the bank's transaction ids as identities; only for a bank whose ids never change.",
    )

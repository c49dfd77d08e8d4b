"""Schemas of connectors, connections and their accounts. Amounts are signed text, moments are UTC."""

import uuid
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, model_validator

from worker.api.inputs import Hour, Input, IntervalS, Text, one_of
from worker.models.connection_options import ConnectionOptions

_ID = uuid.UUID("0b6c2a54-8f5e-4c39-9d0e-3f1f7f0c9c11")


class ConnectorFieldOut(BaseModel):
    """One field that a person fills in. link: page on which its value is found. choices: its only values, if any."""

    name: str
    title: str
    help: str
    secret: bool
    required: bool
    link: str | None
    choices: tuple[str, ...]
    default: str | None


class ConnectorOut(BaseModel):
    """A connector that users may link.

    linked_by: `token`: draw a form from `fields` and post it; `browser`: start a flow with `POST /links`, or the
    provider's own page, and post `fields`; `file`: upload statements. countries: two letters each; none: anywhere.
    logo: name of a logo. ready: false while the operator's own keys are missing, so that no one can link it.
    config_schema: JSON Schema of the whole config; secret fields are `writeOnly`, `x-form` says who fills one in.
    """

    name: str
    display_name: str
    summary: str
    linked_by: Literal["token", "browser", "file"]
    countries: tuple[str, ...]
    logo: str | None
    ready: bool
    fields: list[ConnectorFieldOut]
    history_days: int | None
    pending: bool
    config_schema: dict[str, Any]


class NewConnectionIn(Input):
    """A bank to link.

    config: as the connector's schema says, `{}` where it is left out; it is sealed at once and never shown again.
    """

    connector_name: Annotated[Text, Field(examples=["mock"])]
    config: dict[str, Any] = Field(default_factory=dict, json_schema_extra={"writeOnly": True}, examples=[{}])
    display_name: Text | None = Field(default=None, examples=["Joint account"])
    institution_name: Text | None = None
    options: ConnectionOptions = ConnectionOptions()
    refresh_interval_s: IntervalS | None = Field(default=86_400, description="None: only when asked for.")
    refresh_from_hour: Hour | None = None
    refresh_until_hour: Hour | None = None


class ConnectionChangeIn(Input):
    """What to change; what is left out stays. An option set to null goes back to its default."""

    display_name: Text | None = None
    status: Literal["active", "paused"] | None = Field(default=None, description="Pause it, or go on.")
    options: dict[str, Any] | None = Field(default=None, examples=[{"import_pending": "hide"}])
    refresh_interval_s: IntervalS | None = None
    refresh_from_hour: Hour | None = None
    refresh_until_hour: Hour | None = None


class CredentialsIn(Input):
    """New credentials for a connection that exists."""

    config: dict[str, Any] = Field(json_schema_extra={"writeOnly": True}, examples=[{}])


class ConnectionOut(BaseModel):
    """A connection, without its credentials."""

    id: uuid.UUID = Field(examples=[_ID])
    connector_name: str
    display_name: str
    institution_name: str | None
    status: str = one_of(("active", "needs_user", "paused", "error", "disconnected"))
    status_code: str | None
    status_message: str | None
    problem_code: str | None
    problem_message: str | None
    problem_since_at: datetime | None
    options: dict[str, Any]
    refresh_interval_s: int | None
    refresh_from_hour: int | None
    refresh_until_hour: int | None
    next_refresh_at: datetime | None
    rate_limited_until: datetime | None
    consent_expires_at: datetime | None
    webhook_seen_at: datetime | None
    new_accounts_at: datetime | None
    bank_outage: str | None = Field(
        default=None,
        description="What to tell the user when the bank answers nobody: their login is not the reason.",
        examples=["Your bank has not answered anybody since 09:40 UTC; nothing is wrong with your login."],
    )
    last_good_run_id: uuid.UUID | None
    last_good_at: datetime | None
    has_credentials: bool
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: dict[str, Any]) -> Self:
        """Build from what `connection_queries.describe_with_bank` returns."""
        interval: timedelta | None = row["refresh_interval"]
        return cls.model_validate({**row, "refresh_interval_s": interval and int(interval.total_seconds())})


class AccountOut(BaseModel):
    """One bank account under a connection."""

    id: int
    bank_account_id: int | None = Field(
        description="The person's account that this is a source of; null before its first import."
    )
    external_id: str
    name: str
    institution_name: str | None
    account_type: str
    mask: str | None
    currency: str | None
    status: str
    status_code: str | None
    included: bool
    inverted: bool
    problem_code: str | None
    problem_message: str | None
    problem_since_at: datetime | None
    balance_amount: Decimal | None
    balance_kind: str | None
    balance_at: datetime | None
    watermark_on: date | None
    last_seen_at: datetime | None


class NewConnectionOut(ConnectionOut):
    """A connection that was just made, with the accounts that its bank listed so far.

    first_run_id: the import that `wait` asked for, or a run that waited already; null without `wait`, and where the
    accounts are known already.
    """

    accounts: list[AccountOut]
    first_run_id: uuid.UUID | None


class AccountChangeIn(Input):
    """What a person says about an account; what was imported stays."""

    included: bool | None = Field(default=None, strict=True, description="Import it from now on, or leave it out.")
    inverted: bool | None = Field(
        default=None, strict=True, description="The bank states its amounts with the opposite sign."
    )

    @model_validator(mode="after")
    def _says_something(self) -> "AccountChangeIn":
        if self.included is None and self.inverted is None:
            raise ValueError("name included or inverted")
        return self


class RemovedOut(BaseModel):
    """What removing a connection did."""

    id: uuid.UUID
    revoked_at_provider: bool
    expenses_deleted: int

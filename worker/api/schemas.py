"""What goes in and out of connections and runs. Money is signed text, moments are UTC, days are the bank's own."""

import uuid
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from worker.models.connection_options import ConnectionOptions

_ID = uuid.UUID("0b6c2a54-8f5e-4c39-9d0e-3f1f7f0c9c11")


def _storable(value: str) -> str:
    if "\x00" in value:
        raise ValueError("must not contain NUL")
    return value


Text = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"\S"), AfterValidator(_storable)]
ExternalId = Annotated[str, StringConstraints(min_length=1, max_length=255), AfterValidator(_storable)]
Hour = Annotated[int, Field(strict=True, ge=0, le=23)]
IntervalS = Annotated[int, Field(strict=True, ge=60, le=90 * 86_400)]


class Input(BaseModel):
    """A body: unknown fields are refused, so that a misspelt one is noticed."""

    model_config = ConfigDict(extra="forbid")


class ConnectorOut(BaseModel):
    """An installed connector. config_schema: JSON Schema of its config; secret fields are `writeOnly`."""

    name: str
    display_name: str
    history_days: int | None
    pending: bool
    config_schema: dict[str, Any]


class NewConnectionIn(Input):
    """A bank to link. config: as the connector's schema says; it is sealed at once and never shown again."""

    connector_name: Annotated[Text, Field(examples=["mock"])]
    config: dict[str, Any] = Field(json_schema_extra={"writeOnly": True}, examples=[{}])
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
    status: Literal["active", "needs_user", "paused", "error", "disconnected"]
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
    last_good_run_id: uuid.UUID | None
    last_good_at: datetime | None
    has_credentials: bool
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: dict[str, Any]) -> "ConnectionOut":
        """Build from what `finding.describe` returns."""
        interval: timedelta | None = row["refresh_interval"]
        return cls.model_validate({**row, "refresh_interval_s": interval and int(interval.total_seconds())})


class AccountOut(BaseModel):
    """One bank account under a connection."""

    id: int
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


class ImportIn(Input):
    """What to import; without days, everything the bank has."""

    dry_run: bool = Field(default=False, strict=True)
    from_date: date | None = Field(default=None, examples=["2026-01-01"])
    to_date: date | None = Field(default=None, examples=["2026-01-31"])
    account_id: ExternalId | None = Field(default=None, description="The bank's id of one account.")


class RefreshIn(Input):
    """What to refresh."""

    account_id: ExternalId | None = Field(default=None, description="The bank's id of one account.")


class RunOut(BaseModel):
    """A run: what was asked, where it is, and what happened to rows so far.

    duration_s: from its start to its end, or to now. reverted_by_run_id: the run that took this one back.
    """

    id: uuid.UUID = Field(examples=[_ID])
    connection_id: uuid.UUID
    connection_name: str
    connector_name: str
    kind: Literal["import", "refresh", "revert", "replay"]
    trigger: Literal["user", "schedule", "webhook", "retry"]
    status: Literal["queued", "running", "succeeded", "partial", "deferred", "failed", "cancelled"]
    code: str | None
    message: str | None
    dry_run: bool
    account_external_id: str | None
    from_on: date | None
    to_on: date | None
    target_run_id: uuid.UUID | None
    attempt: int
    queued_at: datetime
    not_before: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    duration_s: float | None
    cancel_requested_at: datetime | None
    reverted_by_run_id: uuid.UUID | None
    accounts_total: int
    accounts_done: int
    fetched: int
    created: int
    updated: int
    unchanged: int
    linked: int
    removed: int
    rejected: int
    suggested: int
    delivered: int
    accounted: int


class RunPage(BaseModel):
    """Runs, newest first. next: the cursor of the page after, null on the last."""

    items: list[RunOut]
    next: str | None


class RunAccountOut(BaseModel):
    """What a run did for one account."""

    account_external_id: str
    name: str
    status: str
    code: str
    message: str | None
    from_on: date | None
    to_on: date | None
    fetched: int
    created: int
    updated: int
    unchanged: int
    linked: int
    removed: int
    rejected: int
    suggested: int
    delivered: int
    accounted: int
    balance_proof: dict[str, Any] | None


class DecisionOut(BaseModel):
    """What was decided about one row of the bank, and why. amount: negative when money left the account."""

    id: int
    decision: str
    reason: str
    account: str | None
    effective_on: date | None
    amount: Decimal | None
    currency: str | None
    description: str | None
    expense_id: int | None
    reverted_by_run_id: uuid.UUID | None
    detail: dict[str, Any]


class DecisionPage(BaseModel):
    """Decisions in the order they were made. next: `after` of the page after, null on the last."""

    items: list[DecisionOut]
    next: int | None


class RejectionOut(BaseModel):
    """A row that could not be imported. raw: as the bank delivered it."""

    id: int
    code: str
    message: str
    external_id: str | None
    raw: str
    resolved_at: datetime | None


class RejectionPage(BaseModel):
    """Rejected rows. next: `after` of the page after, null on the last."""

    items: list[RejectionOut]
    next: int | None


class RunStory(RunOut):
    """A run with its accounts and the first decisions."""

    accounts: list[RunAccountOut]
    decisions: DecisionPage
    rejections: RejectionPage
    report: dict[str, Any]

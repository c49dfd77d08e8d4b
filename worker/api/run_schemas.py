"""Schemas of runs: what is asked for, and what is told. Amounts are signed text, moments UTC, days the bank's."""

import uuid
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, Field

from worker.api.inputs import ExternalId, Input, one_of
from worker.runs.states import RunKind, RunStatus, RunTrigger

_ID = uuid.UUID("0b6c2a54-8f5e-4c39-9d0e-3f1f7f0c9c11")


class ImportIn(Input):
    """What to import; without days, everything the bank has."""

    dry_run: bool = Field(default=False, strict=True)
    from_date: date | None = Field(default=None, examples=["2026-01-01"])
    to_date: date | None = Field(default=None, examples=["2026-01-31"])
    account_id: ExternalId | None = Field(default=None, description="The bank's id of one account.")


class RefreshIn(Input):
    """What to refresh."""

    account_id: ExternalId | None = Field(default=None, description="The bank's id of one account.")
    if_older_than_s: int | None = Field(
        default=None, ge=0, le=90 * 86_400, description="Only when the last good run is older (s)."
    )


class RunOut(BaseModel):
    """A run: what was asked, where it is, and what happened to rows so far.

    duration_s: from its start to its end, or to now. reverted_by_run_id: the run that took this one back.
    """

    id: uuid.UUID = Field(examples=[_ID])
    connection_id: uuid.UUID
    connection_name: str
    connector_name: str
    kind: str = one_of(RunKind)
    trigger: str = one_of(RunTrigger)
    status: str = one_of(RunStatus)
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
    pages: int
    read_from_on: date | None
    read_to_on: date | None
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


class RequestOut(BaseModel):
    """One request to the bank. label: the connector's own name of it; result: a status, or what happened instead."""

    at: datetime
    method: str
    label: str = Field(examples=["transactions"])
    result: str = Field(examples=["200", "timeout"])
    took_s: float
    body_bytes: int
    waited_s: float = Field(description="How long the run waited before it (s).")
    tried: int = Field(description="1, or which try in a row of the same it was.")


class TimelineEntryOut(BaseModel):
    """One moment of a run. after_s: seconds since the entry before."""

    at: datetime
    what: str = Field(examples=["queued: a person asked for it"])
    after_s: float
    request: RequestOut | None = Field(description="The request to the bank that this moment tells of.")


class Timeline(BaseModel):
    """The moments of a run, oldest first; of each attempt the first ten and the last thirty requests are kept."""

    items: list[TimelineEntryOut]


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
    dismissed_at: datetime | None = Field(description="A person left it out: `POST /rejections/{id}/reopen` ends that.")


class RejectionPage(BaseModel):
    """Rejected rows. next: `after` of the page after, null on the last."""

    items: list[RejectionOut]
    next: int | None


class RunStory(RunOut):
    """A run with its accounts and the first decisions."""

    transfer_legs: int = Field(
        description="Rows, created or known before, that it took for legs of transfers: no expenses where these hide."
    )
    accounts: list[RunAccountOut]
    decisions: DecisionPage
    rejections: RejectionPage
    report: dict[str, Any]

"""Kinds, triggers, states, counts and outcomes of runs. Pure data."""

import uuid
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any


class RunKind(StrEnum):
    """What a run does."""

    IMPORT = "import"
    REFRESH = "refresh"
    REVERT = "revert"
    REPLAY = "replay"


class RunTrigger(StrEnum):
    """Who asked for a run. Somebody waits for all but those of the schedule."""

    USER = "user"
    SCHEDULE = "schedule"
    WEBHOOK = "webhook"
    RETRY = "retry"


class RunStatus(StrEnum):
    """Where a run is: `queued → running → succeeded | partial | deferred | failed | cancelled`."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    DEFERRED = "deferred"
    FAILED = "failed"
    CANCELLED = "cancelled"


CLOSED = frozenset({RunStatus.SUCCEEDED, RunStatus.PARTIAL, RunStatus.FAILED, RunStatus.CANCELLED})
WAITING = frozenset({RunStatus.QUEUED, RunStatus.DEFERRED})


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """A request for a run.

    Attributes:
        connection_id: whose transactions to import.
        kind: what the run does.
        trigger: who asked.
        account_external_id: one account, None for all.
        from_on: first day, None: the importer decides.
        to_on: last day, None: the importer decides.
        dry_run: report what would be done and change nothing.
        reimport: what a revert takes back may return with the next refresh.
        target_run_id: the run to revert, or whose rejections to replay.
        scheduled_for: the slot, for scheduled runs only.
        trace_context: W3C traceparent of the request.
    """

    connection_id: uuid.UUID
    kind: RunKind
    trigger: RunTrigger = RunTrigger.USER
    account_external_id: str | None = None
    from_on: date | None = None
    to_on: date | None = None
    dry_run: bool = False
    reimport: bool = False
    target_run_id: uuid.UUID | None = None
    scheduled_for: datetime | None = None
    trace_context: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to write for a run: valid while the row still carries `token`."""

    run_id: uuid.UUID
    token: uuid.UUID
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What happened to rows.

    Attributes:
        linked: Rows that took over an expense that was there before.
        delivered: Every record the connector delivered, also those it could not read.
        accounted: The delivered records of which the run says what became of them; both are equal, or the run failed
            to account for something.
    """

    pages: int = 0
    fetched: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    linked: int = 0
    removed: int = 0
    rejected: int = 0
    suggested: int = 0
    delivered: int = 0
    accounted: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(**{name: getattr(self, name) + getattr(other, name) for name in COUNTED})


COUNTED = tuple(Counts.__dataclass_fields__)
"""The counts as columns of `bank_import_runs` and `bank_import_run_accounts`."""

ANNOUNCED = tuple(name for name in COUNTED if name not in {"delivered", "accounted"})
"""The counts in events."""


def count_values(counts: Counts) -> dict[str, Any]:
    """Return the counts as column values of `bank_import_runs` and `bank_import_run_accounts`."""
    return {name: getattr(counts, name) for name in COUNTED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ends.

    Attributes:
        status: the status of its row.
        code: a stable word for the reason.
        message: one sentence; names ids, never secrets or account numbers.
        defer_s: how long the run waits before it goes on (s), for `deferred` only; Postgres makes `not_before` of it.
        counts: what happened to rows.
        report: warnings of an import, or what a dry run would have done.
    """

    status: RunStatus
    code: str
    message: str | None = None
    defer_s: float | None = None
    counts: Counts = field(default_factory=Counts)
    report: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EndedRun:
    """What `apply_consequences` needs to know of a run that ended. listened: a subscription may want its event."""

    id: uuid.UUID
    connection_id: uuid.UUID
    user_id: int
    kind: str
    trigger: str
    dry_run: bool
    listened: bool = True

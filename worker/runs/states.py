"""Kinds, triggers, states, counts and outcomes of runs. Pure data."""

import uuid
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from worker.runs.attempt_log import AttemptLog

IDLE_AFTER = timedelta(days=30)
"""A user who was away for so long is polled less."""


class RunKind(StrEnum):
    """The kinds of runs.

    Attributes:
        UNMATCH: A person took one match back; written as ended.
        MOVE: A person moved an account to another source; written as ended.
        DISMISS: A person left rejected rows out, or opened them again; written as ended.
        ANSWER: A person said that a row is gone; written as ended.
    """

    IMPORT = "import"
    REFRESH = "refresh"
    REVERT = "revert"
    REPLAY = "replay"
    UNMATCH = "unmatch"
    MOVE = "move"
    DISMISS = "dismiss"
    ANSWER = "answer"


class RunTrigger(StrEnum):
    """What requested a run. A person waits for every run that the schedule did not request."""

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
GOING_ON = frozenset({RunStatus.QUEUED, RunStatus.RUNNING})
"""Of a run in any other state nothing more happens at present, also of one that only a later version knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """A request for a run.

    Attributes:
        connection_id: The connection to import.
        kind: What the run does.
        trigger: What requested it.
        account_external_id: The account to import; None for all.
        from_on: First day; None lets the importer decide.
        to_on: Last day; None lets the importer decide.
        dry_run: Whether to report what would be done and change nothing.
        reimport: Whether rows that a revert takes back may return with the next refresh.
        target_run_id: The run to revert, or whose rejections to replay.
        scheduled_for: The slot of a scheduled run.
        trace_context: W3C traceparent of the request.
        if_older_than: A refresh is answered by the last good run while that is younger.
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
    if_older_than: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to write for a run: valid while the row still carries `token`.

    Attributes:
        log: What its attempt asked the bank so far.
    """

    run_id: uuid.UUID
    token: uuid.UUID
    attempt: int
    log: AttemptLog = field(default_factory=AttemptLog, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many rows a run read, and what it did with them.

    Attributes:
        linked: Rows that were linked with an expense the user already had.
        delivered: All records that the connector delivered, including those it could not read.
        accounted: The delivered records whose result the run states. A run with fewer of these than delivered ones is
            not successful.
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
        status: Status of its row.
        code: A stable word for the reason.
        message: One sentence with ids, never with secrets or account numbers.
        defer_s: How long a deferred run waits before it goes on (s); Postgres computes `not_before` from it.
        counts: What it did with rows.
        report: Warnings, and rows that were not imported.
    """

    status: RunStatus
    code: str
    message: str | None = None
    defer_s: float | None = None
    counts: Counts = field(default_factory=Counts)
    report: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EndedRun:
    """What `apply_consequences` needs to know of a run that ended.

    Attributes:
        listened: Whether a subscription may want its event.
    """

    id: uuid.UUID
    connection_id: uuid.UUID
    user_id: int
    kind: str
    trigger: str
    dry_run: bool
    listened: bool = True

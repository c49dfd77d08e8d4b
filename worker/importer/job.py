"""What a run is asked to do, read once, with its claim. Plain data."""

import uuid
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from worker.connectors.base import Capabilities
from worker.importer.account_state import AccountState, claimed_accounts
from worker.models.connection_options import ConnectionOptions
from worker.runs.lease import ClaimedRun
from worker.runs.states import Lease, RunKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run. done: accounts this run finished in an earlier attempt; walked: how far back it came with the others.

    resumed: an earlier attempt left something. answer_digest: of all that run `answer_run_id` heard: nothing new.
    accounts: those to import as they were at the claim, read when there is such an answer.
    """

    lease: Lease
    connection_id: uuid.UUID
    user_id: int
    connector_name: str
    kind: RunKind
    account_external_id: str | None
    from_on: date | None
    to_on: date | None
    dry_run: bool
    reimport: bool
    target_run_id: uuid.UUID | None
    options: ConnectionOptions
    currency: str
    cursor: str | None
    consent_expires_at: datetime | None
    answer_digest: bytes | None
    answer_run_id: uuid.UUID | None
    accounts: list[AccountState]
    resumed: bool
    done: frozenset[int]
    walked: dict[int, date]


_AS_THEY_ARE = (
    "connection_id", "user_id", "account_external_id", "from_on", "to_on", "dry_run", "reimport", "target_run_id",
    "currency", "cursor", "consent_expires_at", "answer_run_id",
)  # fmt: skip


def zone_of(job: Job, capabilities: Capabilities) -> ZoneInfo:
    """Return the zone of the bank's days: the user's word, else the connector's."""
    return ZoneInfo(job.options.timezone or capabilities.timezone)


def job_of(claimed: ClaimedRun) -> Job:
    """Read what a claimed run is asked to do, and what earlier attempts finished."""
    asked = claimed.asked
    earlier: list[tuple[int, str, str | None]] = asked["earlier"]
    return Job(
        lease=claimed.lease,
        connector_name=claimed.facts.connector_name,
        kind=RunKind(asked["kind"]),
        options=ConnectionOptions.model_validate(asked["options"]),
        answer_digest=asked["answer_digest"] and bytes(asked["answer_digest"]),
        accounts=claimed_accounts(asked["accounts"] or ()),
        resumed=bool(earlier),
        done=frozenset(account_id for account_id, status, _ in earlier if status == "succeeded"),
        walked={account_id: date.fromisoformat(from_on) for account_id, _, from_on in earlier if from_on},
        **{name: asked[name] for name in _AS_THEY_ARE},
    )

"""What a run is asked to do, read once at its start. Plain data and the query that fills it."""

import uuid
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.connectors.base import Capabilities
from worker.options import ConnectionOptions
from worker.runs.states import Lease, RunKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run. done: accounts this run finished in an earlier attempt; walked: how far back it came with the others.

    resumed: an earlier attempt left something. answer_digest: of all that run `answer_run_id` heard: nothing new.
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
    resumed: bool
    done: frozenset[int]
    walked: dict[int, date]


def zone_of(job: Job, capabilities: Capabilities) -> ZoneInfo:
    """Return the zone of the bank's days: the user's word, else the connector's."""
    return ZoneInfo(job.options.timezone or capabilities.timezone)


_JOB = text(
    """
    SELECT r.connection_id, c.user_id, c.connector_name, r.kind, r.account_external_id, r.from_on, r.to_on, r.dry_run,
           r.reimport, r.target_run_id, c.options, u.preferred_currency AS currency, c.cursor, c.consent_expires_at,
           c.answer_digest, c.answer_run_id,
           (SELECT coalesce(jsonb_agg(jsonb_build_array(a.account_id, a.status, a.from_on)), '[]')
            FROM bank_import_run_accounts a WHERE a.run_id = r.id) AS earlier
    FROM bank_import_runs r JOIN bank_connections c ON c.id = r.connection_id JOIN users u ON u.id = c.user_id
    WHERE r.id = :run_id
    """
)


def load_job(session: Session, lease: Lease) -> Job:
    """Read the run, its connection and what earlier attempts finished."""
    row = session.execute(_JOB, {"run_id": lease.run_id}).one()._asdict()
    earlier: list[tuple[int, str, str | None]] = row.pop("earlier")
    return Job(
        **row
        | {
            "lease": lease,
            "kind": RunKind(row["kind"]),
            "options": ConnectionOptions.model_validate(row["options"]),
            "answer_digest": row["answer_digest"] and bytes(row["answer_digest"]),
            "resumed": bool(earlier),
            "done": frozenset(account_id for account_id, status, _ in earlier if status == "succeeded"),
            "walked": {account_id: date.fromisoformat(from_on) for account_id, _, from_on in earlier if from_on},
        }
    )

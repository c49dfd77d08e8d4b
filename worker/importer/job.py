"""The request of a run as plain data, read once from the row of its claim."""

import uuid
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from worker.connectors.base import Capabilities, IdClass
from worker.importer.account_state import AccountState, claimed_accounts, is_inverted
from worker.importer.decide.line import ReadContext, trusts_ids
from worker.models.connection_options import ConnectionOptions
from worker.runs.lease import ClaimedRun
from worker.runs.states import Lease, RunKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run.

    Attributes:
        from_on: First day to import, when the request states days; `to_on` is the last one.
        reimport: Rows that a revert removed may be imported again.
        target_run_id: The run to revert, or whose rejected rows are tried again.
        currency: The user's, for rows of accounts that state none.
        cursor: The connection's, where one cursor covers all accounts.
        answer_digest: Digest of the last response that had nothing new; run `answer_run_id` received it.
        accounts: The accounts to import as the claim read them, only where there is such a digest.
        resumed: An earlier attempt left results.
        done: Accounts that an earlier attempt finished.
        read_back_to: The oldest day that an earlier attempt read, per account.
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
    read_back_to: dict[int, date]


_COPIED = (
    "connection_id", "user_id", "account_external_id", "from_on", "to_on", "dry_run", "reimport", "target_run_id",
    "currency", "cursor", "consent_expires_at", "answer_run_id",
)  # fmt: skip


def zone_of(job: Job, capabilities: Capabilities) -> ZoneInfo:
    """Return the zone of the bank's days: the connection's `timezone`, else the connector's."""
    return ZoneInfo(job.options.timezone or capabilities.timezone)


def job_of(claimed: ClaimedRun) -> Job:
    """Read the request of a claimed run, and what earlier attempts finished."""
    request = claimed.asked
    earlier: list[tuple[int, str, str | None]] = request["earlier"]
    return Job(
        lease=claimed.lease,
        connector_name=claimed.facts.connector_name,
        kind=RunKind(request["kind"]),
        options=ConnectionOptions.model_validate(request["options"]),
        answer_digest=request["answer_digest"] and bytes(request["answer_digest"]),
        accounts=claimed_accounts(request["accounts"] or ()),
        resumed=bool(earlier),
        done=frozenset(account_id for account_id, status, _ in earlier if status == "succeeded"),
        read_back_to={account_id: date.fromisoformat(from_on) for account_id, _, from_on in earlier if from_on},
        **{name: request[name] for name in _COPIED},
    )


def read_context_for(
    job: Job, account: AccountState, capabilities: Capabilities, now: datetime, session: str | None
) -> ReadContext:
    """Return what is known of an account before its rows are read. session: the provider's, of session ids."""
    zone = zone_of(job, capabilities)
    id_class = IdClass(job.options.id_class or account.id_class or capabilities.id_class)
    return ReadContext(
        zone=zone,
        today=now.astimezone(zone).date(),
        currency=account.currency or job.currency,
        trusted=trusts_ids(id_class),
        namespace=(session or "") if id_class == IdClass.SESSION else "",
        date_basis=job.options.date_basis,
        sign=-1 if is_inverted(account, job.options) else 1,
    )

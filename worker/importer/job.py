"""Reads the request of a run as plain data from the row of its claim."""

import uuid
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from worker.connectors.base import Capabilities, IdClass, Window
from worker.importer.account_state import AccountState, claimed_accounts, is_inverted
from worker.importer.decide.read.context import ReadContext
from worker.importer.decide.read.line import trusts_ids
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
        read: The days that an earlier attempt read, per account.
        goes_on_from: The cursor after the last page that an earlier attempt imported, per account.
        part_days: Over how many days one request may go, because an earlier one took too long; None for any.
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
    read: dict[int, Window]
    goes_on_from: dict[int, str]
    part_days: int | None


_COPIED = (
    "connection_id", "user_id", "account_external_id", "from_on", "to_on", "dry_run", "reimport", "target_run_id",
    "currency", "cursor", "consent_expires_at", "answer_run_id", "part_days",
)  # fmt: skip


def zone_of(job: Job, capabilities: Capabilities) -> ZoneInfo:
    """Return the zone of the bank's days: the connection's `timezone`, else the connector's."""
    return ZoneInfo(job.options.timezone or capabilities.timezone)


def job_of(claimed: ClaimedRun) -> Job:
    """Read the request of a claimed run, and what earlier attempts finished."""
    request = claimed.row
    earlier: list[dict[str, Any]] = request["earlier"]
    return Job(
        lease=claimed.lease,
        connector_name=claimed.facts.connector_name,
        kind=RunKind(request["kind"]),
        options=ConnectionOptions.model_validate(request["options"]),
        answer_digest=request["answer_digest"] and bytes(request["answer_digest"]),
        accounts=claimed_accounts(request["accounts"] or ()),
        resumed=bool(earlier),
        done=frozenset(part["account_id"] for part in earlier if part["status"] == "succeeded"),
        read={
            part["account_id"]: Window(
                from_on=date.fromisoformat(part["from_on"]), to_on=date.fromisoformat(part["to_on"])
            )
            for part in earlier
            if part["from_on"] and part["to_on"]
        },
        goes_on_from={part["account_id"]: part["cursor_after"] for part in earlier if part["cursor_after"]},
        **{name: request[name] for name in _COPIED},
    )


def read_context_for(
    job: Job, account: AccountState, capabilities: Capabilities, now: datetime, provider_session: str | None
) -> ReadContext:
    """Return what is known of an account before its rows are read.

    Args:
        provider_session: Within which session ids are valid.
    """
    zone = zone_of(job, capabilities)
    id_class = IdClass(job.options.id_class or account.id_class or capabilities.id_class)
    return ReadContext(
        zone=zone,
        today=now.astimezone(zone).date(),
        # An account is in one currency: what was assumed of it holds until the bank states another one.
        currency=account.currency or account.currency_assumed or job.currency,
        trusted=trusts_ids(id_class),
        namespace=(provider_session or "") if id_class == IdClass.SESSION else "",
        date_basis=job.options.date_basis,
        sign=-1 if is_inverted(account, job.options) else 1,
        days_at=None if account.days_at is None else time.fromisoformat(account.days_at),
        pending_hidden=job.options.import_pending == "hide",
    )

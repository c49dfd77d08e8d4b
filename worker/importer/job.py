"""What a run is asked to do, read once at its start. Plain data and the query that fills it."""

import uuid
from dataclasses import dataclass
from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from worker.models import BankConnection, BankImportRun, BankImportRunAccount, User
from worker.options import ConnectionOptions
from worker.runs.states import Lease, RunKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run. done: accounts this run finished in an earlier attempt; walked: how far back it came with the others."""

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
    done: frozenset[int]
    walked: dict[int, date]


def load_job(session: Session, lease: Lease) -> Job:
    """Read the run, its connection and what earlier attempts finished."""
    run, connection, currency = session.execute(
        select(BankImportRun, BankConnection, User.preferred_currency)
        .join(BankConnection, BankConnection.id == BankImportRun.connection_id)
        .join(User, User.id == BankConnection.user_id)
        .where(BankImportRun.id == lease.run_id)
    ).one()
    earlier = session.scalars(select(BankImportRunAccount).where(BankImportRunAccount.run_id == lease.run_id)).all()
    return Job(
        lease=lease,
        connection_id=connection.id,
        user_id=connection.user_id,
        connector_name=connection.connector_name,
        kind=RunKind(run.kind),
        account_external_id=run.account_external_id,
        from_on=run.from_on,
        to_on=run.to_on,
        dry_run=run.dry_run,
        reimport=run.reimport,
        target_run_id=run.target_run_id,
        options=ConnectionOptions.model_validate(connection.options),
        currency=currency,
        cursor=connection.cursor,
        done=frozenset(row.account_id for row in earlier if row.status == "succeeded"),
        walked={row.account_id: row.from_on for row in earlier if row.from_on is not None},
    )

"""Reading runs: their state and progress, what they did per account, and what they decided row by row.

user_id is whose run it must be; None only for an operator. Somebody else's run is simply not there.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select, text, tuple_
from sqlalchemy.orm import Session

from worker.errors import NotFoundError
from worker.models import (
    BankConnectionAccount,
    BankImportRejection,
    BankImportRun,
    BankImportRunAccount,
)
from worker.runs.states import CLOSED, COUNTED, RunStatus

COUNTS = COUNTED
_PRIVATE = frozenset({"lease_token", "lease_expires_at", "dispatched_at", "dispatch_count", "trace_context"})
_PUBLIC = tuple(column.key for column in BankImportRun.__table__.columns if column.key not in _PRIVATE)


@dataclass(frozen=True, slots=True, kw_only=True)
class After:
    """The last run of the page before: the next page holds what is older."""

    queued_at: datetime
    run_id: uuid.UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """Which runs to list, newest first. None leaves a condition out."""

    user_id: int | None = None
    connection_id: uuid.UUID | None = None
    statuses: Sequence[RunStatus] = ()
    after: After | None = None
    limit: int = 50


def find(session: Session, run_id: uuid.UUID, *, user_id: int | None = None, lock: bool = False) -> BankImportRun:
    """Return one run. Raises: NotFoundError."""
    query = select(BankImportRun).where(BankImportRun.id == run_id)
    if user_id is not None:
        query = query.where(BankImportRun.user_id == user_id)
    row = session.scalar(query.with_for_update() if lock else query)
    if row is None:
        raise NotFoundError(f"no run {run_id}")
    return row


def list_runs(session: Session, wanted: RunFilter) -> list[dict[str, Any]]:
    """Return at most `limit` runs as `run_of` shows them, newest first."""
    query = select(BankImportRun).order_by(BankImportRun.queued_at.desc(), BankImportRun.id.desc())
    return _shown(session, session.scalars(_narrow(query, wanted).limit(wanted.limit)).all())


def run_of(session: Session, run_id: uuid.UUID, *, user_id: int | None = None) -> dict[str, Any]:
    """Return what may be shown of one run: everything but its lease, and what tells it from others at a glance.

    That is `connection_name` and `connector_name`, `duration_s` from its first start to its end or to now, and
    `reverted_by_run_id`, the run that took it back and was not taken back itself. Raises: NotFoundError.
    """
    return _shown(session, [find(session, run_id, user_id=user_id)])[0]


def reverted_by(session: Session, runs: Sequence[BankImportRun]) -> dict[uuid.UUID, uuid.UUID]:
    """Return the run that took each of these back, for those that are taken back now."""
    taken_back = session.execute(
        _REVERTED_BY, {"run_ids": [run.id for run in runs], "connection_ids": [run.connection_id for run in runs]}
    )
    return {row.target_run_id: row.id for row in taken_back}


_REVERTED_BY = text(
    """SELECT r.target_run_id, r.id FROM bank_import_runs r
    WHERE r.connection_id = ANY(:connection_ids) AND r.kind = 'revert' AND r.status = 'succeeded'
        AND r.target_run_id = ANY(:run_ids) AND NOT EXISTS (
        SELECT 1 FROM bank_import_runs u
        WHERE u.connection_id = r.connection_id AND u.kind = 'revert' AND u.status = 'succeeded'
            AND u.target_run_id = r.id)"""
)
_BANKS = text(
    """SELECT id, connector_name, display_name, now() AS now_at FROM bank_connections WHERE id = ANY(:connection_ids)"""
)


def _shown(session: Session, runs: Sequence[BankImportRun]) -> list[dict[str, Any]]:
    found = session.execute(_BANKS, {"connection_ids": list({run.connection_id for run in runs})})
    banks = {row.id: row for row in found}
    reverts = reverted_by(session, runs) if runs else {}
    shown = []
    for run in runs:
        bank = banks[run.connection_id]
        end_at = run.finished_at or bank.now_at
        shown.append(
            {name: getattr(run, name) for name in _PUBLIC}
            | {
                "connection_name": bank.display_name,
                "connector_name": bank.connector_name,
                "duration_s": None if run.started_at is None else (end_at - run.started_at).total_seconds(),
                "reverted_by_run_id": reverts.get(run.id),
            }
        )
    return shown


def is_closed(run: BankImportRun) -> bool:
    """Say whether nothing more will happen to this run."""
    return RunStatus(run.status) in CLOSED


def accounts_of(session: Session, run_id: uuid.UUID) -> list[dict[str, Any]]:
    """Return what a run did per account; the run was found by the caller."""
    mine = BankImportRunAccount
    counts = [getattr(mine, name) for name in COUNTS]
    query = (
        select(
            BankConnectionAccount.external_id.label("account_external_id"),
            BankConnectionAccount.name,
            mine.status,
            mine.code,
            mine.message,
            mine.from_on,
            mine.to_on,
            *counts,
            mine.balance_proof,
            mine.finished_at,
        )
        .join(BankConnectionAccount, BankConnectionAccount.id == mine.account_id)
        .where(mine.run_id == run_id)
        .order_by(mine.id)
    )
    return [dict(row) for row in session.execute(query).mappings()]


_CREATED_FROM = 1 << 52
"""Created rows are on record in the rows themselves; in the list of decisions they come after all changes."""

_DECISIONS = text(
    """SELECT d.*, a.name AS account FROM (
        SELECT c.id, c.decision, c.reason, coalesce(c.account_id, t.account_id) AS account_id, c.transaction_id,
            coalesce((c.detail ->> 'on')::date, t.effective_on) AS effective_on,
            coalesce((c.detail ->> 'amount')::numeric, t.amount) AS amount,
            coalesce(c.detail ->> 'currency', t.currency) AS currency,
            coalesce(c.detail ->> 'description', t.description) AS description,
            t.expense_id, c.reverted_by_run_id, c.detail
        FROM bank_transaction_changes c LEFT JOIN bank_transactions t ON t.id = c.transaction_id
        WHERE c.run_id = :run_id AND c.id > :after_id
        UNION ALL
        SELECT :created_from + t.id, t.first_decision, t.first_reason, t.account_id, t.id, t.effective_on, t.amount,
            t.currency, t.description, t.expense_id, NULL, '{}'
        FROM bank_transactions t WHERE t.first_run_id = :run_id AND :created_from + t.id > :after_id
    ) d LEFT JOIN bank_connection_accounts a ON a.id = d.account_id
    ORDER BY d.id LIMIT :limit"""
)


def decisions_of(session: Session, run_id: uuid.UUID, *, after_id: int = 0, limit: int = 100) -> list[dict[str, Any]]:
    """Return the decisions of a run with their reasons; `id` of the last one is the cursor for more.

    What a run changed comes first, then what it created; a dry run lists what it would have done, unchanged rows too.
    """
    rows = session.execute(
        _DECISIONS, {"run_id": run_id, "after_id": after_id, "limit": limit, "created_from": _CREATED_FROM}
    )
    return [{name: value for name, value in row.items() if name != "account_id"} for row in rows.mappings()]


def rejections_of(session: Session, run_id: uuid.UUID, *, after_id: int = 0, limit: int = 100) -> list[dict[str, Any]]:
    """Return the rows a run could not import, with the reason; `raw` is what the bank delivered."""
    row = BankImportRejection
    query = (
        select(row.id, row.code, row.message, row.external_id, row.raw, row.resolved_at)
        .where(row.run_id == run_id, row.id > after_id)
        .order_by(row.id)
        .limit(limit)
    )
    return [dict(found) for found in session.execute(query).mappings()]


def _narrow(query: Select[BankImportRun], wanted: RunFilter) -> Select[BankImportRun]:
    if wanted.user_id is not None:
        query = query.where(BankImportRun.user_id == wanted.user_id)
    if wanted.connection_id is not None:
        query = query.where(BankImportRun.connection_id == wanted.connection_id)
    if wanted.statuses:
        query = query.where(BankImportRun.status.in_(wanted.statuses))
    if wanted.after is not None:
        older = tuple_(BankImportRun.queued_at, BankImportRun.id) < tuple_(wanted.after.queued_at, wanted.after.run_id)
        query = query.where(older)
    return query

"""Queries of runs: state, progress, results per account, and decisions row by row.

`user_id` is whose run it must be; None is for an operator. Another user's run raises NotFoundError.
"""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, any_, literal, or_, select, text
from sqlalchemy.orm import Session, aliased

from worker.errors import NotFoundError
from worker.models import (
    BankConnection,
    BankConnectionAccount,
    BankImportRejection,
    BankImportRun,
    BankImportRunAccount,
)
from worker.models.transaction import REJECTION_IS_OPEN
from worker.runs.run_filter import RunFilter, named, select_runs, words_of
from worker.runs.states import CLOSED, COUNTED, WAITING, RunKind

_FEW = 200
_TOLD = ("dispatched_at", "dispatch_count", "claimed_at", "requests", "earlier_attempts")
_PRIVATE = frozenset({"lease_token", "lease_expires_at", "trace_context", *_TOLD})
_PUBLIC = tuple(column.key for column in BankImportRun.__table__.columns if column.key not in _PRIVATE)


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
    """Return one page of runs as `run_of` shows them, in the wanted order."""
    found: list[BankImportRun] = []
    for query in select_runs(_with_few_names(session, wanted)):
        if len(found) < wanted.limit:
            found += session.scalars(query.limit(wanted.limit - len(found)))
    return _shown(session, found)


def _with_few_names(session: Session, wanted: RunFilter) -> RunFilter:
    """Look up the connections that words name: when they are few, their runs and messages are found by index."""
    if wanted.user_id is not None or wanted.connection_id is not None:
        return wanted
    named_so = few_named(session, words_of(wanted.text), wanted.institution)
    of_bank = None if wanted.bank is None else _few(session, BankConnection.institution_name == wanted.bank)
    return replace(wanted, few_named=named_so, few_of_bank=of_bank)


def few_named(session: Session, *words: str | None) -> dict[str, Sequence[uuid.UUID]]:
    """Return the connections by the words in their names; words that many connections are named with are left out."""
    found = {one: _few(session, named(one)) for one in filter(None, words)}
    return {one: ids for one, ids in found.items() if ids is not None}


def _few(session: Session, condition: ColumnElement[bool]) -> Sequence[uuid.UUID] | None:
    ids = session.scalars(select(BankConnection.id).where(condition).limit(_FEW + 1)).all()
    return ids if len(ids) <= _FEW else None


def run_of(session: Session, run_id: uuid.UUID, *, user_id: int | None = None) -> dict[str, Any]:
    """Return the fields of one run that may be shown: all but its lease, and six that are derived.

    These are `connection_name`, `connector_name`, `institution_name`, `duration_s` (from its first start to its end or
    to now; of one that waits, to when it was handed back), `reverted_by_run_id` (the run that reverted it and was not
    reverted itself), and `transfer_legs` (rows, created or known before, that it took for legs of transfers; lists of
    runs do without).

    Raises: NotFoundError.
    """
    run = _shown(session, [find(session, run_id, user_id=user_id)])[0]
    return run | {"transfer_legs": session.scalar(_TRANSFER_LEGS, {"run_id": run_id})}


def told_run(session: Session, run_id: uuid.UUID, *, user_id: int | None = None) -> dict[str, Any]:
    """Return a run as `run_of` shows it, with the columns that its timeline tells of. Raises: NotFoundError."""
    run = run_of(session, run_id, user_id=user_id)
    row = session.execute(select(*(getattr(BankImportRun, name) for name in _TOLD)).where(BankImportRun.id == run_id))
    return run | dict(row.mappings().one())


def reverted_by(session: Session, runs: Sequence[BankImportRun]) -> dict[uuid.UUID, uuid.UUID]:
    """Return by run the run that reverted it, for those that are reverted now."""
    taken_back = session.execute(
        _REVERTED_BY, {"run_ids": [run.id for run in runs], "connection_ids": [run.connection_id for run in runs]}
    )
    return {row.target_run_id: row.id for row in taken_back}


def kinds_taken_back(session: Session, run_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, str]:
    """Return by revert the kind of the run that it took back; other runs are left out."""
    target = aliased(BankImportRun)
    query = select(BankImportRun.id, target.kind).join(target, target.id == BankImportRun.target_run_id)
    wanted = (BankImportRun.id.in_(run_ids), BankImportRun.kind == RunKind.REVERT)
    return {row.id: row.kind for row in session.execute(query.where(*wanted))}


_TRANSFER_LEGS = text(
    """SELECT count(*) FROM bank_transaction_changes WHERE run_id = :run_id
    AND reason IN ('names_the_account', 'called_a_transfer', 'transfer_hidden')"""
)
_REVERTED_BY = text(
    """SELECT r.target_run_id, r.id FROM bank_import_runs r
    WHERE r.connection_id = ANY(:connection_ids) AND r.kind = 'revert' AND r.status = 'succeeded'
        AND r.target_run_id = ANY(:run_ids) AND NOT EXISTS (
        SELECT 1 FROM bank_import_runs u
        WHERE u.connection_id = r.connection_id AND u.kind = 'revert' AND u.status = 'succeeded'
            AND u.target_run_id = r.id)"""
)
_BANKS = text(
    """SELECT id, connector_name, display_name, institution_name, now() AS now_at FROM bank_connections
    WHERE id = ANY(:connection_ids)"""
)


def _shown(session: Session, runs: Sequence[BankImportRun]) -> list[dict[str, Any]]:
    found = session.execute(_BANKS, {"connection_ids": list({run.connection_id for run in runs})})
    banks = {row.id: row for row in found}
    reverts = reverted_by(session, runs) if runs else {}
    shown = []
    for run in runs:
        bank = banks[run.connection_id]
        waited_since_at = (run.heartbeat_at or run.started_at) if run.status in WAITING else None
        end_at = run.finished_at or waited_since_at or bank.now_at
        shown.append(
            {name: getattr(run, name) for name in _PUBLIC}
            | {
                "connection_name": bank.display_name,
                "connector_name": bank.connector_name,
                "institution_name": bank.institution_name,
                "duration_s": None if run.started_at is None else (end_at - run.started_at).total_seconds(),
                "reverted_by_run_id": reverts.get(run.id),
            }
        )
    return shown


def accounts_of(session: Session, run_id: uuid.UUID) -> list[dict[str, Any]]:
    """Return what a run did per account. The caller has checked whose run it is.

    Accounts that a run did not reach, because an error ended it before, are listed with that error.
    """
    mine = BankImportRunAccount
    counts = [getattr(mine, name) for name in COUNTED]
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
    found = [dict(row) for row in session.execute(query).mappings()]
    return found + _not_reached(session, session.get_one(BankImportRun, run_id), len(found))


def _not_reached(session: Session, run: BankImportRun, reached: int) -> list[dict[str, Any]]:
    """Return the accounts of a closed run that it meant to read and has no row of.

    Those that could not be imported have a row that says why; one that is closed was not meant.
    """
    missing = run.accounts_total - reached
    if missing <= 0 or run.status not in CLOSED or run.dry_run:
        return []
    account, mine = BankConnectionAccount, BankImportRunAccount
    wanted = [account.connection_id == run.connection_id, account.included, account.created_at <= run.finished_at]
    wanted.append(account.status.not_in(("closed", "waiting", "unsupported")))
    if run.account_external_id is not None:
        asked_for = run.account_external_id
        wanted.append(or_(account.external_id == asked_for, literal(asked_for) == any_(account.former_external_ids)))
    with_row = select(mine.account_id).where(mine.run_id == run.id)
    query = select(account.external_id, account.name).where(*wanted, account.id.not_in(with_row))
    query = query.order_by(account.status != "active", account.id)
    ended = {"status": "failed", "code": run.code, "message": run.message, "from_on": None, "to_on": None}
    nothing = {**dict.fromkeys(COUNTED, 0), "balance_proof": None, "finished_at": run.finished_at}
    return [
        {"account_external_id": row.external_id, "name": row.name, **ended, **nothing}
        for row in session.execute(query.limit(missing))
    ]


_CREATED_FROM = 1 << 52
"""Created rows are on record in the rows themselves; in the list of decisions they come after all changes."""

_DECISIONS = text(
    """SELECT d.*, coalesce(a.name, d.detail ->> 'account') AS account FROM (
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
    WHERE CAST(:decision AS text) IS NULL OR d.decision = :decision
    ORDER BY d.id LIMIT :limit"""
)


def decisions_of(
    session: Session, run_id: uuid.UUID, *, after_id: int = 0, limit: int = 100, decision: str | None = None
) -> list[dict[str, Any]]:
    """Return the decisions of a run with their reasons; pass the last `id` as `after_id` to get more.

    Changes come first, then created rows. A dry run lists what it would have done, including unchanged rows.
    """
    values = {"run_id": run_id, "after_id": after_id, "limit": limit, "decision": decision}
    rows = session.execute(_DECISIONS, values | {"created_from": _CREATED_FROM})
    return [{name: value for name, value in row.items() if name != "account_id"} for row in rows.mappings()]


def open_rejections(session: Session, run_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, int]:
    """Return by run how many of its rejected rows are open; runs without any are left out."""
    rows = session.execute(_OPEN_REJECTIONS, {"run_ids": list(run_ids)})
    return {row.run_id: row.rows_ for row in rows}


_OPEN_REJECTIONS = text(
    f"""SELECT run_id, count(*) AS rows_ FROM bank_import_rejections
    WHERE run_id = ANY(:run_ids) AND {REJECTION_IS_OPEN} GROUP BY run_id"""  # noqa: S608 - a constant
)


def rejections_of(session: Session, run_id: uuid.UUID, *, after_id: int = 0, limit: int = 100) -> list[dict[str, Any]]:
    """Return the rows that a run could not import, with the reason; `raw` is what the bank delivered."""
    row = BankImportRejection
    query = (
        select(row.id, row.code, row.message, row.external_id, row.raw, row.resolved_at, row.dismissed_at)
        .where(row.run_id == run_id, row.id > after_id)
        .order_by(row.id)
        .limit(limit)
    )
    return [dict(found) for found in session.execute(query).mappings()]

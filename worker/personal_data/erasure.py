"""Erases a user: rows, statement files, keys in Redis. It may run beside imports, webhooks and FinMind itself.

Counts without a person stay, as a line of the audit: how many rows of which table went, and how often the credentials
were used. What identified the person is collected before, and looked for in the whole database afterwards.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import redis
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from worker.audit import record_operation
from worker.connections.statement_folders import folder_of_user
from worker.db.engine import Sessions, with_contention_retries
from worker.finmind_cache import FinMindCache
from worker.personal_data.personal_tables import PASSING, TABLES, whose
from worker.personal_data.traces import Search, identifying_values, search
from worker.runs.providers.circuit import BANK_SCOPE

_TRIES = 60
"""A lock is waited for 10 s at a time: an import that is being written may take minutes."""
_REDIS_PAGE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class DataStores:
    """Where data of people is.

    Attributes:
        redis: The broker's Redis, where requests are counted.
        revoke: Ends a connection's authorisation at the provider; says whether it did.
    """

    sessions: Sessions
    redis: redis.Redis
    cache: FinMindCache
    statement_folder: Path | None
    revoke: Callable[[str], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasurePlan:
    """What an erasure would remove.

    Attributes:
        rows: Rows per table; tables without any are left out.
        finmind_rows: Rows per table that FinMind itself keeps and that go with the person's row in `users`.
        connections: Connections with credentials, whose authorisation is ended at the provider.
        erases_account: Whether the person's row in `users` goes as well, with all that FinMind keeps.
        reason_kept: Why it stays; None when it goes.
    """

    user_id: int
    exists: bool
    rows: Mapping[str, int]
    finmind_rows: Mapping[str, int]
    connections: Sequence[str]
    files: int
    reason_kept: str | None

    @property
    def erases_account(self) -> bool:
        """Whether the person's row in `users` goes."""
        return self.reason_kept is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What an erasure removed.

    Attributes:
        redis_keys: Keys in Redis; None when it did not answer, and lets them expire.
        search: What was looked for afterwards, and found.
    """

    plan: ErasurePlan
    revoked: int
    redis_keys: int | None
    audit_lines: int
    search: Search


def plan_erasure(place: DataStores, user_id: int, *, keep_account: bool = False) -> ErasurePlan:
    """Say what an erasure would remove; changes nothing.

    Args:
        keep_account: Leave what FinMind itself keeps.
    """
    with place.sessions() as session:
        session.execute(text("SET LOCAL statement_timeout = 0"))
        exists = session.scalar(text("SELECT count(*) FROM users WHERE id = :id"), {"id": user_id}) == 1
        may = session.scalar(text("SELECT has_table_privilege('users', 'DELETE')"))
        alive = text(
            "SELECT id::text FROM bank_connections WHERE user_id = :id AND status <> 'disconnected' ORDER BY id"
        )
        connections = list(session.scalars(alive, {"id": user_id}))
        rows = _count(session, user_id)
        finmind_rows = _count_of_finmind(session, user_id) if may and not keep_account else {}
    reason = None
    if keep_account:
        reason = "it was asked to stay"
    elif not may:
        reason = "this log-in may not delete from `users`: delete the user in FinMind, or run this as its owner"
    files = sum(path.is_file() for path in _folder(place, user_id).rglob("*")) if place.statement_folder else 0
    return ErasurePlan(
        user_id=user_id, exists=exists, rows=rows, finmind_rows=finmind_rows, connections=connections, files=files,
        reason_kept=reason,
    )  # fmt: skip


def erase(place: DataStores, plan: ErasurePlan) -> Erased:
    """Erase what the plan says, whatever was added to it meanwhile included; idempotent."""
    user_id = plan.user_id
    with place.sessions() as session:
        values = identifying_values(session, user_id)
    _cancel_runs(place.sessions, user_id)
    revoked = sum(place.revoke(connection_id) for connection_id in plan.connections)
    rows = with_contention_retries(lambda: _delete_rows(place.sessions, plan), tries=_TRIES)
    if place.statement_folder:
        shutil.rmtree(_folder(place, user_id), ignore_errors=True)
    keys = _forget_keys(place, user_id)
    with place.sessions() as session:
        lines = session.scalar(text("SELECT fold_audit_of_gone_users(1000000)")) or 0
        kept = {name: count for name, count in rows.items() if name != "credential_audit"}
        record_operation(session, "users erase", table="users", row_id="", rows=kept, files=plan.files)
    with place.sessions() as session:
        found = search(session, values, user_id=user_id)
    done = replace(plan, rows=rows)
    return Erased(plan=done, revoked=revoked, redis_keys=keys, audit_lines=lines, search=found)


def _count(session: Session, user_id: int) -> dict[str, int]:
    names = [table.name for table in TABLES] + list(PASSING)
    counts = {
        name: session.scalar(text(f'SELECT count(*) FROM "{name}" WHERE {whose(name)}'), {"user_id": user_id}) or 0  # noqa: S608 - constants
        for name in names
    }
    return {name: count for name, count in counts.items() if count}


def _count_of_finmind(session: Session, user_id: int) -> dict[str, int]:
    """Count the rows of tables other than ours that refer to the user; of the expenses all, imported ones or not."""
    ours = {table.name for table in TABLES} - {"expenses"} | set(PASSING)
    places = [row for row in session.execute(_REFERRING_READABLE) if row.table_name not in ours]
    counts = {
        row.table_name: session.scalar(
            text(f'SELECT count(*) FROM {row.table_name} WHERE "{row.column_name}" = :user_id'),  # noqa: S608 - names of the catalog
            {"user_id": user_id},
        )
        or 0
        for row in places
    }
    return {name: count for name, count in counts.items() if count}


def _cancel_runs(sessions: Sessions, user_id: int) -> None:
    """End what waits and ask what runs to stop, so that no import goes on for minutes on rows that are going."""

    def cancel() -> None:
        with sessions() as session:
            for statement in (_CANCEL_WAITING, _CANCEL_RUNNING):
                session.execute(statement, {"user_id": user_id})

    with_contention_retries(cancel, tries=_TRIES)


_CANCEL_WAITING = text(
    """UPDATE bank_import_runs SET status = 'cancelled', code = 'disconnected', finished_at = now(), not_before = NULL
    WHERE user_id = :user_id AND status IN ('queued', 'deferred')"""
)
# A row that an import holds is left alone: that import is about to commit, and the deletion waits for it.
_CANCEL_RUNNING = text(
    """UPDATE bank_import_runs SET cancel_requested_at = now() WHERE id IN (
      SELECT id FROM bank_import_runs WHERE user_id = :user_id AND status = 'running' AND cancel_requested_at IS NULL
      FOR NO KEY UPDATE SKIP LOCKED)"""
)


def _delete_rows(sessions: Sessions, plan: ErasurePlan) -> dict[str, int]:
    """Delete in one transaction that locks the user's row first, as FinMind does: imports wait, or are waited for."""
    user = {"user_id": plan.user_id}
    with sessions() as session:
        session.execute(text("SET LOCAL statement_timeout = 0"))
        session.execute(text("SELECT 1 FROM users WHERE id = :user_id FOR UPDATE"), user)
        counts = _count(session, plan.user_id)
        session.execute(text(f"DELETE FROM provider_notices WHERE {whose('provider_notices')}"), user)  # noqa: S608 - a constant
        for statement in (*_FORGET_FAILURES, _LOCK_EXPENSES, _DELETE_ROWS_AND_EXPENSES):
            session.execute(statement, user)
        banks = [dict(row) for row in session.execute(_BANKS, user).mappings()]
        for table in _ROOTS:
            session.execute(text(f"DELETE FROM {table} WHERE user_id = :user_id"), user)  # noqa: S608 - constants
        for bank in banks:
            for statement in _FORGET_BANK:
                session.execute(statement, bank)
        if plan.erases_account:
            _delete_user(session, plan.user_id)
    return counts


# Before the bank rows, as FinMind does, whose deletion of an expense goes on to the row that refers to it.
_LOCK_EXPENSES = text("SELECT count(*) FROM (SELECT FROM expenses WHERE user_id = :user_id FOR UPDATE) locked")
# In one statement: for an expense that goes before its bank row, the foreign key writes that row anew in every index.
_DELETE_ROWS_AND_EXPENSES = text(
    """WITH gone AS (DELETE FROM bank_transactions WHERE user_id = :user_id RETURNING expense_id, expense_state)
    DELETE FROM expenses WHERE id IN (SELECT expense_id FROM gone WHERE expense_state = 'own')"""
)
_FORGET_FAILURES = tuple(
    text(
        f"""UPDATE {table} SET failed_users = array_remove(failed_users, CAST(:user_id AS integer))
        WHERE :user_id = ANY(failed_users)"""  # noqa: S608 - constants
    )
    for table in ("bank_connector_circuits", "institution_weather")
)
_BANKS = text(
    f"""SELECT DISTINCT c.connector_name, name
    FROM bank_connections c, unnest(ARRAY[c.outage_scope, c.institution_name, {BANK_SCOPE}]) AS name
    WHERE c.user_id = :user_id AND name <> ''"""  # noqa: S608 - a constant
)
# Banks and servers of one's own that nobody else has: their names may be the person's.
_FORGET_BANK = tuple(
    text(
        f"""DELETE FROM {table} WHERE connector_name = :connector_name AND {column} = :name AND NOT EXISTS (
          SELECT FROM bank_connections c
          WHERE c.connector_name = :connector_name AND :name IN (c.outage_scope, c.institution_name, {BANK_SCOPE}))"""  # noqa: S608 - constants
    )
    for table, column in (
        ("bank_connector_circuits", "scope"),
        ("institution_weather", "institution"),
        ("institution_days", "institution"),
    )
)
_ROOTS = (
    "webhook_event_batches", "webhook_inbox", "webhook_events", "webhook_event_keys", "webhook_subscriptions",
    "bank_match_suggestions", "bank_connections", "bank_accounts", "bank_link_attempts", "idempotency_keys",
    "user_preferences",
)  # fmt: skip
"""The tables from which everything else of a person is deleted by cascade."""

_REFERENCES = """
    SELECT k.conrelid::regclass::text AS table_name, a.attname AS column_name
    FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
    WHERE k.confrelid = to_regclass('users') AND k.contype = 'f' AND k.conparentid = 0"""
_REFERRING = text(f"{_REFERENCES} AND k.confdeltype IN ('a', 'r')")
_REFERRING_READABLE = text(
    f"{_REFERENCES} AND k.confdeltype IN ('a', 'c', 'r') AND has_table_privilege(k.conrelid, 'SELECT') ORDER BY 1"
)


def _delete_user(session: Session, user_id: int) -> None:
    """Delete the user, after the rows of FinMind's own tables that would refuse it, in any order that works."""
    waiting = [(row.table_name, row.column_name) for row in session.execute(_REFERRING)]
    while waiting:
        left = [place for place in waiting if not _delete_referring(session, *place, user_id)]
        if left == waiting:
            break  # what refuses is said by the deletion of the user
        waiting = left
    session.execute(text("DELETE FROM users WHERE id = :user_id"), {"user_id": user_id})


def _delete_referring(session: Session, table: str, column: str, user_id: int) -> bool:
    try:
        with session.begin_nested():
            session.execute(text(f'DELETE FROM {table} WHERE "{column}" = :user_id'), {"user_id": user_id})  # noqa: S608 - names of the catalog
    except IntegrityError:
        return False
    return True


def _forget_keys(place: DataStores, user_id: int) -> int | None:
    """Delete the keys of the person in both Redis servers; return how many, None when one did not answer."""
    found = 0
    for client, patterns in (
        (place.redis, (f"finmind-worker:api:LIMITER/{user_id}/*",)),
        (place.cache.client, (f"user:{user_id}:*", f"insights:{user_id}:*")),
    ):
        if client is None:
            continue
        try:
            found += sum(_unlink(client, pattern) for pattern in patterns)
        except redis.RedisError:
            return None
    return found


def _unlink(client: redis.Redis, pattern: str) -> int:
    keys = list(client.scan_iter(match=pattern, count=_REDIS_PAGE))
    if keys:
        client.unlink(*keys)
    return len(keys)


def _folder(place: DataStores, user_id: int) -> Path:
    assert place.statement_folder is not None
    return folder_of_user(place.statement_folder, user_id)

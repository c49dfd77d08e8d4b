"""Checks a restored database and repairs it, before anything is started on it. Idempotent.

The restored database is older than what happened since: what was to be sent then has been sent or is stale, runs under
way have no worker, and banks have stated more, some of it once only.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.audit import record_operation
from worker.credentials import Vault
from worker.db.engine import Sessions
from worker.errors import ConflictError
from worker.recovery.credentials import lost_credentials
from worker.recovery.held_messages import hold_notices, hold_outbox, hold_reminders
from worker.recovery.restore_facts import COMMAND, Finding, RestoreOptions, count_rows, earlier_point, place_of
from worker.recovery.sequences import sequences_behind
from worker.runs.request import request_run
from worker.runs.states import RunKind, RunRequest, RunTrigger

READ_AGAIN_DAYS = 30
"""How far before the moment of the backup each account is read again."""


def check_after_restore(sessions: Sessions, vault: Vault, options: RestoreOptions) -> list[Finding]:
    """Return what was found, and mend it unless it is a dry run. Workers, API and beat must not run yet."""
    with _transaction(sessions, options) as session:
        point = _point(session, options)
        found = [Finding(name="backup", count=1, says=f"the backup is of {point:%Y-%m-%d %H:%M:%SZ}")]
        for step in (_hand_back_runs, _publish_again, hold_outbox, hold_reminders, hold_notices, _read_again):
            found += step(session, point, options)
        found += [
            Finding(name="sequences", count=1, says=says)
            for says in sequences_behind(session, mend=not options.dry_run)
        ]
        if not options.dry_run:
            place = place_of(session)
            record_operation(session, COMMAND, table="", row_id="", backup_of=point.isoformat(), place=place)
    for says, mended in lost_credentials(sessions, vault, give_up=options.give_up_credentials and not options.dry_run):
        found.append(Finding(name="credentials", count=1, says=says, mended=mended))
    return [finding for finding in found if finding.count]


@contextmanager
def _transaction(sessions: Sessions, options: RestoreOptions) -> Iterator[Session]:
    """Open a transaction, which a dry run rolls back in the end."""
    with sessions() as session, session.begin_nested() as attempt:
        session.execute(text("SET LOCAL statement_timeout = 0"))
        yield session
        if options.dry_run:
            attempt.rollback()


# The newest moment that something of the worker's own left in the tables; not what operators did since.
_NEWEST = text(
    """
    SELECT greatest(
      (SELECT max(greatest(queued_at, started_at, heartbeat_at, finished_at)) FROM bank_import_runs),
      (SELECT max(occurred_at) FROM webhook_events),
      (SELECT max(received_at) FROM provider_notices),
      (SELECT max(seen_at) FROM worker_heartbeats),
      (SELECT max(at) FROM credential_audit WHERE action <> 'operated'),
      (SELECT max(created_at) FROM bank_connections),
      to_timestamp(0))
    """
)


def _point(session: Session, options: RestoreOptions) -> datetime:
    """Return the moment of the backup: as stated, as found when this database was checked first, or the newest one."""
    if options.backup_of is not None:
        return options.backup_of
    before = earlier_point(session)
    if before is not None:
        return datetime.fromisoformat(before)
    newest = session.execute(_NEWEST).scalar_one()
    assert isinstance(newest, datetime)
    return newest


def _hand_back_runs(session: Session, point: datetime, _options: RestoreOptions) -> list[Finding]:
    handed_back = count_rows(session, _HAND_BACK, point)
    expired = count_rows(session, _EXPIRE_LEASE, point)
    return [
        Finding(
            name="runs",
            count=handed_back + expired,
            says=f"{handed_back + expired} runs were under way: they go on from what they had committed",
        )
    ]


_HAND_BACK = text(
    """
    UPDATE bank_import_runs r SET status = 'queued', code = 'lost', attempt = greatest(attempt - 1, 0),
      lease_token = NULL, lease_expires_at = NULL, dispatched_at = NULL, not_before = NULL
    WHERE status = 'running' AND started_at <= :point AND NOT EXISTS (
      SELECT FROM bank_import_runs w WHERE w.connection_id = r.connection_id AND w.status IN ('queued', 'deferred'))
    """
)
# Another run of the connection waits: this one keeps its place, and the reaper has it published.
_EXPIRE_LEASE = text(
    """
    UPDATE bank_import_runs SET lease_expires_at = now() - INTERVAL '1 second', dispatched_at = NULL
    WHERE status = 'running' AND started_at <= :point AND lease_expires_at > now()
    """
)


def _publish_again(session: Session, point: datetime, _options: RestoreOptions) -> list[Finding]:
    count = count_rows(session, _FORGET_MESSAGES, point)
    return [Finding(name="messages", count=count, says=f"{count} waiting runs are published again")]


_FORGET_MESSAGES = text(
    """
    UPDATE bank_import_runs SET dispatched_at = NULL
    WHERE status IN ('queued', 'deferred') AND dispatched_at IS NOT NULL AND dispatched_at <= :point
    """
)


def _read_again(session: Session, point: datetime, _options: RestoreOptions) -> list[Finding]:
    """Ask for a whole reading of the days around the backup, beside the refresh that goes on from the old cursor.

    A cursor of the backup tells again what changed since, once for each row. What a bank tells only once, or no longer
    tells for an old cursor, is found by its days.
    """
    session.execute(_FORGET_ANSWERS, {"point": point})
    connections = session.scalars(_NOT_READ_SINCE, {"point": point}).all()
    from_on = (point - timedelta(days=READ_AGAIN_DAYS)).date()
    asked = waiting = 0
    for connection_id in connections:
        request = RunRequest(
            connection_id=connection_id, kind=RunKind.IMPORT, trigger=RunTrigger.SCHEDULE, from_on=from_on
        )
        try:
            request_run(session, request, join_running=False)
            asked += 1
        except ConflictError:
            waiting += 1
    says = f"{asked} connections are read again from {from_on}, beside what their cursor tells"
    found = [Finding(name="cursors", count=asked, says=says)]
    if waiting:
        says = f"{waiting} connections have another run waiting: let it end, and run this again"
        found.append(Finding(name="cursors_waiting", count=waiting, says=says, mended=False))
    return found


# The answer that is known again is compared with rows that may be older than it.
_FORGET_ANSWERS = text(
    """
    UPDATE bank_connections SET answer_digest = NULL, answer_run_id = NULL
    WHERE answer_digest IS NOT NULL AND coalesce(last_good_at, created_at) <= :point
    """
)
_NOT_READ_SINCE = text(
    """
    SELECT id FROM bank_connections c WHERE status IN ('active', 'error') AND created_at <= :point AND NOT EXISTS (
      SELECT FROM bank_import_runs r
      WHERE r.connection_id = c.id AND r.kind = 'import' AND r.queued_at > :point AND r.from_on IS NOT NULL)
    ORDER BY id
    """
)

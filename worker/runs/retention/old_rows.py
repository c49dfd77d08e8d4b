"""Ends and deletes rows by age.

Removed is what nothing needs any more: no undo, no proof of a balance, no open question, no other run. A run that
changed something stays: it can be taken back. What refreshes without news leave is thinned first
(`worker.runs.retention.old_runs`).
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta

from sqlalchemy import CursorResult, delete, func, select, text
from sqlalchemy.orm import Session

from worker.db.engine import Sessions
from worker.models import BankImportRun, WorkerHeartbeat
from worker.models.api import IDEMPOTENCY_KEY_LASTS
from worker.runs.ending import apply_consequences
from worker.runs.retention.old_runs import FOLD_OPENINGS, FORGET_REQUESTS, REMOVE_OLD_RUNS, THIN_RUNS, Walk
from worker.runs.retention.pace import RemovalPace
from worker.runs.states import EndedRun, Outcome, RunStatus

LONGEST_DEFERRAL = timedelta(days=7)
"""A run that was first tried so long ago and is still deferred fails; the next refresh covers the same days."""

_KEEP_HEARTBEATS = timedelta(days=1)

_KEEP_IDEMPOTENCY_KEYS = 2 * IDEMPOTENCY_KEY_LASTS
"""Only keys that no request may still be answered by are removed."""

_KEEP_HANDLED_NOTICES = timedelta(days=7)
"""How long a webhook of a provider that was handled can be looked up."""

_KEEP_ENDED_ALLOWANCES = timedelta(days=7)
"""How long the use of an allowance of a provider can be looked up after its time."""

DRY_RUN_DAYS = 7
"""How long the report of a dry run is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPolicy:
    """How long rows are kept, and how many are treated at once.

    Attributes:
        run_days: `RUN_RETENTION_DAYS`: runs that changed nothing, what others asked the bank, resolved rejections,
            links that nobody completed.
        audit_days: `AUDIT_RETENTION_DAYS`: openings of credentials; Postgres refuses to remove them before 90 days.
        batch: rows removed in one transaction.
        page: rows looked at in one transaction, where what stays is in between.
    """

    run_days: int
    audit_days: int
    batch: int = 500
    page: int = 2000


def expire_deferred(sessions: Sessions, pace: RemovalPace, *, page: int = 200) -> int:
    """Fail runs that were tried in vain for longer than `LONGEST_DEFERRAL`, a page per transaction; return how many.

    How long a run waited for a worker does not count.
    """
    expired, gone = 0, page
    while gone == page and pace.goes_on():
        with sessions() as session:
            gone = _expire_page(session, page)
        expired += gone
    return expired


def _expire_page(session: Session, page: int) -> int:
    waited_too_long = (
        select(BankImportRun)
        .where(BankImportRun.status == RunStatus.DEFERRED, BankImportRun.started_at < func.now() - LONGEST_DEFERRAL)
        .limit(page)
        .with_for_update(skip_locked=True)
    )
    runs = session.scalars(waited_too_long).all()
    for run in runs:
        run.status = RunStatus.FAILED
        run.finished_at = func.now()
        run.not_before = None
        session.flush()
        ended = EndedRun(
            id=run.id,
            connection_id=run.connection_id,
            user_id=run.user_id,
            kind=run.kind,
            trigger=run.trigger,
            dry_run=run.dry_run,
        )
        apply_consequences(
            session, ended, Outcome(status=RunStatus.FAILED, code=run.code or "rate_limited", message=run.message)
        )
    return len(runs)


def prune_heartbeats(session: Session) -> None:
    """Delete heartbeats of components that no longer exist."""
    session.execute(delete(WorkerHeartbeat).where(WorkerHeartbeat.seen_at < func.now() - _KEEP_HEARTBEATS))


_STATEMENTS: Mapping[str, str] = {
    "dry_runs": """
    DELETE FROM bank_import_runs WHERE id IN (
      SELECT r.id FROM bank_import_runs r
      WHERE r.dry_run AND r.finished_at < now() - make_interval(days => :dry_run_days)
        AND NOT EXISTS (SELECT FROM bank_import_runs about WHERE about.target_run_id = r.id)
      ORDER BY r.finished_at LIMIT 5 FOR UPDATE SKIP LOCKED)""",
    "resolved_rejections": """
    DELETE FROM bank_import_rejections WHERE id IN (
      SELECT id FROM bank_import_rejections WHERE resolved_at < now() - make_interval(days => :run_days)
      LIMIT :batch FOR UPDATE SKIP LOCKED)""",
    "link_attempts": """
    DELETE FROM bank_link_attempts WHERE id IN (
      SELECT id FROM bank_link_attempts
      WHERE status <> 'linked' AND expires_at < now() - make_interval(days => :run_days)
      LIMIT :batch FOR UPDATE SKIP LOCKED)""",
    "idempotency_keys": """
    DELETE FROM idempotency_keys WHERE (user_id, key) IN (
      SELECT user_id, key FROM idempotency_keys WHERE created_at < now() - :keep_idempotency_keys
      LIMIT :batch FOR UPDATE SKIP LOCKED)""",
    "handled_notices": """
    DELETE FROM provider_notices WHERE id IN (
      SELECT id FROM provider_notices WHERE handled_at < now() - :keep_handled_notices
      LIMIT :batch FOR UPDATE SKIP LOCKED)""",
    "ended_allowances": """
    DELETE FROM bank_quota_usage WHERE id IN (
      SELECT id FROM bank_quota_usage WHERE window_ends_at < now() - :keep_ended_allowances
      LIMIT :batch FOR UPDATE SKIP LOCKED)""",
    # Only functions of the database remove lines of the audit; each returns how many.
    "openings": "SELECT forget_credential_openings(make_interval(days => :audit_days), :batch)",
    "audit_of_erased": "SELECT fold_audit_of_gone_users(10 * :batch)",
}


def remove_old_rows(sessions: Sessions, policy: RetentionPolicy, pace: RemovalPace) -> dict[str, int]:
    """Delete what is old enough, a batch per transaction; return the number of rows by kind."""
    values = asdict(policy) | {
        "dry_run_days": DRY_RUN_DAYS,
        "keep_idempotency_keys": _KEEP_IDEMPOTENCY_KEYS,
        "keep_handled_notices": _KEEP_HANDLED_NOTICES,
        "keep_ended_allowances": _KEEP_ENDED_ALLOWANCES,
    }
    walks = (THIN_RUNS, REMOVE_OLD_RUNS, FORGET_REQUESTS, FOLD_OPENINGS)
    removed: Counter[str] = Counter(dict.fromkeys((*_STATEMENTS, *(name for walk in walks for name in walk.counts)), 0))
    for walk in walks:
        _walk(sessions, walk, values, pace, removed)
    for name, statement in _STATEMENTS.items():
        gone = 1
        while gone and pace.goes_on():
            with sessions() as session:
                result = session.execute(text(statement), values)
                assert isinstance(result, CursorResult)
                gone = result.scalar_one() if result.returns_rows else result.rowcount
            removed[name] += gone
            pace.rest(gone)
    return dict(removed)


def _walk(
    sessions: Sessions, walk: Walk, policy_values: Mapping[str, object], pace: RemovalPace, removed: Counter[str]
) -> None:
    """Treat page after page, each in a transaction of its own."""
    values = {**policy_values, **walk.start}
    while pace.goes_on():
        with sessions() as session:
            page = session.execute(walk.statement, values).mappings().one_or_none()
        gone = {name: page[name] for name in walk.counts} if page else {}
        removed.update(gone)
        pace.rest(sum(gone.values()))
        if page is None:
            return
        values |= {name: page[name] for name in walk.start}

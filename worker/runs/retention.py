"""What ends or is removed by age alone.

Removed is what nothing needs any more: no undo, no proof of a balance, no open question, no other run. A run that
changed something stays: it can be taken back. Of scheduled runs that found nothing new, the last one of each day stays
as long as any run.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import CursorResult, delete, func, select, text
from sqlalchemy.orm import Session

from worker.db.engine import Sessions
from worker.models import BankImportRun, BankQuotaUsage, WorkerHeartbeat
from worker.runs.ending import apply_consequences
from worker.runs.states import EndedRun, Outcome, RunStatus

LONGEST_DEFERRAL = timedelta(days=7)
"""A run the provider kept waiting for this long fails: the next refresh asks for the same days anyway."""

_KEEP_USAGE = timedelta(days=7)
_KEEP_HEARTBEATS = timedelta(days=1)


DRY_RUN_DAYS = 7
"""How long the report of a dry run is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPolicy:
    """How long rows are kept, and how fast they go.

    Attributes:
        run_days: runs that changed nothing, resolved rejections, and attempts to link that led nowhere.
        audit_days: openings of credentials; Postgres refuses to remove younger ones than 90 days.
        rows_per_s: rows removed per second, so that removing never crowds out importing.
        batch: rows removed in one transaction.
        stop_after_s: the rest waits for the next pass.
    """

    run_days: int
    audit_days: int
    rows_per_s: int = 2000
    batch: int = 500
    stop_after_s: float = 300


def expire_deferred(session: Session) -> int:
    """Fail runs that were deferred for longer than `LONGEST_DEFERRAL`; return how many."""
    waited_too_long = (
        select(BankImportRun)
        .where(BankImportRun.status == RunStatus.DEFERRED, BankImportRun.queued_at < func.now() - LONGEST_DEFERRAL)
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


def prune_old(session: Session) -> None:
    """Remove allowances of windows long over, and heartbeats of components that are gone."""
    session.execute(delete(BankQuotaUsage).where(BankQuotaUsage.window_ends_at < func.now() - _KEEP_USAGE))
    session.execute(delete(WorkerHeartbeat).where(WorkerHeartbeat.seen_at < func.now() - _KEEP_HEARTBEATS))


# The same words as in idx_bank_import_runs_quiet.
_QUIET = """r.finished_at IS NOT NULL
    AND r.created + r.updated + r.linked + r.removed + r.rejected + r.suggested = 0 AND NOT r.dry_run"""
_UNNEEDED = """NOT EXISTS (SELECT FROM bank_connections c
                        WHERE c.id = r.connection_id AND r.id IN (c.last_good_run_id, c.answer_run_id))
      AND NOT EXISTS (SELECT FROM bank_import_runs about WHERE about.target_run_id = r.id)
      AND NOT EXISTS (SELECT FROM bank_transaction_changes change WHERE change.run_id = r.id)
      AND NOT EXISTS (SELECT FROM bank_import_rejections rejection WHERE rejection.run_id = r.id)
      AND NOT EXISTS (
        SELECT FROM bank_import_run_accounts proof
        WHERE proof.run_id = r.id AND proof.balance_proof IS NOT NULL AND NOT EXISTS (
          SELECT FROM bank_import_run_accounts later
          WHERE later.account_id = proof.account_id AND later.id > proof.id AND later.balance_proof IS NOT NULL))"""

# Thinning looks at three days: what it missed in a longer outage goes with all the others.
_STATEMENTS: Mapping[str, str] = {
    "thinned_runs": f"""
    DELETE FROM bank_import_runs WHERE id IN (
      SELECT r.id FROM bank_import_runs r
      WHERE {_QUIET} AND r.status = 'succeeded' AND r.trigger = 'schedule'
        AND r.finished_at BETWEEN now() - INTERVAL '4 days' AND now() - INTERVAL '1 day'
        AND EXISTS (SELECT FROM bank_import_runs later
                    WHERE later.connection_id = r.connection_id AND later.status = 'succeeded' AND NOT later.dry_run
                      AND later.queued_at > r.queued_at
                      AND later.queued_at < date_trunc('day', r.queued_at, 'UTC') + INTERVAL '1 day')
        AND {_UNNEEDED}
      LIMIT :batch FOR UPDATE SKIP LOCKED)""",  # noqa: S608 - constants
    "old_runs": f"""
    DELETE FROM bank_import_runs WHERE id IN (
      SELECT r.id FROM bank_import_runs r
      WHERE {_QUIET} AND r.finished_at < now() - make_interval(days => :run_days) AND {_UNNEEDED}
      ORDER BY r.finished_at LIMIT :batch FOR UPDATE SKIP LOCKED)""",  # noqa: S608 - constants
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
      SELECT user_id, key FROM idempotency_keys WHERE created_at < now() - INTERVAL '2 days'
      LIMIT :batch FOR UPDATE SKIP LOCKED)""",
    "openings": """
    DELETE FROM credential_audit WHERE id IN (
      SELECT id FROM credential_audit
      WHERE action = 'opened' AND at < now() - make_interval(days => :audit_days)
      LIMIT :batch FOR UPDATE SKIP LOCKED)""",
}


def remove_old_rows(
    sessions: Sessions,
    policy: RetentionPolicy,
    *,
    wait: Callable[[float], None] = time.sleep,
    stop_requested: Callable[[], bool] = lambda: False,
) -> dict[str, int]:
    """Remove what is old enough, a batch per transaction at the pace of the policy; return how many of what."""
    values = {
        "run_days": policy.run_days,
        "audit_days": policy.audit_days,
        "dry_run_days": DRY_RUN_DAYS,
        "batch": policy.batch,
    }
    until_s = time.monotonic() + policy.stop_after_s
    removed = dict.fromkeys(_STATEMENTS, 0)
    for name, statement in _STATEMENTS.items():
        gone = 1
        while gone and time.monotonic() < until_s and not stop_requested():
            with sessions() as session:
                result = session.execute(text(statement), values)
                assert isinstance(result, CursorResult)
            gone = result.rowcount
            removed[name] += gone
            wait(gone / policy.rows_per_s)
    return removed

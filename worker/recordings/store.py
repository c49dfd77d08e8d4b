"""Stores recordings in the database: requested with their run, filled at its end, deleted after a week."""

import gzip
import secrets
import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy import CursorResult, text
from sqlalchemy.orm import Session

from worker.errors import ConflictError, NotFoundError
from worker.recordings.recording import Recording, write

KEEP_DAYS = 7

_ASK = text(
    """
    INSERT INTO bank_recordings (run_id, connection_id, user_id, scrub_key)
    SELECT r.id, r.connection_id, r.user_id, coalesce(
      (SELECT earlier.scrub_key FROM bank_recordings earlier WHERE earlier.connection_id = r.connection_id
       ORDER BY earlier.requested_at DESC LIMIT 1), :new_key)
    FROM bank_import_runs r WHERE r.id = :run_id AND r.status IN ('queued', 'deferred')
    ON CONFLICT (run_id) DO NOTHING RETURNING run_id
    """
)
_DECISIONS = text(
    """
    SELECT a.external_id AS account_external_id, d.decision, d.reason, d.effective_on, d.amount, d.currency FROM (
      SELECT coalesce(c.account_id, t.account_id) AS account_id, c.decision, c.reason,
        coalesce((c.detail ->> 'on')::date, t.effective_on) AS effective_on,
        coalesce((c.detail ->> 'amount')::numeric, t.amount) AS amount,
        coalesce(c.detail ->> 'currency', t.currency) AS currency
      FROM bank_transaction_changes c LEFT JOIN bank_transactions t ON t.id = c.transaction_id
      WHERE c.run_id = :run_id
      UNION ALL
      SELECT t.account_id, t.first_decision, t.first_reason, t.effective_on, t.amount, t.currency
      FROM bank_transactions t WHERE t.first_run_id = :run_id
      UNION ALL
      SELECT j.account_id, 'rejected', j.code, NULL, NULL, NULL
      FROM bank_import_rejections j WHERE j.run_id = :run_id
    ) d LEFT JOIN bank_connection_accounts a ON a.id = d.account_id
    """
)


def ask_for_recording(session: Session, run_id: uuid.UUID) -> None:
    """Record a run that still waits; recordings of one connection share a secret. Raises: ConflictError."""
    asked = session.execute(_ASK, {"run_id": run_id, "new_key": secrets.token_bytes(32)}).one_or_none()
    if asked is None:
        raise ConflictError(f"run {run_id} is under way already: ask again when it has ended")


def scrub_key_of(session: Session, run_id: uuid.UUID) -> bytes | None:
    """Return the secret of a recording that is asked for; None when there is none."""
    key = session.scalar(text("SELECT scrub_key FROM bank_recordings WHERE run_id = :run_id"), {"run_id": run_id})
    return None if key is None else bytes(key)


def is_recorded_in_part(session: Session, run_id: uuid.UUID) -> bool:
    """Tell whether an earlier part of a run, which was deferred then, is recorded already."""
    return bool(
        session.scalar(
            text("SELECT content IS NOT NULL FROM bank_recordings WHERE run_id = :run_id"), {"run_id": run_id}
        )
    )


def keep_recording(session: Session, run_id: uuid.UUID, recording: Recording | None, problem: str | None) -> None:
    """Keep what was recorded, or why nothing was."""
    content = None if recording is None else gzip.compress(write(recording).encode())
    session.execute(
        text(
            "UPDATE bank_recordings SET content = :content, problem = :problem, finished_at = now()"
            " WHERE run_id = :run_id"
        ),
        {"run_id": run_id, "content": content, "problem": problem},
    )


def recording_of(session: Session, run_id: uuid.UUID) -> str | None:
    """Return the file of a run's recording; None while the run goes on.

    Raises: NotFoundError when none was asked for, or it is gone; ConflictError when the run could not be recorded.
    """
    row = session.execute(
        text(
            "SELECT b.content, b.problem,"
            # a recording is written right after its run was closed
            " r.finished_at < now() - interval '1 minute' AND b.finished_at IS NULL AS ended_without"
            " FROM bank_recordings b JOIN bank_import_runs r ON r.id = b.run_id WHERE b.run_id = :run_id"
        ),
        {"run_id": run_id},
    ).one_or_none()
    if row is None:
        raise NotFoundError(f"run {run_id} was not recorded, or longer than {KEEP_DAYS} days ago")
    if row.problem is not None:
        raise ConflictError(f"run {run_id} could not be recorded: {row.problem}")
    if row.ended_without:
        raise ConflictError(f"run {run_id} ended before anything could be recorded")
    return None if row.content is None else gzip.decompress(bytes(row.content)).decode()


def recorded_decisions(session: Session, run_id: uuid.UUID) -> list[Mapping[str, Any]]:
    """Return what a run decided, row by row, with the bank's ids of accounts."""
    return [dict(row) for row in session.execute(_DECISIONS, {"run_id": run_id}).mappings()]


def prune_recordings(session: Session) -> int:
    """Delete recordings that are older than `KEEP_DAYS`; return how many."""
    result = session.execute(
        text("DELETE FROM bank_recordings WHERE requested_at < now() - make_interval(days => :days)"),
        {"days": KEEP_DAYS},
    )
    assert isinstance(result, CursorResult)
    return result.rowcount

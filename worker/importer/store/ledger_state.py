"""Whether the ledger agrees with the bank: the open problem of every account and of its connection.

A problem stays until a run finds it mended; a run that has nothing new does not end it.
"""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker import outbox
from worker.importer.job import Job
from worker.importer.outcome import AccountResult
from worker.importer.store.rejections import open_rejections

_OF_ACCOUNT = text(
    """UPDATE bank_connection_accounts
    SET problem_code = :code, problem_message = :message,
      problem_since_at = CASE WHEN problem_code = :code THEN problem_since_at WHEN :code IS NOT NULL THEN now() END
    WHERE id = :account_id AND (problem_code, problem_message) IS DISTINCT FROM (:code, :message)"""
)
_OF_CONNECTION = text(
    """WITH found AS (
      SELECT problem_code AS code, name || ': ' || coalesce(problem_message, problem_code) AS message
      FROM bank_connection_accounts
      WHERE connection_id = :connection_id AND included AND problem_code IS NOT NULL
      UNION ALL
      SELECT CAST(:own_code AS text), CAST(:own_message AS text) WHERE CAST(:own_code AS text) IS NOT NULL
    ), summed AS (
      SELECT CASE count(DISTINCT code) WHEN 0 THEN NULL WHEN 1 THEN min(code) ELSE 'several_problems' END AS code,
        left(string_agg(message, '; ' ORDER BY message), 1000) AS message
      FROM found
    ), before AS (
      SELECT id, user_id, display_name, problem_code FROM bank_connections WHERE id = :connection_id
    )
    UPDATE bank_connections c
    SET problem_code = s.code, problem_message = s.message,
      problem_since_at = CASE
        WHEN c.problem_code = s.code THEN c.problem_since_at WHEN s.code IS NOT NULL THEN now() END
    FROM summed s, before b
    WHERE c.id = b.id AND (c.problem_code, c.problem_message) IS DISTINCT FROM (s.code, s.message)
    RETURNING s.code, s.message, b.problem_code AS code_before, b.display_name, b.user_id"""
)
_UNSUPPORTED = text(
    """SELECT id FROM bank_connection_accounts
    WHERE connection_id = :connection_id AND included AND status = 'unsupported'
      AND (CAST(:only AS text) IS NULL OR external_id = :only)
    ORDER BY id"""
)
_STANDING = text(
    """SELECT w.external_id, a.status, a.included FROM unnest(CAST(:external_ids AS text[])) AS w(external_id)
    LEFT JOIN bank_connection_accounts a ON a.connection_id = :connection_id AND a.external_id = w.external_id"""
)


def save_problem(session: Session, result: AccountResult) -> None:
    """Keep why the account's ledger may not agree with the bank, or that it does again."""
    bad = result.status != "succeeded"
    values = {
        "account_id": result.account_id,
        "code": result.code if bad else None,
        "message": result.message if bad else None,
    }
    session.execute(_OF_ACCOUNT, values)


def problem_of_connection(session: Session, job: Job) -> AccountResult | None:
    """Return what is wrong with rows that belong to no account of ours."""
    waiting = open_rejections(session, job, None)
    if not waiting:
        return None
    sentence = (
        f"{waiting} rows belong to no account that the bank lists: look at the run's rejections, then replay them"
    )
    return AccountResult(account_id=None, status="partial", code="rows_rejected", message=sentence)


def save_connection_problem(session: Session, job: Job, problem: AccountResult | None) -> None:
    """Sum up the open problems of the connection; announce it when one of them is that the user must act."""
    values = {
        "connection_id": job.connection_id,
        "own_code": problem and problem.code,
        "own_message": problem and problem.message,
    }
    changed = session.execute(_OF_CONNECTION, values).one_or_none()
    if changed is not None and changed.code == "needs_user" and changed.code_before != "needs_user":
        outbox.record(
            session,
            user_id=changed.user_id,
            event_type="connection.needs_user",
            data={
                "connection_id": str(job.connection_id),
                "display_name": changed.display_name,
                "code": changed.code,
                "message": changed.message[:500],
            },
        )


def unsupported_accounts(session: Session, job: Job) -> list[int]:
    """Return the accounts that cannot be imported although the user wants them."""
    values = {"connection_id": job.connection_id, "only": job.account_external_id}
    return list(session.execute(_UNSUPPORTED, values).scalars())


def standing_of(session: Session, job: Job, external_ids: Sequence[str]) -> dict[str, str]:
    """Return why rows of these accounts are not imported, by the bank's id: the account's standing in one word."""
    rows = session.execute(_STANDING, {"connection_id": job.connection_id, "external_ids": list(external_ids)})
    return {row.external_id: _standing(row.status, included=row.included) for row in rows}


def _standing(status: str | None, *, included: bool | None) -> str:
    if status is None:
        return "not_listed"
    if not included:
        return "left_out"
    return "not_imported" if status == "active" else status

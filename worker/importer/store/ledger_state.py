"""Stores whether the ledger agrees with the bank: the open problem of every account and of its connection.

A problem stays until a run finds it mended; a run that has nothing new does not end it.
"""

import uuid
from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from worker.importer import run_messages
from worker.importer.decide.reasons import Reason
from worker.importer.job import Job
from worker.importer.outcome import AccountResult
from worker.importer.store.rejections import standing_rejections
from worker.importer.store.suggestions import ASK_AGAIN
from worker.runs.ending import announce_needs_user

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
# A waiting account says by its code what it waits for.
_IDLE = text(
    """SELECT id, CASE status WHEN 'waiting' THEN status_code ELSE status END AS standing FROM bank_connection_accounts
    WHERE connection_id = :connection_id AND included AND status IN ('missing', 'unsupported', 'waiting')
      AND (CAST(:only AS text) IS NULL OR external_id = :only)
    ORDER BY id"""
)
# A row that the user keeps is not asked about again. Of very many rows the first ones are asked about.
_ASK_ABOUT_WITHDRAWN = text(
    f"""WITH withdrawn AS (
      SELECT t.id, count(*) OVER () AS rows FROM bank_transactions t
      WHERE t.account_id = :account_id AND t.absent_since_at IS NOT NULL AND t.state = 'posted'
        AND (t.expense_id IS NOT NULL OR t.expense_state = 'transfer')
        AND NOT coalesce(coalesce(t.stated_on, t.effective_on) > CAST(:fits_after_on AS date), FALSE)
        AND NOT EXISTS (SELECT 1 FROM bank_match_suggestions s
          WHERE s.transaction_id = t.id AND s.kind = 'withdrawn' AND s.status = 'declined')
      ORDER BY t.id LIMIT 100
    ), asked AS (
      INSERT INTO bank_match_suggestions (user_id, kind, transaction_id, run_id, reason)
      SELECT :user_id, 'withdrawn', id, :run_id, :reason FROM withdrawn
      {ASK_AGAIN}
    )
    SELECT coalesce(max(rows), 0) FROM withdrawn"""  # noqa: S608 - a constant
)
_STILL_PENDING = text(
    """SELECT count(*) FROM bank_match_suggestions s JOIN bank_transactions t ON t.id = s.transaction_id
    WHERE s.user_id = :user_id AND s.status = 'open' AND s.reason = 'still_pending' AND t.account_id = :account_id"""
)
_STANDING = text(
    """SELECT w.external_id, a.status, a.included, EXISTS (
        SELECT 1 FROM bank_connection_accounts f
        WHERE f.connection_id = :connection_id AND w.external_id = ANY(f.former_external_ids)) AS is_former
    FROM unnest(CAST(:external_ids AS text[])) AS w(external_id)
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


def problem_of_connection(session: Session, connection_id: uuid.UUID) -> AccountResult | None:
    """Return the problem of rejected rows that belong to no stored account."""
    waiting = standing_rejections(session, connection_id, None).open
    if not waiting:
        return None
    message = run_messages.of_no_account(waiting)
    return AccountResult(account_id=None, status="partial", code="rows_rejected", message=message)


def save_connection_problem(session: Session, connection_id: uuid.UUID, problem: AccountResult | None) -> None:
    """Sum up the open problems of the connection; announce it when one of them is that the user must act."""
    values = {
        "connection_id": connection_id,
        "own_code": problem and problem.code,
        "own_message": problem and problem.message,
    }
    changed = session.execute(_OF_CONNECTION, values).one_or_none()
    if changed is not None and changed.code == "needs_user" and changed.code_before != "needs_user":
        announce_needs_user(
            session,
            connection_id=connection_id,
            user_id=changed.user_id,
            display_name=changed.display_name,
            code=changed.code,
            message=changed.message,
        )


def idle_accounts(session: Session, job: Job) -> list[tuple[int, str]]:
    """Return the accounts that the user wants and that cannot be imported now, each with its standing."""
    values = {"connection_id": job.connection_id, "only": job.account_external_id}
    return [(row.id, row.standing) for row in session.execute(_IDLE, values)]


def withdrawn_rows(
    session: Session, account_id: int, fits_after_on: date | None, *, user_id: int, run_id: uuid.UUID
) -> int:
    """Return how many posted rows stand of which the bank's answers come without, and ask the user about each.

    Args:
        fits_after_on: Rows after this day are what the bank's balance says; None when nothing says so.
        run_id: The run that asks.
    """
    values: dict[str, Any] = {"account_id": account_id, "user_id": user_id}
    values |= {"fits_after_on": fits_after_on, "run_id": run_id, "reason": Reason.WITHDRAWN}
    return int(session.execute(_ASK_ABOUT_WITHDRAWN, values).scalar_one())


def still_pending_rows(session: Session, account_id: int, *, user_id: int) -> int:
    """Return about how many rows the user is asked whether they are pending still."""
    return int(session.execute(_STILL_PENDING, {"account_id": account_id, "user_id": user_id}).scalar_one())


def standing_of(session: Session, job: Job, external_ids: Sequence[str]) -> dict[str, str]:
    """Return why rows of these accounts are not imported, by the bank's id: the account's standing in one word."""
    rows = session.execute(_STANDING, {"connection_id": job.connection_id, "external_ids": list(external_ids)})
    return {row.external_id: _standing(row) for row in rows}


def _standing(row: Row[Any]) -> str:
    """Return it in one word. What is said of a former id is said again of the account under its present one."""
    status, included = row.status, row.included
    if status is None:
        return "former_id" if row.is_former else "not_listed"
    if not included:
        return "left_out"
    return "not_imported" if status == "active" else status

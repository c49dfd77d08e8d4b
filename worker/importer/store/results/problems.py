"""Stores whether the ledger agrees with the bank: the open problem of every account and of its connection.

A problem stays until a run finds it mended; a run that has nothing new does not end it.
"""

import uuid

from sqlalchemy import func, text
from sqlalchemy.orm import Session

from worker.importer.outcome import AccountResult
from worker.models import BankConnectionAccount
from worker.runs.ending import announce_needs_user

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


def save_problem(session: Session, result: AccountResult) -> None:
    """Keep why the account's ledger may not agree with the bank, or that it does again."""
    account = session.get_one(BankConnectionAccount, result.account_id)
    code, message = (None, None) if result.status == "succeeded" else (result.code, result.message)
    if code != account.problem_code:
        account.problem_since_at = None if code is None else func.now()
    account.problem_code, account.problem_message = code, message
    session.flush()


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

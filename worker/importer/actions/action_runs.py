"""Records what a user did to stored rows as a run that is closed already, so that it is in the history."""

import json
import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, text
from sqlalchemy.orm import Session

from worker.db.uuid7 import uuid7
from worker.models import BankConnection, BankImportRun
from worker.runs.states import RunKind, RunStatus, RunTrigger


def begin_action(session: Session, *, connection_id: uuid.UUID, user_id: int, kind: RunKind) -> uuid.UUID:
    """Write the run of an action, and let the next refresh of its connection decide again; return its id."""
    run_id = uuid7()
    session.add(
        BankImportRun(
            id=run_id,
            connection_id=connection_id,
            user_id=user_id,
            kind=kind,
            trigger=RunTrigger.USER,
            status=RunStatus.SUCCEEDED,
            code="ok",
            started_at=func.now(),
            finished_at=func.now(),
        )
    )
    decide_again(session, connection_id)
    return run_id


def decide_again(session: Session, connection_id: uuid.UUID) -> None:
    """Let the next refresh of a connection decide again, also when the bank tells nothing new."""
    connection = session.get_one(BankConnection, connection_id)
    connection.answer_digest = connection.answer_run_id = None
    session.flush()


def end_action(
    session: Session, run_id: uuid.UUID, *, updated: int = 0, removed: int = 0, report: Mapping[str, Any]
) -> None:
    """Write what the action did."""
    run = session.get_one(BankImportRun, run_id)
    run.updated, run.removed, run.report = updated, removed, dict(report)
    session.flush()


DECLINE_PAIR = text(
    """INSERT INTO bank_match_suggestions (user_id, kind, transaction_id, expense_id, other_transaction_id, account_id,
        other_account_id, run_id, reason, status, decided_at, detail)
    VALUES (:user_id, :kind, :transaction_id, :expense_id, :other_transaction_id, :account_id, :other_account_id,
        :run_id, 'unmatched', 'declined', now(), CAST(:detail AS jsonb))
    ON CONFLICT ON CONSTRAINT uq_bank_match_suggestions
    DO UPDATE SET status = 'declined', decided_at = now(), run_id = EXCLUDED.run_id, reason = EXCLUDED.reason,
      replaced = NULL, detail = bank_match_suggestions.detail - 'was_deleted' || EXCLUDED.detail
    RETURNING id"""
)
"""Says that two are not one; every later run reads it."""


def decline_pair(
    session: Session,
    run_id: uuid.UUID,
    user_id: int,
    kind: str,
    pair: Mapping[str, int | None],
    *,
    was_deleted: bool = False,
) -> int:
    """Write that two things are not one, and return the number of the suggestion that holds it.

    Args:
        pair: The two, by the columns of the suggestion.
        was_deleted: The user had deleted the expense of the two before, so that it stays deleted once they are one
            again.
    """
    names = ("transaction_id", "expense_id", "other_transaction_id", "account_id", "other_account_id")
    values: dict[str, object] = {name: pair.get(name) for name in names}
    values |= {"user_id": user_id, "kind": kind, "run_id": run_id}
    values["detail"] = json.dumps({"was_deleted": True} if was_deleted else {})
    return int(session.execute(DECLINE_PAIR, values).scalar_one())

"""Lists rejected rows, and leaves them out where a person decides so: with who, when and why, and to be taken back.

A dismissed row keeps no account from success. It is told as dismissed, and imported like any row when the bank delivers
it so that it can be read. When the bank rejects it again with other content, it is open again.
"""

import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.audit import current_actor
from worker.db.user_lock import lock_user
from worker.errors import ConflictError, NotFoundError
from worker.importer.actions.action_runs import begin_action, end_action
from worker.importer.store.results.judgement import judge_again, judge_connection_again
from worker.models.transaction import REJECTION_IS_DISMISSED, REJECTION_IS_OPEN
from worker.runs.states import RunKind

MAX_WHY = 200
"""The most characters of a reason."""

NAMED = 100
"""How many of its rows the run of a decision names."""


class RejectionState(StrEnum):
    """Where a rejected row is.

    Attributes:
        OPEN: It keeps its account from success.
        DISMISSED: A person left it out.
        RESOLVED: It arrived since, or was replayed.
    """

    OPEN = "open"
    DISMISSED = "dismissed"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectionFilter:
    """Which rejected rows to list.

    Attributes:
        connection_id: Only of this connection; None for all of the person's.
        code: Only of this reason.
    """

    state: RejectionState = RejectionState.OPEN
    connection_id: uuid.UUID | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectionChoice:
    """Which rejected rows are meant: one, or all of a connection that have one reason.

    Attributes:
        code: The reason.
        account_external_id: The bank's id of the one account; None for all, and for rows of no account.
        of_no_account: Only rows of an account that the bank does not list.
    """

    rejection_id: int | None = None
    connection_id: uuid.UUID | None = None
    code: str | None = None
    account_external_id: str | None = None
    of_no_account: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectionsDecided:
    """What became of the chosen rows.

    Attributes:
        run_id: The run that keeps the decision in the history.
        rejections: How many rows were dismissed, or opened again.
        open: How many of their connection are open now.
    """

    run_id: uuid.UUID
    rejections: int
    open: int


_STATE = f"CASE WHEN {REJECTION_IS_OPEN} THEN 'open' WHEN {REJECTION_IS_DISMISSED} THEN 'dismissed' ELSE 'resolved' END"
_LIST = text(
    f"""SELECT r.id, r.run_id, r.connection_id, c.display_name AS connection_name, a.external_id AS account_external_id,
      a.name AS account, r.code, r.message, r.external_id, r.raw, r.created_at, r.resolved_at, r.dismissed_at,
      r.dismissed_by, r.dismissed_why, r.dismissed_run_id, {_STATE} AS state
    FROM bank_import_rejections r JOIN bank_connections c ON c.id = r.connection_id
    LEFT JOIN bank_connection_accounts a ON a.id = r.account_id
    WHERE c.user_id = :user_id AND r.id > :after AND {_STATE} = :state
      AND (CAST(:connection_id AS uuid) IS NULL OR r.connection_id = :connection_id)
      AND (CAST(:code AS text) IS NULL OR r.code = :code)
    ORDER BY r.id LIMIT :limit"""  # noqa: S608 - constants
)
_GROUPS = text(
    f"""SELECT a.name AS account, a.external_id AS account_external_id, r.code,
      count(*) FILTER (WHERE {REJECTION_IS_OPEN}) AS open, count(*) FILTER (WHERE {REJECTION_IS_DISMISSED}) AS dismissed
    FROM bank_import_rejections r LEFT JOIN bank_connection_accounts a ON a.id = r.account_id
    WHERE r.connection_id = :connection_id AND r.resolved_at IS NULL GROUP BY 1, 2, 3 ORDER BY 1, 3"""  # noqa: S608 - constants
)
_CHOSEN = """FROM bank_import_rejections r JOIN bank_connections c ON c.id = r.connection_id
      LEFT JOIN bank_connection_accounts a ON a.id = r.account_id
    WHERE c.user_id = :user_id AND (r.id = CAST(:rejection_id AS bigint) OR CAST(:rejection_id AS bigint) IS NULL
        AND r.connection_id = :connection_id AND r.code = :code
        AND (CAST(:account_external_id AS text) IS NULL OR a.external_id = :account_external_id)
        AND (NOT CAST(:of_no_account AS boolean) OR r.account_id IS NULL))"""
_CONNECTION = text(f"SELECT r.connection_id, count(*) AS rows {_CHOSEN} GROUP BY 1")
_SET = f"""WITH chosen AS (SELECT r.id {_CHOSEN} AND {{standing}} ORDER BY r.id FOR UPDATE OF r)
    UPDATE bank_import_rejections r SET {{values}} FROM chosen WHERE r.id = chosen.id
    RETURNING r.id, r.account_id, r.code"""  # noqa: S608 - constants
_DISMISS = text(
    _SET.format(
        standing=REJECTION_IS_OPEN,
        values="dismissed_at = now(), dismissed_by = :by, dismissed_why = :why, dismissed_run_id = :run_id",
    )
)
_REOPEN = text(
    _SET.format(
        standing=REJECTION_IS_DISMISSED,
        values="dismissed_at = NULL, dismissed_by = NULL, dismissed_why = NULL, dismissed_run_id = NULL",
    )
)
_OPEN = text(f"SELECT count(*) FROM bank_import_rejections WHERE connection_id = :id AND {REJECTION_IS_OPEN}")  # noqa: S608 - constants


def list_rejections(
    session: Session, user_id: int, wanted: RejectionFilter, *, limit: int = 100, after: int = 0
) -> list[dict[str, Any]]:
    """Return a person's rejected rows, oldest first.

    Args:
        after: The id of the last one that was read.
    """
    rows = session.execute(_LIST, {"user_id": user_id, **asdict(wanted), "limit": limit, "after": after})
    return [dict(row) for row in rows.mappings()]


def rejection_groups(session: Session, connection_id: uuid.UUID) -> list[dict[str, Any]]:
    """Return how many rows of a connection are open and dismissed, by account and reason."""
    return [dict(row) for row in session.execute(_GROUPS, {"connection_id": connection_id}).mappings()]


def dismiss(session: Session, choice: RejectionChoice, *, user_id: int, why: str) -> RejectionsDecided:
    """Leave the chosen open rows out: they keep no run from success any more, and stay on record with the decision.

    Args:
        session: The caller's transaction.
        choice: Which rows.
        user_id: Whose rows they must be.
        why: The person's reason, up to 200 characters.

    Raises: NotFoundError, ConflictError when none of them is open.
    """
    return _decide(session, choice, user_id, why)


def reopen(session: Session, choice: RejectionChoice, *, user_id: int) -> RejectionsDecided:
    """Take the dismissal of the chosen rows back: they are open again. Raises: NotFoundError, ConflictError."""
    return _decide(session, choice, user_id, None)


def _decide(session: Session, choice: RejectionChoice, user_id: int, why: str | None) -> RejectionsDecided:
    lock_user(session, user_id)
    which = {"user_id": user_id, **asdict(choice)}
    found = session.execute(_CONNECTION, which).one_or_none()
    if found is None:
        raise NotFoundError(
            "no such rejected row" if choice.rejection_id is None else f"no rejection {choice.rejection_id}"
        )
    run_id = begin_action(session, connection_id=found.connection_id, user_id=user_id, kind=RunKind.DISMISS)
    decision: dict[str, Any] = {"by": current_actor(), "why": why, "run_id": run_id}
    rows = session.execute(_REOPEN if why is None else _DISMISS, {**which, **decision}).all()
    if not rows:
        raise ConflictError(f"none of the {found.rows} rows is {'dismissed' if why is None else 'open'}")
    for account_id in sorted({row.account_id for row in rows if row.account_id is not None}):
        judge_again(session, account_id, run_id)
    judge_connection_again(session, found.connection_id)
    end_action(session, run_id, updated=0, report=_report(rows, why, decision["by"]))
    left = session.execute(_OPEN, {"id": found.connection_id}).scalar_one()
    return RejectionsDecided(run_id=run_id, rejections=len(rows), open=int(left))


def _report(rows: Sequence[Any], why: str | None, by: str) -> dict[str, Any]:
    """Return what the run of the decision says: who, why, and which rows, by number."""
    return {
        "dismissed" if why is not None else "reopened": len(rows),
        "by": by,
        "why": why,
        "codes": sorted({row.code for row in rows}),
        "rejections": sorted(row.id for row in rows)[:NAMED],
    }

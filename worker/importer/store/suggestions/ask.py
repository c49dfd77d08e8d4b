"""Writes questions to the user: about a row and an expense, two rows, or two accounts; an answered one stays."""

import json
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.importer.decide.reasons import Reason
from worker.importer.store.rows.bulk import insert_values

_OPEN_AGAIN = """ON CONFLICT ON CONSTRAINT uq_bank_match_suggestions
    DO UPDATE SET status = 'open', run_id = EXCLUDED.run_id, reason = EXCLUDED.reason, decided_at = NULL,
      replaced = NULL, detail = bank_match_suggestions.detail - 'settled_by'
    WHERE bank_match_suggestions.status"""

ASK_AGAIN = f"{_OPEN_AGAIN} = 'obsolete'"
"""Makes a suggestion again that was withdrawn without an answer; an answered one stays answered."""

ASK_AGAIN_OF_ROW = f"""{_OPEN_AGAIN} IN ('obsolete', 'accepted')
      OR bank_match_suggestions.status = 'declined' AND bank_match_suggestions.reason <> EXCLUDED.reason"""
"""The same of whether a row is gone. One that was taken for gone is there again; one that was kept was so for another
reason."""

RowPair: TypeAlias = tuple[int, int, Reason]
"""A row, the expense or the row that it may be one with, and why."""

_SUGGEST_ACCOUNT = text(
    """INSERT INTO bank_match_suggestions (user_id, kind, account_id, other_account_id, run_id, reason, detail)
    VALUES (:user_id, 'account', :account_id, :other_account_id, :run_id, :reason, CAST(:detail AS jsonb))
    ON CONFLICT DO NOTHING"""
)

PURCHASE = "CASE WHEN {0}.expense_state = 'twin' THEN coalesce({0}.twin_id, {0}.id) ELSE {0}.id END"
"""The row that stands for the purchase of a row, which is itself or the one whose twin it is."""


IS_ASKED = """EXISTS (SELECT FROM bank_match_suggestions s
        WHERE s.kind = 'twin' AND s.reason = 'still_pending' AND s.status = 'open'
          AND s.transaction_id = least({0}.id, {0}.twin_id)
          AND s.other_transaction_id = greatest({0}.id, {0}.twin_id))"""
"""Whether the user is asked if a row is the booking of the pending row whose twin it is."""


def suggest(
    session: Session,
    user_id: int,
    run_id: uuid.UUID,
    kind: Literal["expense", "twin", "transfer", "takeover"],
    pairs: Iterable[RowPair],
) -> None:
    """Ask whether a row is the expense, or two rows are one purchase or the legs of a transfer."""
    other = "expense_id" if kind == "expense" else "other_transaction_id"
    rows = [
        (user_id, kind, *((one, another) if kind == "expense" else sorted((one, another))), str(run_id), reason)
        for one, another, reason in pairs
    ]
    columns = ("user_id", "kind", "transaction_id", other, "run_id", "reason")
    insert_values(session, "bank_match_suggestions", columns, rows, on_conflict=ASK_AGAIN)


def suggest_account(
    session: Session,
    user_id: int,
    account_id: int,
    other_id: int,
    *,
    run_id: uuid.UUID | None = None,
    evidence: Mapping[str, Any] | None = None,
) -> None:
    """Ask whether two accounts of connections are one, unless that was asked before.

    Args:
        evidence: What speaks for it, for the user who answers.
    """
    asked: dict[str, object] = {"user_id": user_id, "run_id": run_id, "reason": Reason.SIMILAR_ACCOUNT}
    asked |= {"account_id": account_id, "other_account_id": other_id, "detail": json.dumps(evidence or {})}
    session.execute(_SUGGEST_ACCOUNT, asked)

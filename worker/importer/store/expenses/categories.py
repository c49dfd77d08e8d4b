"""Suggests the category that a user always gave to a counterparty; off unless enabled on the connection."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.importer.decide.reasons import Reason
from worker.importer.store.write_target import WriteTarget

MIN_TIMES = 3
"""How often the user must have given the category."""

_SUGGEST = text(
    """WITH fresh AS (
        SELECT id, user_id, expense_id, lower(coalesce(counterparty, description)) AS name
        FROM bank_transactions WHERE id = ANY(:ids) AND expense_id IS NOT NULL),
    habits AS (
        SELECT lower(coalesce(t.counterparty, t.description)) AS name, min(e.category_id) AS category_id
        FROM bank_transactions t JOIN expenses e ON e.id = t.expense_id
        WHERE t.user_id = :user_id AND e.category_id IS NOT NULL AND t.id <> ALL(:ids)
        GROUP BY 1 HAVING count(*) >= :least AND count(DISTINCT e.category_id) = 1)
    INSERT INTO bank_match_suggestions (user_id, kind, transaction_id, expense_id, run_id, reason, detail)
    SELECT f.user_id, 'category', f.id, f.expense_id, :run_id, :reason,
        jsonb_build_object('category_id', h.category_id)
    FROM fresh f JOIN habits h USING (name)
    ON CONFLICT DO NOTHING"""
)


def suggest_categories(session: Session, target: WriteTarget, transaction_ids: Sequence[int]) -> None:
    """Suggest a category for new rows whose counterparty was categorised often enough, never differently."""
    if transaction_ids:
        session.execute(
            _SUGGEST,
            {
                "ids": list(transaction_ids),
                "least": MIN_TIMES,
                "user_id": target.user_id,
                "run_id": target.run_id,
                "reason": Reason.CATEGORISED_BEFORE,
            },
        )

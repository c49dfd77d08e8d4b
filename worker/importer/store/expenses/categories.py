"""Suggests the category that a user always gave to a counterparty; off unless enabled on the connection.

The rule is `decide.expenses.category`.
"""

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.importer.decide.expenses.category import usual_category
from worker.importer.decide.reasons import Reason
from worker.importer.store.write_target import WriteTarget

_NAMES = text(
    """SELECT id, lower(coalesce(counterparty, description)) AS name
    FROM bank_transactions WHERE id = ANY(:ids) AND expense_id IS NOT NULL ORDER BY id"""
)
_TIMES = text(
    """SELECT lower(coalesce(t.counterparty, t.description)) AS name, e.category_id, count(*) AS times
    FROM bank_transactions t JOIN expenses e ON e.id = t.expense_id
    WHERE t.user_id = :user_id AND e.category_id IS NOT NULL AND t.id <> ALL(:ids)
      AND lower(coalesce(t.counterparty, t.description)) = ANY(:names)
    GROUP BY 1, 2"""
)
_SUGGEST = text(
    """INSERT INTO bank_match_suggestions (user_id, kind, transaction_id, expense_id, run_id, reason, detail)
    SELECT t.user_id, 'category', t.id, t.expense_id, :run_id, :reason,
      jsonb_build_object('category_id', CAST(:category_id AS int))
    FROM bank_transactions t WHERE t.id = ANY(:ids) ORDER BY t.id
    ON CONFLICT DO NOTHING"""
)


def suggest_categories(session: Session, target: WriteTarget, transaction_ids: Sequence[int]) -> None:
    """Suggest a category for new rows whose counterparty was categorised often enough, never differently."""
    fresh = session.execute(_NAMES, {"ids": list(transaction_ids)}).all() if transaction_ids else []
    if not fresh:
        return
    names = {row.name for row in fresh}
    times: defaultdict[str, dict[int, int]] = defaultdict(dict)
    which = {"user_id": target.user_id, "ids": list(transaction_ids), "names": list(names)}
    for row in session.execute(_TIMES, which):
        times[row.name][row.category_id] = row.times
    ids_by_category: defaultdict[int, list[int]] = defaultdict(list)
    for row in fresh:
        if (category_id := usual_category(times[row.name])) is not None:
            ids_by_category[category_id].append(row.id)
    values = {"run_id": target.run_id, "reason": Reason.CATEGORISED_BEFORE}
    for category_id, ids in ids_by_category.items():
        session.execute(_SUGGEST, values | {"category_id": category_id, "ids": ids})

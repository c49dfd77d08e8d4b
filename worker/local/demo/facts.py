"""Queries that check the results of the demo."""

import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

_TOTALS = text("SELECT (SELECT count(*) FROM expenses), (SELECT count(*) FROM bank_transactions)")
_DOUBLED = text("SELECT count(*) - count(DISTINCT expense_id) FROM bank_transactions WHERE expense_id IS NOT NULL")
_SEALED = text("SELECT bool_and(position(convert_to(:secret, 'UTF8') IN config_encrypted) = 0) FROM bank_connections")
_MONTHS = text(
    """
    SELECT to_char(spent_at, 'YYYY-MM') AS month, currency, count(*) AS rows,
           coalesce(sum(amount) FILTER (WHERE expense_type = 'EXPENSE'), 0) AS spent,
           coalesce(sum(amount) FILTER (WHERE expense_type = 'INCOME'), 0) AS earned
    FROM expenses GROUP BY 1, 2 ORDER BY 1 DESC, 2 LIMIT 6
    """
)


class Totals(NamedTuple):
    """Numbers of rows."""

    expenses: int
    transactions: int


def totals(session: Session) -> Totals:
    """Count expenses and bank transactions."""
    return Totals(*session.execute(_TOTALS).one())


def doubled(session: Session) -> int:
    """Count expenses that are linked with more than one bank transaction."""
    return int(session.scalar(_DOUBLED) or 0)


def is_sealed(session: Session, secret: str) -> bool:
    """Say whether no stored config contains the secret in the clear."""
    return bool(session.scalar(_SEALED, {"secret": secret}))


def earliest_new(session: Session, run_id: uuid.UUID) -> Any:  # noqa: ANN401 - a day, or None
    """Return the first day of the transactions that a run created."""
    query = text("SELECT min(effective_on) FROM bank_transactions WHERE first_run_id = :id")
    return session.scalar(query, {"id": run_id})


def months(session: Session) -> Sequence[Row[Any]]:
    """Return the last six months of expenses, per currency, with amounts in its major units."""
    return session.execute(_MONTHS).all()

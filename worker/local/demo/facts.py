"""Queries that check the results of the demo."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

_TOTALS = text("SELECT (SELECT count(*) FROM expenses), (SELECT count(*) FROM bank_transactions)")
_DOUBLED = text("SELECT count(*) - count(DISTINCT expense_id) FROM bank_transactions WHERE expense_id IS NOT NULL")
_SEALED = text("SELECT bool_and(position(convert_to(:secret, 'UTF8') IN config_encrypted) = 0) FROM bank_connections")
_RUNS = text(
    """
    SELECT c.display_name, r.kind, r.trigger, r.status, r.code, r.created, r.unchanged,
           round(extract(epoch FROM coalesce(r.finished_at, now()) - r.queued_at)::numeric, 1) AS seconds
    FROM bank_import_runs r JOIN bank_connections c ON c.id = r.connection_id ORDER BY r.queued_at
    """
)
_RUN = text(
    """
    SELECT status, code, trigger, attempt, created, fetched, accounts_done, accounts_total
    FROM bank_import_runs WHERE id = :id
    """
)
_MONTHS = text(
    """
    SELECT to_char(spent_at, 'YYYY-MM') AS month, currency, count(*) AS rows,
           coalesce(sum(amount) FILTER (WHERE expense_type = 'EXPENSE'), 0) AS spent,
           coalesce(sum(amount) FILTER (WHERE expense_type = 'INCOME'), 0) AS earned
    FROM expenses GROUP BY 1, 2 ORDER BY 1 DESC, 2 LIMIT 6
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Numbers of rows."""

    expenses: int
    transactions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """The row of a run, as far as the demo shows it."""

    status: str
    code: str | None
    trigger: str
    attempt: int
    created: int
    fetched: int
    accounts_done: int
    accounts_total: int

    @property
    def progress(self) -> tuple[int, int]:
        """The number of finished accounts and of all (0 while it is unknown)."""
        return self.accounts_done, self.accounts_total


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthFacts:
    """One month of expenses, amounts in major units of the currency."""

    month: str
    currency: str
    rows: int
    spent: Decimal
    earned: Decimal


def totals(session: Session) -> Totals:
    """Count expenses and bank transactions."""
    expenses, transactions = session.execute(_TOTALS).one()
    return Totals(expenses=expenses, transactions=transactions)


def doubled(session: Session) -> int:
    """Count expenses that are linked with more than one bank transaction."""
    return int(session.scalar(_DOUBLED) or 0)


def is_sealed(session: Session, secret: str) -> bool:
    """Say whether no stored config contains the secret in the clear."""
    return bool(session.scalar(_SEALED, {"secret": secret}))


def connection_status(session: Session, connection_id: uuid.UUID) -> str:
    """Return the status of a connection."""
    query = text("SELECT status FROM bank_connections WHERE id = :id")
    return str(session.scalar(query, {"id": connection_id}))


def run_facts(session: Session, run_id: uuid.UUID) -> RunFacts:
    """Return the facts of a run so far."""
    row = session.execute(_RUN, {"id": run_id}).one()
    return RunFacts(**row._asdict())


def earliest_new(session: Session, run_id: uuid.UUID) -> Any:  # noqa: ANN401 - a day, or None
    """Return the first day of the transactions that a run created."""
    query = text("SELECT min(effective_on) FROM bank_transactions WHERE first_run_id = :id")
    return session.scalar(query, {"id": run_id})


def all_runs(session: Session) -> Sequence[Any]:
    """Return all runs with the name of their connection, in the order of their requests."""
    return session.execute(_RUNS).all()


def months(session: Session) -> list[MonthFacts]:
    """Return the last six months of expenses, per currency."""
    return [MonthFacts(**row._asdict()) for row in session.execute(_MONTHS)]

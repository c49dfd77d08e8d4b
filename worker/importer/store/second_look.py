"""Matches rows of earlier runs again, because their counterpart may have been added since by another source.

FinMind may have added an expense after the bank's row (typed, recurring, from a file); another connection may have
imported the same purchase, or the other leg of a transfer. The rules are those of new rows
(`decide.match_user_expense`, `decide.match_transfer`); what the user declined or changed is not decided again.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker import outbox
from worker.importer.account_state import AccountState
from worker.importer.decide import match_user_expense
from worker.importer.decide.line import Line
from worker.importer.decide.match_user_expense import UserExpense, match_user_expenses
from worker.importer.decide.reasons import Decision, Reason
from worker.importer.decide.stored_row import StoredRow
from worker.importer.job import Job
from worker.importer.store.bulk import insert_values
from worker.importer.store.history import image_row
from worker.importer.store.load import AccountPlace, load_details, load_user_expenses
from worker.importer.store.transfers import give_expenses, link_transfers, unpaired_ids
from worker.importer.store.write import WriteTarget, month

DAYS = 60
"""How far back rows are looked at again."""

# Selects the few candidates first and then the rows that may match; queried row by row, a year of rows took seconds.
_DOUBTFUL = text(
    """WITH added AS MATERIALIZED (
      SELECT e.id, e.amount, e.currency, e.expense_type, e.spent_at FROM expenses e
      WHERE e.user_id = :user_id AND e.spent_at >= CAST(:since_on AS date) - :max_days
        AND NOT EXISTS (SELECT 1 FROM bank_transactions b WHERE b.expense_id = e.id)
    ), elsewhere AS MATERIALIZED (
      SELECT o.base_amount, o.base_type, o.effective_on FROM bank_connection_accounts a
      JOIN bank_transactions o ON o.account_id = a.id AND o.effective_on >= CAST(:since_on AS date) - :max_days
      WHERE a.user_id = :user_id AND a.connection_id <> :connection_id AND o.expense_id IS NOT NULL
        AND o.expense_state = 'own' AND o.state <> 'removed'
    ), ours AS MATERIALIZED (
      SELECT t.id, t.expense_id, t.base_amount, t.base_currency, t.base_type, t.base_spent_on, t.effective_on
      FROM bank_transactions t
      WHERE t.account_id = :account_id AND t.effective_on >= :since_on AND t.state <> 'removed'
        AND t.expense_state = 'own' AND t.expense_id IS NOT NULL
        AND (EXISTS (SELECT 1 FROM added) OR EXISTS (SELECT 1 FROM elsewhere))
    )
    SELECT t.id FROM ours t JOIN added e
      ON e.amount = t.base_amount AND e.currency = t.base_currency AND e.expense_type = t.base_type
      AND e.id > t.expense_id AND e.spent_at BETWEEN t.base_spent_on - :max_days AND t.base_spent_on + :max_days
    WHERE NOT EXISTS (SELECT 1 FROM bank_match_suggestions s WHERE s.transaction_id = t.id AND s.expense_id = e.id)
    UNION
    SELECT t.id FROM ours t JOIN elsewhere o
      ON o.base_amount = t.base_amount AND o.base_type = t.base_type
      AND o.effective_on BETWEEN t.effective_on - :max_days AND t.effective_on + :max_days
    ORDER BY 1"""
)
_ORPHANS = text(
    """SELECT t.id FROM bank_transactions t LEFT JOIN bank_transactions o ON o.id = t.twin_id
    WHERE t.account_id = :account_id AND t.state <> 'removed' AND t.expense_state = 'twin'
      AND (o.id IS NULL OR o.state = 'removed' OR o.expense_state = 'twin')"""
)
_SUGGESTED = text(
    """SELECT transaction_id, expense_id FROM bank_match_suggestions
    WHERE kind = 'expense' AND transaction_id = ANY(:ids)"""
)
_TAKE_OVER = text(
    """UPDATE bank_transactions SET expense_id = :expense_id, expense_state = :state, twin_id = :twin_id,
      last_run_id = :run_id WHERE id = :id"""
)

_CLOSE_SUGGESTIONS = text(
    """UPDATE bank_match_suggestions SET status = 'obsolete'
    WHERE kind = 'expense' AND status = 'open' AND transaction_id = :id"""
)


def look_again(session: Session, job: Job, account: AccountState, today: date) -> set[str]:
    """Match recent rows (`DAYS` days) with expenses and rows added since; return the months whose expenses changed."""
    target = WriteTarget(account_id=account.id, user_id=job.user_id, run_id=job.lease.run_id)
    since_on = today - timedelta(days=DAYS)
    orphans = list(session.execute(_ORPHANS, {"account_id": account.id}).scalars())
    months = give_expenses(session, target, orphans, Reason.LEG_ALONE) if orphans else set()
    months |= _match_expenses(session, job, account, target, since_on)
    unpaired = unpaired_ids(session, target, since_on)
    return months | (link_transfers(session, job, target, unpaired) if unpaired else set())


def _match_expenses(session: Session, job: Job, account: AccountState, target: WriteTarget, since_on: date) -> set[str]:
    values = {
        "account_id": account.id,
        "user_id": job.user_id,
        "connection_id": job.connection_id,
        "since_on": since_on,
        "max_days": match_user_expense.MAX_DAYS,
    }
    ids = list(session.execute(_DOUBTFUL, values).scalars())
    rows = [row for row in load_details(session, ids).values() if row.expense is not None]
    if not rows:
        return set()
    found = match_user_expenses([_as_line(row) for row in rows], _expenses_beside(session, job, account, rows))
    suggested = {tuple(pair) for pair in session.execute(_SUGGESTED, {"ids": ids})}
    months: set[str] = set()
    for match in found.matches:
        row, expense = rows[match.left_place], match.right
        if (row.id, expense.expense_id) in suggested:
            continue
        if row.expense != row.base or row.category_id is not None:
            if expense.twin_id is None:
                _suggest(session, target, row, expense, match.reason)
            continue
        months |= _replace_expense(session, target, row, expense, match.reason)
    for match in found.suggestions:
        row, expense = rows[match.left_place], match.right
        if (row.id, expense.expense_id) not in suggested:
            _suggest(session, target, row, expense, match.reason)
    return months


def _expenses_beside(session: Session, job: Job, account: AccountState, rows: Sequence[StoredRow]) -> list[UserExpense]:
    """Return what may stand for these rows: expenses that were added after theirs, and rows of other connections."""
    place = AccountPlace(
        user_id=job.user_id,
        connection_id=job.connection_id,
        account_id=account.id,
        anchor=account.anchor,
        mask=account.mask,
        currency=account.currency,
    )
    near = timedelta(days=match_user_expense.MAX_DAYS)
    days = [row.base.spent_on for row in rows if row.base is not None]
    amounts = {row.base.amount for row in rows if row.base is not None}
    oldest = min(row.expense_id for row in rows if row.expense_id is not None)
    found = load_user_expenses(session, place, (min(days) - near, max(days) + near), amounts)
    return [e for e in found if (e.expense_id > oldest if e.twin_id is None else e.expense_id)]


def _as_line(row: StoredRow) -> Line:
    """Return the stored row as a line, with the fields that matching compares."""
    base = row.base
    assert base is not None
    return Line(
        identity=None,
        external_id=row.external_id,
        content_key=row.content_key,
        fingerprint=row.fingerprint,
        stated_on=row.stated_on,
        effective_on=base.spent_on,
        booking_on=None,
        value_on=None,
        transaction_on=None,
        amount=row.amount,
        currency=row.currency,
        description=row.description,
        counterparty=row.counterparty,
        counterparty_account=None,
        kind=None,
        pending_external_id=None,
        reference=row.reference,
        stated_amounts=None,
        raw=None,
        pending=False,
        expense_amount=base.amount,
    )


def _replace_expense(
    session: Session, target: WriteTarget, row: StoredRow, expense: UserExpense, reason: Reason
) -> set[str]:
    """Let the other expense stand for the row: the one that was written for it goes."""
    insert_values(session, "bank_transaction_changes", *image_row([row], target.run_id, Decision.LINKED, reason))
    outbox.record_expenses(session, event_type="expense.deleted", expense_ids=[_id(row)], run_id=target.run_id)
    own = expense.twin_id is None
    values: Mapping[str, object] = {
        "id": row.id,
        "run_id": target.run_id,
        "expense_id": expense.expense_id if own else None,
        "state": "linked" if own else "twin",
        "twin_id": expense.twin_id,
    }
    session.execute(_TAKE_OVER, values)
    session.execute(_CLOSE_SUGGESTIONS, {"id": row.id})
    session.execute(text("DELETE FROM expenses WHERE id = :id"), {"id": row.expense_id})
    assert row.expense is not None
    return {month(row.expense)}


def _id(row: StoredRow) -> int:
    assert row.expense_id is not None
    return row.expense_id


def _suggest(session: Session, target: WriteTarget, row: StoredRow, expense: UserExpense, reason: Reason) -> None:
    columns = ("user_id", "kind", "transaction_id", "expense_id", "run_id", "reason")
    suggested = (target.user_id, "expense", row.id, expense.expense_id, str(target.run_id), reason)
    insert_values(session, "bank_match_suggestions", columns, [suggested])

"""Matches rows of earlier runs again, because their counterpart may have been added since by another source.

FinMind may have added an expense after the bank's row (typed, recurring, from a file); another source may have
imported the same purchase, another account the other leg of a transfer. The rules are those of new rows
(`decide.expenses.match`, `decide.transfers.match`), and `decide.second_look`; what the user declined or changed is not
decided again.
"""

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from worker.importer.account_state import AccountState
from worker.importer.decide.expenses.match import MAX_DAYS_ASKED, Counterpart, match_user_expenses
from worker.importer.decide.read.line import Line
from worker.importer.decide.reasons import Decision, Reason
from worker.importer.decide.second_look import looked_at_since
from worker.importer.decide.sources.rows import MAX_DAYS_ALIKE
from worker.importer.decide.stored_row import State, StoredRow
from worker.importer.job import Job
from worker.importer.store.accounts.bank_accounts import other_sources
from worker.importer.store.expenses.locks import lock_if_unchanged, retry_while_changed
from worker.importer.store.expenses.own_expenses import replace_expense
from worker.importer.store.expenses.user_expenses import load_asked, load_counterparts, load_spans
from worker.importer.store.pending.booked_beside import let_posted_rows_inherit
from worker.importer.store.pending.leftover import decide_pending, remove_abandoned
from worker.importer.store.rows.changes import record_without_line
from worker.importer.store.rows.load import load_in_full
from worker.importer.store.sources.leading_fields import let_sources_lead
from worker.importer.store.sources.orphans import give_orphans
from worker.importer.store.sources.rearrange import let_equal_rows_meet
from worker.importer.store.sources.unlike import ask_about_unlike_rows
from worker.importer.store.suggestions.ask import suggest
from worker.importer.store.suggestions.obsolete import close_obsolete_questions
from worker.importer.store.transfers.hidden_legs import show_or_hide_legs
from worker.importer.store.transfers.pair import pair_legs_of, unpaired_ids
from worker.importer.store.write_target import WriteTarget

# Skips rows that have twins: making one a twin would turn its twins into expenses again, and the next run would repeat
# it.
# Looks at rows of all sources of the account: one that is a file, rests or was removed has no run of its own.
# Selects the few candidates first and then the rows that may match; queried row by row, a year of rows took seconds.
# An expense with a higher id than the row's was added later. One with a lower id may have been added while the row was
# planned, so that nobody compared the two: then it was not asked about, and neither was the row, unless the two are of
# one day (FinMind's moments have no time zone). Each row and each expense comes once: of thousands of one amount there
# are millions of pairs. What was asked is looked up once for each row and each expense: for each pair, 600 of either
# took a minute.
_DOUBTFUL = text(
    """WITH added AS MATERIALIZED (
      SELECT e.id, e.amount, e.currency, e.expense_type, e.spent_at, e.created_at FROM expenses e
      WHERE e.user_id = :user_id AND e.spent_at >= CAST(:since_on AS date) - :max_days
        AND NOT EXISTS (SELECT 1 FROM bank_transactions b WHERE b.expense_id = e.id)
    ), asked AS MATERIALIZED (
      SELECT s.transaction_id, e.id AS expense_id FROM added e CROSS JOIN LATERAL (
        SELECT s.transaction_id FROM bank_match_suggestions s
        WHERE s.expense_id = e.id AND s.kind = 'expense' AND s.status <> 'obsolete' AND s.transaction_id IS NOT NULL
        OFFSET 0) s
    ), elsewhere AS MATERIALIZED (
      SELECT o.base_amount, o.base_type, o.effective_on FROM bank_connection_accounts a
      JOIN bank_transactions o ON o.account_id = a.id AND o.effective_on >= CAST(:since_on AS date) - :twin_days
      WHERE a.bank_account_id = :bank_account_id AND a.id <> :account_id AND o.expense_id IS NOT NULL
        AND o.expense_state = 'own' AND o.state <> 'removed'
    ), ours AS MATERIALIZED (
      SELECT t.id, t.account_id, t.expense_id, t.base_amount, t.base_currency, t.base_type, t.base_spent_on,
        t.effective_on, t.created_at, t.base_amount IN (SELECT amount FROM added)
          AND EXISTS (SELECT 1 FROM bank_match_suggestions s
            WHERE s.kind = 'expense' AND s.transaction_id = t.id AND s.status <> 'obsolete') AS was_asked
      FROM bank_transactions t
      WHERE t.account_id = ANY (ARRAY(
          SELECT a.id FROM bank_connection_accounts a WHERE a.id = :account_id OR a.bank_account_id = :bank_account_id))
        AND t.effective_on >= :since_on AND t.state <> 'removed'
        AND t.expense_state = 'own' AND t.expense_id IS NOT NULL
        AND (EXISTS (SELECT 1 FROM added) OR t.account_id = :account_id AND EXISTS (SELECT 1 FROM elsewhere))
    )
    SELECT id, is_ours, expense_id FROM (
    SELECT t.id, t.account_id = :account_id AS is_ours, e.id AS expense_id FROM ours t JOIN added e
      ON e.amount = t.base_amount AND e.currency = t.base_currency AND e.expense_type = t.base_type
      AND e.spent_at BETWEEN t.base_spent_on - :max_days AND t.base_spent_on + :max_days
      AND (e.id > t.expense_id OR e.id NOT IN (SELECT expense_id FROM asked)
        AND (t.was_asked AND e.created_at < t.created_at - INTERVAL '1 day') IS NOT TRUE)
    WHERE (t.id, e.id) NOT IN (SELECT transaction_id, expense_id FROM asked)
    UNION ALL
    SELECT t.id, TRUE, NULL FROM ours t
    WHERE t.account_id = :account_id AND EXISTS (SELECT 1 FROM elsewhere o
        WHERE o.base_amount = t.base_amount AND o.base_type = t.base_type
          AND o.effective_on BETWEEN t.effective_on - :twin_days AND t.effective_on + :twin_days)
      AND NOT EXISTS (SELECT 1 FROM bank_transactions w WHERE w.twin_id = t.id
        AND w.account_id <> t.account_id AND w.expense_state = 'twin' AND w.state <> 'removed')
    ) doubtful GROUP BY GROUPING SETS ((is_ours, id), (is_ours, expense_id))"""
)
# A run copies the one before it within a day alone, and does not look again then.
_OLDEST_ADDED = text(
    """SELECT min(e.spent_at) FROM expenses e
    WHERE e.user_id = :user_id AND e.spent_at < :since_on AND e.created_at > (
        SELECT max(p.finished_at) - INTERVAL '1 day' FROM bank_import_run_accounts p
        JOIN bank_import_runs r ON r.id = p.run_id AND NOT r.dry_run AND r.kind NOT IN ('answer', 'unmatch')
        WHERE p.account_id = :account_id AND p.run_id <> :run_id AND p.balance_proof IS NOT NULL)
      AND NOT EXISTS (SELECT 1 FROM bank_transactions b WHERE b.expense_id = e.id)"""
)


def look_again(
    session: Session, job: Job, account: AccountState, today: date, *, by_cursor: bool
) -> tuple[set[str], int]:
    """Match recent rows with expenses and rows added since.

    Returns the months whose expenses changed, and how many rows were not compared with all near ones of other sources.

    Args:
        account: With the user's account that it is a source of now.
        today: In the bank's zone.
        by_cursor: The bank delivers changes, so that a row which it does not mention stands.
    """
    target = WriteTarget(account_id=account.id, user_id=job.user_id, run_id=job.lease.run_id)
    since_on = looked_at_since(today)
    other_ids = other_sources(session, account.bank_account_id, account.id)
    months = give_orphans(session, target) | show_or_hide_legs(session, target)
    # An open question keeps its rows from others. What becomes obsolete by these steps is closed by `judge`.
    close_obsolete_questions(session, job.user_id, job.lease.run_id)
    added_on = _oldest_added_on(session, target, since_on)
    months |= _match_expenses(session, job, account, target, min(since_on, added_on or since_on))
    months |= let_equal_rows_meet(session, account, other_ids, target, since_on) if other_ids else set()
    months |= remove_abandoned(session, job, account, target, today, has_other_sources=bool(other_ids))
    months |= decide_pending(session, job, account, target, today, by_cursor=by_cursor)
    months |= let_posted_rows_inherit(session, target)
    not_compared = ask_about_unlike_rows(session, account, other_ids, target, since_on) if other_ids else 0
    unpaired = unpaired_ids(session, target, since_on)
    months |= pair_legs_of(session, target, unpaired) if unpaired else set()
    return months, not_compared


def _oldest_added_on(session: Session, target: WriteTarget, since_on: date) -> date | None:
    """Return the first day before this one of which the user added an expense since the account was looked at."""
    values = {"user_id": target.user_id, "account_id": target.account_id, "run_id": target.run_id}
    oldest_on: date | None = session.execute(_OLDEST_ADDED, values | {"since_on": since_on}).scalar_one()
    return oldest_on


def _match_expenses(session: Session, job: Job, account: AccountState, target: WriteTarget, since_on: date) -> set[str]:
    values = {
        "account_id": account.id,
        "user_id": job.user_id,
        "bank_account_id": account.bank_account_id,
        "since_on": since_on,
        "max_days": MAX_DAYS_ASKED,
        "twin_days": MAX_DAYS_ALIKE,
    }
    doubtful = session.execute(_DOUBTFUL, values).all()
    ours = [row for row in doubtful if row.is_ours]
    # The expenses of other sources are compared with the user's own only: this source's rows are their twins.
    others = [row for row in doubtful if not row.is_ours]
    months = retry_while_changed(lambda: _match_rows(session, job, account, target, ours))
    return months | retry_while_changed(lambda: _match_rows(session, job, account, target, others, with_twins=False))


def _match_rows(
    session: Session,
    job: Job,
    account: AccountState,
    target: WriteTarget,
    doubtful: Sequence[Row[Any]],
    *,
    with_twins: bool = True,
) -> set[str]:
    ids = sorted({row.id for row in doubtful} - {None})
    rows = [row for row in load_in_full(session, ids).values() if row.expense is not None]
    if not rows:
        return set()
    asked = load_asked(session, ids)
    maybe = [*(row.expense_id for row in doubtful), *(partner.expense_id for _, partner in asked.open)]
    nearby = _expenses_nearby(session, job, account, rows, {id_ for id_ in maybe if id_ is not None})
    nearby = [one for one in nearby if with_twins or one.twin_id is None]
    spans = load_spans(session, account, ()) if any(one.twin_id is not None for one in nearby) else None
    apart = asked.apart([row.id for row in rows])
    found = match_user_expenses([_as_line(row) for row in rows], nearby, spans, apart=apart)
    lock_if_unchanged(session, [m.right for m in (*found.matches, *found.suggestions) if m.right.twin_id is None])
    months: set[str] = set()
    twins: list[int] = []
    for match in found.matches:
        row, expense = rows[match.left_place], match.right
        if (row.id, expense.partner) in asked.open:
            continue
        if row.changed_by_user:
            if expense.twin_id is None:
                _suggest(session, target, row, expense, match.reason)
            continue
        record_without_line(session, [row], target.run_id, Decision.LINKED, match.reason)
        months |= replace_expense(session, row, expense.effect, target.run_id)
        twins += [row.id] if expense.twin_id is not None else []
    months |= let_sources_lead(session, twins, target.run_id)
    waiting = {row_id for row_id, _ in asked.open}
    for match in found.suggestions:
        row, expense = rows[match.left_place], match.right
        if not (row.id in waiting and _is_older(expense, row)) and (row.id, expense.partner) not in asked.open:
            _suggest(session, target, row, expense, match.reason)
    return months


def _is_older(expense: Counterpart, row: StoredRow) -> bool:
    """Return whether an expense of the user's own was there before the row's; one question at a time is about these."""
    return expense.twin_id is None and (expense.expense_id or 0) < (row.expense_id or 0)


def _expenses_nearby(
    session: Session, job: Job, account: AccountState, rows: Sequence[StoredRow], added: Collection[int]
) -> list[Counterpart]:
    """Return expenses that may match these rows: those added since, and those of other connections."""
    days = [row.base.spent_on for row in rows if row.base is not None]
    amounts = {row.base.amount for row in rows if row.base is not None}
    oldest = min(row.expense_id for row in rows if row.expense_id is not None)
    found = load_counterparts(session, job.user_id, account, days, amounts)
    return [
        one
        for one in found
        if one.expense_id is not None
        and (one.twin_id is not None or one.expense_id > oldest or one.expense_id in added)
    ]


def _as_line(row: StoredRow) -> Line:
    """Return the stored row as a line, with the fields that matching compares."""
    base = row.base
    assert base is not None
    return Line(
        identity=None,
        external_id=row.external_id,
        content_key=row.content_key,
        fingerprint=row.fingerprint,
        stated_on=row.days.stated_on,
        effective_on=base.spent_on,
        booking_on=None,
        value_on=row.days.value_on,
        transaction_on=row.days.transaction_on,
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
        pending=row.state == State.PENDING,
        expense_amount=base.amount,
        currency_stated=True,
    )


def _suggest(session: Session, target: WriteTarget, row: StoredRow, expense: Counterpart, reason: Reason) -> None:
    if expense.twin_id is not None:
        suggest(session, target.user_id, target.run_id, "twin", [(row.id, expense.twin_id, reason)])
    elif expense.expense_id is not None:
        suggest(session, target.user_id, target.run_id, "expense", [(row.id, expense.expense_id, reason)])

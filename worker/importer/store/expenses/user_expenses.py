"""Loads the user's expenses that imported rows may match: own ones, and those of other sources of the account."""

from collections.abc import Collection, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.importer.account_state import AccountState
from worker.importer.decide.expenses.match import (
    MAX_DAYS_OF_ANY,
    MAX_DAYS_SPLIT,
    NOBODY_WAS_ASKED,
    Asked,
    Counterpart,
    Partner,
    UserExpenses,
)
from worker.importer.decide.read.line import Line
from worker.importer.decide.sources.leading_fields import MAX_DAYS_LED
from worker.importer.decide.sources.rows import DaysOfSource, SourceRow, Spans
from worker.importer.store.rows.bulk import array_text

_NEAR = timedelta(days=MAX_DAYS_OF_ANY)

# The user's own expenses by what the user sees; rows of other sources by what the bank stated, so that they are
# recognised whatever the user did to their expenses since. Rows are found by their own days, which are indexed, and
# judged by those of what was last written to their expenses. OFFSET 0 and + 0 have twins looked up by what they stand
# for: statistics know none of a new account, which then is read once for each row of the other source.
_COUNTERPARTS = text(
    """SELECT e.id AS expense_id, e.amount, e.currency, e.expense_type, coalesce(e.notes, '') AS notes,
        e.spent_at AS spent_on, CAST(NULL AS bigint) AS twin_id, FALSE AS pending,
        CAST(NULL AS numeric) AS balance, CAST(NULL AS date) AS stated_on,
        EXISTS (SELECT 1 FROM bank_transactions b JOIN expenses k ON k.id = b.expense_id
          WHERE b.user_id = e.user_id AND b.effective_on BETWEEN e.spent_at - :split_days AND e.spent_at + :split_days
            AND b.base_amount - k.amount = e.amount AND b.base_currency = e.currency AND b.base_type = e.expense_type
        ) AS is_split_off
    FROM expenses e
    WHERE e.user_id = :user_id AND e.spent_at BETWEEN :from_on AND :to_on
      AND e.amount = ANY(CAST(:amounts AS numeric[]))
      AND NOT EXISTS (SELECT 1 FROM bank_transactions b WHERE b.expense_id = e.id)
    UNION ALL
    SELECT b.expense_id, b.base_amount, b.base_currency, b.base_type, coalesce(b.base_notes, ''), b.base_spent_on, b.id,
      b.state = 'pending', CAST(b.stated_amounts ->> 'balance_after' AS numeric),
      CASE WHEN b.state = 'posted' THEN b.stated_on END, FALSE
    FROM bank_connection_accounts a JOIN bank_transactions b ON b.account_id = a.id
    WHERE a.bank_account_id = :bank_account_id AND a.id <> :account_id AND b.state <> 'removed'
      AND b.expense_state IN ('own', 'linked', 'transfer') AND b.base_amount = ANY(CAST(:amounts AS numeric[]))
      AND b.effective_on BETWEEN CAST(:from_on AS date) - :led_days AND CAST(:to_on AS date) + :led_days
      AND b.base_spent_on BETWEEN :from_on AND :to_on
      AND NOT EXISTS (SELECT 1 FROM bank_transactions w WHERE w.twin_id = b.id AND w.account_id + 0 = :account_id
        AND w.expense_state IN ('twin', 'reverted') OFFSET 0)
    ORDER BY pending, expense_id, twin_id"""
)

# A "no" about a row holds for its twins too.
_ASKED = text(
    """WITH members AS MATERIALIZED (
      SELECT id AS member_id, id AS row_id FROM unnest(CAST(:ids AS bigint[])) w(id)
      UNION ALL SELECT t.id, t.twin_id FROM bank_transactions t WHERE t.twin_id = ANY(:ids) AND t.expense_state = 'twin'
    ), asked AS (
      SELECT m.row_id, s.other_transaction_id AS other_id, s.status = 'open' AS is_open
      FROM members m JOIN bank_match_suggestions s
        ON s.transaction_id = m.member_id AND s.kind = 'twin' AND s.status IN ('declined', 'open')
      UNION ALL SELECT m.row_id, s.transaction_id, s.status = 'open'
      FROM members m JOIN bank_match_suggestions s
        ON s.other_transaction_id = m.member_id AND s.kind = 'twin' AND s.status IN ('declined', 'open')
    )
    SELECT transaction_id AS row_id, expense_id, CAST(NULL AS bigint) AS twin_id, status = 'open' AS is_open
    FROM bank_match_suggestions WHERE kind = 'expense' AND transaction_id = ANY(:ids) AND status <> 'obsolete'
    UNION ALL SELECT a.row_id, NULL, CASE WHEN o.expense_state = 'twin' THEN coalesce(o.twin_id, o.id) ELSE o.id END,
      a.is_open
    FROM asked a JOIN bank_transactions o ON o.id = a.other_id"""
)

_RIVALS = text(
    """SELECT t.base_spent_on AS "on",
      CASE WHEN t.base_type = 'INCOME' THEN t.base_amount ELSE -t.base_amount END AS amount,
      t.base_currency AS currency, coalesce(t.base_notes, '') AS words, t.state = 'pending' AS pending,
      CAST(t.stated_amounts ->> 'balance_after' AS numeric) AS balance, t.stated_on
    FROM bank_transactions t
    WHERE t.account_id = :account_id AND t.state <> 'removed' AND t.expense_state IN ('own', 'linked', 'transfer')
      AND t.base_amount = ANY(CAST(:amounts AS numeric[])) AND t.id <> ALL(CAST(:but AS bigint[]))
      AND t.effective_on BETWEEN CAST(:from_on AS date) - :led_days AND CAST(:to_on AS date) + :led_days
      AND t.base_spent_on BETWEEN :from_on AND :to_on
      AND NOT EXISTS (SELECT 1 FROM bank_transactions w
        WHERE w.twin_id = t.id AND w.account_id <> t.account_id AND w.expense_state IN ('twin', 'reverted'))
    ORDER BY t.effective_on, t.id"""
)

_DAYS_OF_SOURCES = text(
    """SELECT a.id = :account_id AS is_left, d.first_on, d.last_on,
      c.connector_name <> 'file' AND c.status IN ('active', 'needs_user') AND a.status = 'active' AND a.included
        AS is_read
    FROM bank_connection_accounts a JOIN bank_connections c ON c.id = a.connection_id
    CROSS JOIN LATERAL (
      SELECT (SELECT effective_on FROM bank_transactions t WHERE t.account_id = a.id AND t.state <> 'removed'
          ORDER BY effective_on LIMIT 1) AS first_on,
        (SELECT effective_on FROM bank_transactions t WHERE t.account_id = a.id AND t.state <> 'removed'
          ORDER BY effective_on DESC LIMIT 1) AS last_on) d
    WHERE a.bank_account_id = :bank_account_id"""
)


def load_user_expenses(
    session: Session,
    user_id: int,
    account: AccountState,
    lines: Sequence[Line],
    row_ids: Collection[int],
    linked: Collection[int],
) -> UserExpenses:
    """Return what lines that get an expense may be matched with.

    Args:
        lines: The lines that get an expense.
        row_ids: Ids of the stored rows among them.
        linked: Ids of expenses that earlier slices were linked with.
    """
    days, amounts = [line.effective_on for line in lines], {line.expense_amount for line in lines}
    found = [one for one in load_counterparts(session, user_id, account, days, amounts) if one.expense_id not in linked]
    if not found:
        return UserExpenses()
    has_twins = any(one.twin_id is not None for one in found)
    return UserExpenses(
        counterparts=found,
        spans=load_spans(session, account, lines) if has_twins else None,
        rivals=_load_rivals(session, account, days, amounts, row_ids) if has_twins else (),
        asked=load_asked(session, row_ids),
    )


def load_spans(session: Session, account: AccountState, lines: Sequence[Line]) -> Spans | None:
    """Return the days of a source with those of new lines, and of the account's other sources; None without others."""
    found = session.execute(_DAYS_OF_SOURCES, {"account_id": account.id, "bank_account_id": account.bank_account_id})
    sources = [DaysOfSource(**row._asdict()) for row in found]
    if lines:
        days = [line.effective_on for line in lines]
        sources.append(DaysOfSource(first_on=min(days), last_on=max(days), is_left=True, is_read=False))
    return Spans.of_sources(sources)


def load_counterparts(
    session: Session, user_id: int, account: AccountState, days: Collection[date], amounts: Collection[Decimal]
) -> list[Counterpart]:
    """Return what the user has near these days of these amounts: own expenses, rows of the account's other sources.

    Posted rows come first: where a pending one fits as well, it may be the same purchase, stated twice.
    """
    if not days:
        return []
    values = _days_and_amounts(account, days, amounts) | {"user_id": user_id, "split_days": MAX_DAYS_SPLIT}
    rows = session.execute(_COUNTERPARTS, values | {"bank_account_id": account.bank_account_id})
    return [Counterpart(**row._asdict()) for row in rows]


def _load_rivals(
    session: Session, account: AccountState, days: Collection[date], amounts: Collection[Decimal], but: Collection[int]
) -> list[SourceRow]:
    """Return rows of this source near these days and of these amounts that no other source states, as far as is known.

    Args:
        but: Ids of rows that are left out.
    """
    rows = session.execute(_RIVALS, _days_and_amounts(account, days, amounts) | {"but": list(but)})
    return [SourceRow(**row._asdict()) for row in rows]


def _days_and_amounts(account: AccountState, days: Collection[date], amounts: Collection[Decimal]) -> dict[str, Any]:
    return {
        "account_id": account.id,
        "from_on": min(days) - _NEAR,
        "to_on": max(days) + _NEAR,
        "led_days": MAX_DAYS_LED,
        "amounts": array_text(amounts),
    }


def load_asked(session: Session, ids: Collection[int]) -> Asked:
    """Return the pairs of these rows and a partner that a user was asked about or parted: none is matched again."""
    if not ids:
        return NOBODY_WAS_ASKED
    pairs: dict[bool, set[tuple[int, Partner]]] = {True: set(), False: set()}
    for row in session.execute(_ASKED, {"ids": list(ids)}):
        pairs[row.is_open].add((row.row_id, Partner(row.expense_id, row.twin_id)))
    return Asked(open=frozenset(pairs[True]), answered=frozenset(pairs[False]))

"""Reads what the sources of an account cover and prove, and reports it month by month."""

from dataclasses import asdict
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from worker.bank_accounts.coverage import Days, MonthRows, SourceFacts, coverage_by_month, without
from worker.connectors.errors import ConnectorNotFoundError
from worker.connectors.registry import ConnectorRegistry

EDGE_DAYS = 5
"""So near to the end of a source's days, a row may be beyond it in another source."""

_SOURCES = text(
    """SELECT a.id, c.display_name || ': ' || a.name AS name, c.connector_name, a.history_from_on, a.watermark_on,
      c.status IN ('active', 'needs_user') AND a.status = 'active' AND a.included AS online,
      (SELECT json_agg(json_build_array(lower(u.days), upper(u.days) - 1) ORDER BY u.days)
        FROM unnest(a.unread_days) AS u(days)) AS unread,
      (SELECT json_agg(json_build_array(m.first_on, m.last_on) ORDER BY m.first_on) FROM (
        SELECT min(effective_on) AS first_on, max(effective_on) AS last_on FROM bank_transactions t
        WHERE t.account_id = a.id AND t.state <> 'removed'
        GROUP BY date_trunc('month', effective_on)) m) AS months,
      (SELECT p.balance_proof FROM bank_import_run_accounts p JOIN bank_import_runs r ON r.id = p.run_id
        WHERE p.account_id = a.id AND NOT r.dry_run AND p.balance_proof IS NOT NULL
        ORDER BY p.id DESC LIMIT 1) AS latest,
      (SELECT p.balance_proof FROM bank_import_run_accounts p JOIN bank_import_runs r ON r.id = p.run_id
        WHERE p.account_id = a.id AND NOT r.dry_run AND p.balance_proof ->> 'result' = 'proven'
        ORDER BY p.id DESC LIMIT 1) AS proven
    FROM bank_connection_accounts a JOIN bank_connections c ON c.id = a.connection_id
    WHERE a.bank_account_id = :id ORDER BY a.id"""
)
# Rows are compared by joins on equality: asked row by row, every row would be compared with every other one.
_ROWS = text(
    """WITH sources AS (
      SELECT a.id, coalesce(CASE WHEN c.connector_name <> 'file' THEN a.history_from_on END, d.first_on) AS from_on,
        coalesce(CASE WHEN c.connector_name <> 'file' THEN a.watermark_on END, d.last_on) AS to_on, a.unread_days
      FROM bank_connection_accounts a JOIN bank_connections c ON c.id = a.connection_id
      LEFT JOIN LATERAL (SELECT min(effective_on) AS first_on, max(effective_on) AS last_on FROM bank_transactions t
        WHERE t.account_id = a.id AND t.state <> 'removed') d ON TRUE
      WHERE a.bank_account_id = :id
    ), ours AS (
      SELECT t.id, t.account_id, t.effective_on, t.amount, t.currency, t.expense_state, t.expense_id, t.twin_id,
        t.state = 'posted' AND t.expense_state NOT IN ('twin', 'none') AND NOT EXISTS (
          SELECT FROM bank_transactions w
          WHERE w.twin_id = t.id AND w.expense_state = 'twin' AND w.account_id <> t.account_id) AS is_alone
      FROM sources s JOIN bank_transactions t ON t.account_id = s.id AND t.state <> 'removed'
    ), alone AS (
      SELECT id, account_id, amount, currency, effective_on FROM ours WHERE is_alone AND expense_id IS NOT NULL
    ), doubled AS (
      SELECT n.id FROM (
        SELECT id, account_id, amount, currency, effective_on + apart AS near_on
        FROM alone, generate_series(-3, 3) apart
      ) n JOIN alone o ON o.amount = n.amount AND o.currency = n.currency AND o.effective_on = n.near_on
        AND o.account_id < n.account_id
      WHERE NOT EXISTS (SELECT FROM bank_match_suggestions q WHERE q.kind = 'twin' AND q.status = 'declined'
        AND q.transaction_id = least(o.id, n.id) AND q.other_transaction_id = greatest(o.id, n.id))
    )
    SELECT to_char(t.effective_on, 'YYYY-MM') AS month, t.account_id, count(*) AS rows,
      count(*) FILTER (WHERE t.expense_state = 'twin' AND o.account_id <> t.account_id
        AND (o.amount, o.currency) IS DISTINCT FROM (t.amount, t.currency)) AS differing,
      count(*) FILTER (WHERE t.is_alone AND EXISTS (
        SELECT FROM sources f WHERE f.id <> t.account_id
          AND t.effective_on BETWEEN f.from_on + :edge_days AND f.to_on - :edge_days
          AND NOT f.unread_days && daterange(t.effective_on - :edge_days, t.effective_on + :edge_days, '[]')))
        AS only_here,
      count(*) FILTER (WHERE t.id IN (SELECT id FROM doubled)) AS doubled
    FROM ours t LEFT JOIN ours o ON o.id = t.twin_id GROUP BY 1, 2"""
)


def coverage_of(
    session: Session, bank_account_id: int, registry: ConnectorRegistry, *, today: date
) -> list[dict[str, Any]]:
    """Return the months of an account until `today`, oldest first. The caller has checked whose account it is."""
    sources = [_facts(row, registry) for row in session.execute(_SOURCES, {"id": bank_account_id})]
    months: dict[str, MonthRows] = {}
    for row in session.execute(_ROWS, {"id": bank_account_id, "edge_days": EDGE_DAYS}):
        month = months.get(row.month, MonthRows())
        months[row.month] = MonthRows(
            rows=month.rows | {row.account_id: row.rows},
            only_in=month.only_in | {row.account_id: row.only_here},
            doubled=month.doubled + row.doubled,
            differing=month.differing | {row.account_id: row.differing},
        )
    return [asdict(month) for month in coverage_by_month(sources, months, today=today)]


def _reach_days(registry: ConnectorRegistry, connector_name: str) -> int | None:
    """Return how many days back a connector can be asked; None when it states no limit."""
    try:
        capabilities = getattr(registry.get(connector_name), "capabilities", None)
    except ConnectorNotFoundError:
        return 0
    return getattr(capabilities, "history_days", None)


def _facts(row: Row[Any], registry: ConnectorRegistry) -> SourceFacts:
    proven, latest = row.proven or {}, row.latest or {}
    mismatch = latest if latest.get("result") == "mismatch" else {}
    difference = mismatch.get("difference")
    return SourceFacts(
        id=row.id,
        name=row.name,
        connector_name=row.connector_name,
        days=_days(row),
        online=row.online and row.connector_name != "file",
        reach_days=_reach_days(registry, row.connector_name) if row.connector_name != "file" else 0,
        proven=_days_after(proven.get("from_on"), proven.get("balance_on")),
        mismatch=_days_after(mismatch.get("since_on"), mismatch.get("balance_on")),
        difference=None if difference is None else Decimal(difference),
    )


def _days(row: Row[Any]) -> list[Days]:
    """Return the days a source covers: a feed those that were read, a statement the months it has rows of.

    The months of a file are joined with the ones before and after them; a month without a row is not covered.
    """
    months = [(date.fromisoformat(first), date.fromisoformat(last)) for first, last in row.months or ()]
    if row.connector_name != "file":
        from_on = row.history_from_on or (months[0][0] if months else None)
        to_on = row.watermark_on or (months[-1][1] if months else None)
        unread = [
            Days(from_on=date.fromisoformat(first), to_on=date.fromisoformat(last)) for first, last in row.unread or ()
        ]
        return without(Days(from_on=from_on, to_on=to_on), unread) if from_on and to_on and from_on <= to_on else []
    joined: list[Days] = []
    for first_on, last_on in months:
        before = joined[-1] if joined else None
        if before is not None and _follows(before.to_on, first_on):
            joined[-1] = Days(from_on=before.from_on, to_on=last_on)
        else:
            joined.append(Days(from_on=first_on, to_on=last_on))
    return joined


def _follows(before: date, after: date) -> bool:
    """Return whether two days are in one month or in neighbouring ones."""
    return (after.year * 12 + after.month) - (before.year * 12 + before.month) <= 1


def _days_after(on: str | None, to_on: str | None) -> Days | None:
    """Return the days after the first one, up to the other."""
    if not on or not to_on:
        return None
    start = date.fromisoformat(on) + timedelta(days=1)
    end = date.fromisoformat(to_on)
    return Days(from_on=start, to_on=end) if start <= end else None

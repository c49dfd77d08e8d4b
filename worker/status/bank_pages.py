"""Queries of one bank for operators: its connections by state, circuits, allowances, and codes of its failures."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.status.charts import OF_BANK, Bank

_STATES = text(
    f"""
    SELECT c.status, count(*) AS connections, count(*) FILTER (WHERE c.status <> 'disconnected') AS connected,
      count(*) FILTER (WHERE c.status <> 'disconnected' AND c.last_good_at > now() - INTERVAL '1 day') AS fresh,
      count(*) FILTER (WHERE c.status <> 'disconnected' AND c.consecutive_failures > 0) AS failing,
      count(*) FILTER (WHERE c.rate_limited_until > now()) AS limited, max(c.last_good_at) AS last_good_at
    FROM bank_connections c WHERE {OF_BANK} GROUP BY 1 ORDER BY 2 DESC, 1"""  # noqa: S608 - a constant
)
_CIRCUITS = text(
    """
    SELECT scope, state, consecutive_failures, cardinality(failed_users) AS users, opened_at, open_until, trips,
      last_code, updated_at
    FROM bank_connector_circuits k
    WHERE connector_name = :connector_name AND (CAST(:institution AS text) IS NULL OR scope IN ('', :institution)
      OR right(scope, length(:institution) + 1) = '/' || :institution)
    ORDER BY state = 'closed', scope LIMIT 20"""
)
# What ended badly has an index of its own, which is read from the beginning of each code.
_CODES = text(
    f"""
    SELECT r.code, count(*) AS runs, count(DISTINCT r.user_id) AS users, max(r.finished_at) AS last_at
    FROM bank_import_runs r JOIN bank_connections c ON c.id = r.connection_id
    WHERE r.code NOT IN ('ok', 'nothing_new') AND r.queued_at >= :from_at AND r.finished_at IS NOT NULL
      AND NOT r.dry_run AND r.status IN ('failed', 'partial') AND {OF_BANK}
    GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 20"""  # noqa: S608 - a constant
)


def connection_states(session: Session, bank: Bank) -> list[dict[str, Any]]:
    """Return by state how many connections the bank has, and how many are fresh, failing and limited.

    Removed ones have a state of their own and count as nothing else.
    """
    return [dict(row) for row in session.execute(_STATES, asdict(bank)).mappings()]


def circuits_of(session: Session, bank: Bank) -> list[dict[str, Any]]:
    """Return the circuits that hold runs of the bank back when they are open: its own, and that of its provider."""
    return [dict(row) for row in session.execute(_CIRCUITS, asdict(bank)).mappings()]


def failure_codes(session: Session, bank: Bank, from_at: datetime) -> list[dict[str, Any]]:
    """Return the codes of runs since a moment that failed or ended in part, the most frequent first."""
    values = {**asdict(bank), "from_at": from_at}
    return [dict(row) for row in session.execute(_CODES, values).mappings()]

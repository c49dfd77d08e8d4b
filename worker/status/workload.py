"""Queries of running, waiting and next runs, for operators."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

_ROWS = 100
_QUERIES: Mapping[str, str] = {
    "running": """
    SELECT r.id, r.kind, r.trigger, r.attempt, r.worker_name, r.started_at, r.heartbeat_at, r.lease_expires_at,
      r.cancel_requested_at, r.pages, r.fetched, r.accounts_done, r.accounts_total, r.user_id, r.connection_id,
      c.display_name AS connection_name, c.connector_name
    FROM bank_import_runs r JOIN bank_connections c ON c.id = r.connection_id
    WHERE r.status = 'running' ORDER BY r.started_at LIMIT :limit""",
    "waiting": """
    SELECT r.id, r.kind, r.trigger, r.status, r.code, r.message, r.attempt, r.queued_at, r.not_before,
      r.dispatched_at, r.user_id, r.connection_id, c.display_name AS connection_name, c.connector_name
    FROM bank_import_runs r JOIN bank_connections c ON c.id = r.connection_id
    WHERE r.status IN ('queued', 'deferred') ORDER BY COALESCE(r.not_before, r.queued_at) LIMIT :limit""",
    "coming": """
    SELECT c.id AS connection_id, c.user_id, c.display_name AS connection_name, c.connector_name,
      GREATEST(c.next_refresh_at, c.rate_limited_until) AS due_at, c.rate_limited_until > now() AS rate_limited,
      c.rate_limit_code, c.refresh_interval
    FROM unnest(CAST(:connectors AS text[])) connector(name) CROSS JOIN LATERAL (
      SELECT * FROM bank_connections
      WHERE connector_name = connector.name AND status = 'active' AND next_refresh_at IS NOT NULL
      ORDER BY GREATEST(next_refresh_at, rate_limited_until), id LIMIT :limit) c
    ORDER BY due_at, c.id LIMIT :limit""",
}


def workload(session: Session, connectors: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Return up to 100 runs that run, runs that wait (with until when and why), and refreshes that come next.

    Args:
        session: The caller's transaction.
        connectors: The connectors whose next refreshes are listed; each is looked up in its own part of the index.
    """
    values = {"limit": _ROWS, "connectors": list(connectors)}
    return {
        name: [dict(row) for row in session.execute(text(query), values).mappings()] for name, query in _QUERIES.items()
    }

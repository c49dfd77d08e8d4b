"""Queries of the operator's page beyond the overview: connections with their last two weeks, and dead letters."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

DAYS = 14

_CONNECTIONS = """
    SELECT c.id, c.user_id, c.connector_name, c.display_name, c.status, c.status_code, c.problem_code,
           c.problem_message, c.last_good_at,
           c.next_refresh_at, c.rate_limited_until, c.last_failure_code, c.consecutive_failures
    FROM bank_connections c WHERE c.status <> 'disconnected'
    ORDER BY (c.status IN ('needs_user', 'error')) DESC, (c.problem_code IS NOT NULL) DESC,
      c.consecutive_failures DESC, c.updated_at DESC LIMIT :limit"""
_HISTORY = """
    SELECT connection_id, CURRENT_DATE - finished_at::date AS days_ago, sum(created + updated + linked)::int AS rows_,
           round(avg(EXTRACT(EPOCH FROM finished_at - started_at))::numeric, 2)::float AS seconds,
           bool_or(status = 'failed') AS failed
    FROM bank_import_runs
    WHERE connection_id = ANY(:ids) AND finished_at > CURRENT_DATE - :days AND started_at IS NOT NULL AND NOT dry_run
    GROUP BY 1, 2"""
_DEAD_LETTERS = """
    SELECT d.id, d.event_id, d.subscription_id, s.user_id, s.url, e.type, e.occurred_at, d.attempt, d.last_code,
           d.last_status_code, d.finished_at, s.status AS subscription_status
    FROM webhook_deliveries d JOIN webhook_events e ON e.id = d.event_id
    JOIN webhook_subscriptions s ON s.id = d.subscription_id
    WHERE d.state = 'dead' AND NOT EXISTS (
      SELECT 1 FROM webhook_deliveries later WHERE later.event_id = d.event_id
        AND later.subscription_id = d.subscription_id AND later.replay > d.replay)
    ORDER BY d.id DESC LIMIT :limit"""


def connections(session: Session, *, limit: int = 50) -> list[dict[str, Any]]:
    """Return connections, those in trouble first, each with `history`: per day of two weeks rows, seconds, failed."""
    rows = [dict(row) for row in session.execute(text(_CONNECTIONS), {"limit": limit}).mappings()]
    found = session.execute(text(_HISTORY), {"ids": [row["id"] for row in rows], "days": DAYS}).mappings()
    days = [dict(day) for day in found]
    return [row | {"history": history([day for day in days if day["connection_id"] == row["id"]])} for row in rows]


def history(days: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one entry per day, oldest first; days without a run hold zeros. Pure."""
    known = {day["days_ago"]: day for day in days}
    nothing = {"rows_": 0, "seconds": 0.0, "failed": False}
    return [
        {
            "days_ago": ago,
            "rows": known.get(ago, nothing)["rows_"] or 0,
            "seconds": known.get(ago, nothing)["seconds"] or 0.0,
            "failed": known.get(ago, nothing)["failed"],
        }
        for ago in range(DAYS - 1, -1, -1)
    ]


def dead_letters(session: Session, *, limit: int = 50) -> list[dict[str, Any]]:
    """Return deliveries that were given up and not sent again since, newest first."""
    return [dict(row) for row in session.execute(text(_DEAD_LETTERS), {"limit": limit}).mappings()]

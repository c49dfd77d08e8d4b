"""Counts what happened in each hour in a small table, for the charts of operators when runs are deleted.

An hour is written once, after it has ended. The row of all connectors together has an empty connector name.
"""

from sqlalchemy import CursorResult, text
from sqlalchemy.orm import Session

KEEP_DAYS = 400
"""How long hours are kept."""
HOURS_AT_ONCE = 48
"""Hours written by one pass; a longer backlog takes several."""

FIGURES = """count(*) FILTER (WHERE r.status = 'succeeded') AS succeeded,
      count(*) FILTER (WHERE r.status = 'partial') AS partial,
      count(*) FILTER (WHERE r.status = 'failed') AS failed,
      count(*) FILTER (WHERE r.status = 'cancelled') AS cancelled,
      coalesce(sum(r.created + r.updated + r.linked + r.removed), 0)::bigint AS rows_changed,
      percentile_cont(0.95) WITHIN GROUP (ORDER BY EXTRACT(EPOCH FROM r.started_at - r.queued_at)::float)
        FILTER (WHERE r.trigger <> 'schedule' AND r.attempt = 1) AS wait_p95_s,
      percentile_cont(0.5) WITHIN GROUP (ORDER BY EXTRACT(EPOCH FROM r.finished_at - r.started_at)::float)
        AS run_p50_s,
      percentile_cont(0.95) WITHIN GROUP (ORDER BY EXTRACT(EPOCH FROM r.finished_at - r.started_at)::float)
        AS run_p95_s"""
"""What is counted of a group of runs `r`, in the order and under the names of the columns of `run_activity`."""

_WRITE_HOURS = text(
    f"""
    WITH hours AS (
      SELECT hour_at FROM generate_series(
        GREATEST((SELECT max(hour_at) FROM run_activity) + INTERVAL '1 hour',
                 date_trunc('hour', now(), 'UTC') - make_interval(days => 31)),
        date_trunc('hour', now(), 'UTC') - INTERVAL '1 hour', INTERVAL '1 hour') hour_at
      ORDER BY hour_at LIMIT :hours)
    INSERT INTO run_activity (hour_at, connector_name, succeeded, partial, failed, cancelled, rows_changed,
      wait_p95_s, run_p50_s, run_p95_s)
    SELECT h.hour_at, coalesce(c.connector_name, ''),
      {FIGURES}
    FROM hours h
    LEFT JOIN bank_import_runs r
      ON r.finished_at >= h.hour_at AND r.finished_at < h.hour_at + INTERVAL '1 hour' AND NOT r.dry_run
    LEFT JOIN bank_connections c ON c.id = r.connection_id
    GROUP BY GROUPING SETS ((h.hour_at), (h.hour_at, c.connector_name))
    HAVING GROUPING(c.connector_name) = 1 OR c.connector_name IS NOT NULL
    ON CONFLICT DO NOTHING
    """  # noqa: S608 - a constant
)
_WRITE_FRESHNESS = text(
    """
    UPDATE run_activity written SET connections = now_.connections, fresh = now_.fresh
    FROM (SELECT count(*) AS connections, count(*) FILTER (WHERE last_good_at > now() - INTERVAL '1 day') AS fresh
          FROM bank_connections WHERE status = 'active') now_
    WHERE written.connector_name = '' AND written.connections IS NULL
      AND written.hour_at = date_trunc('hour', now(), 'UTC') - INTERVAL '1 hour'
    """
)
_FORGET = text("DELETE FROM run_activity WHERE hour_at < now() - make_interval(days => :days)")


def write_ended_hours(session: Session) -> int:
    """Write the hours that have ended since the last pass, and forget those of long ago; return the rows written."""
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('run_activity', 0))"))
    written = session.execute(_WRITE_HOURS, {"hours": HOURS_AT_ONCE})
    session.execute(_WRITE_FRESHNESS)
    session.execute(_FORGET, {"days": KEEP_DAYS})
    assert isinstance(written, CursorResult)
    return written.rowcount

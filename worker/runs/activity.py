"""Counts what happened in each hour in a small table, for the charts of operators when runs are deleted.

An hour is written once, after it has ended. The row of all connectors together has an empty connector name; it also
says how the runs of its hour ended, so that nobody reads every run of a day (`worker.status.last_day`).
"""

from sqlalchemy import CursorResult, text
from sqlalchemy.orm import Session

KEEP_DAYS = 400
"""How long hours are kept."""
KEEP_DAYS_OF_BANKS = 31
"""How long the days of single banks are kept."""
_DAYS_AT_ONCE = 2
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

_IN_THE_HOUR = "r.finished_at >= h.hour_at AND r.finished_at < h.hour_at + INTERVAL '1 hour'"
OUTCOMES = f"""SELECT r.kind, r.status, r.code, r.dry_run, count(*) AS runs,
      count(*) FILTER (WHERE r.attempt > 1 OR r.code = 'lost') AS lost,
      sum(r.created) AS created, sum(r.updated) AS updated, sum(r.unchanged) AS unchanged, sum(r.linked) AS linked,
      sum(r.removed) AS removed, sum(r.rejected) AS rejected, sum(r.suggested) AS suggested,
      sum(r.delivered - r.accounted) AS unaccounted
    FROM bank_import_runs r WHERE {_IN_THE_HOUR} GROUP BY r.kind, r.status, r.code, r.dry_run"""  # noqa: S608 - a constant
"""How the runs of the hour `h` ended, and what they did with the rows of banks."""

BUCKET_RATIO = 1.05
"""By how much the longest run of a bucket of `seconds_of_runs` is longer than the shortest."""
_SHORTEST_S = 0.001


def seconds_of_runs(interval: str) -> str:
    """Return the query for how many runs of the hour `h` took how long.

    Args:
        interval: Of a run `r`.

    Returns:
        The query of `bucket`, which holds what took more than `BUCKET_RATIO ** (bucket - 1)` seconds and at most
        `BUCKET_RATIO ** bucket`, and of `runs`.
    """
    seconds = f"greatest(EXTRACT(EPOCH FROM {interval})::float, {_SHORTEST_S})"
    return f"""SELECT ceil(ln({seconds}) / ln({BUCKET_RATIO}::float))::int AS bucket, count(*) AS runs
    FROM bank_import_runs r WHERE {_IN_THE_HOUR} AND r.started_at IS NOT NULL GROUP BY 1"""  # noqa: S608 - constants


RUN_SECONDS = seconds_of_runs("r.finished_at - r.started_at")
"""SQL: how many runs of the hour took how long from start to end."""
WAIT_SECONDS = seconds_of_runs("r.started_at - r.queued_at")
"""SQL: how many runs of the hour took how long from request to start."""

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
      ON {_IN_THE_HOUR} AND NOT r.dry_run
    LEFT JOIN bank_connections c ON c.id = r.connection_id
    GROUP BY GROUPING SETS ((h.hour_at), (h.hour_at, c.connector_name))
    HAVING GROUPING(c.connector_name) = 1 OR c.connector_name IS NOT NULL
    ON CONFLICT DO NOTHING
    """  # noqa: S608 - a constant
)
_WRITE_FRESHNESS = text(
    """
    UPDATE run_activity written SET connections = now_.connections, fresh = now_.fresh
    FROM (SELECT coalesce(connector_name, '') AS connector_name, count(*) AS connections,
            count(*) FILTER (WHERE last_good_at > now() - INTERVAL '1 day') AS fresh
          FROM bank_connections WHERE status = 'active' GROUP BY GROUPING SETS ((), (connector_name))) now_
    WHERE written.connector_name = now_.connector_name AND written.connections IS NULL
      AND written.hour_at = date_trunc('hour', now(), 'UTC') - INTERVAL '1 hour'
    """
)
_AS_JSON = "(SELECT coalesce(jsonb_agg(to_jsonb(found)), '[]') FROM ({query}) found)"
# a run is given five minutes to commit its end, which is of the moment when its last transaction began
_WRITE_OUTCOMES = text(
    f"""
    UPDATE run_activity h SET outcomes = {_AS_JSON.format(query=OUTCOMES)},
      run_seconds = {_AS_JSON.format(query=RUN_SECONDS)}, wait_seconds = {_AS_JSON.format(query=WAIT_SECONDS)}
    WHERE h.connector_name = '' AND h.outcomes IS NULL
      AND h.hour_at >= date_trunc('hour', now(), 'UTC') - INTERVAL '24 hours'
      AND h.hour_at < date_trunc('hour', now() - INTERVAL '5 minutes', 'UTC')
    """  # noqa: S608 - constants
)
_DAYS_UNTIL = text(
    """
    WITH today AS (SELECT (now() AT TIME ZONE 'UTC')::date AS day_on)
    INSERT INTO institution_weather_progress (id, until_at, days_until_on)
    SELECT TRUE, now() - INTERVAL '1 hour', day_on - CAST(:days AS integer) FROM today
    ON CONFLICT (id) DO UPDATE SET
      days_until_on = greatest(institution_weather_progress.days_until_on, excluded.days_until_on)
    RETURNING days_until_on, least(days_until_on + CAST(:at_once AS integer), (SELECT day_on FROM today)) AS until_on
    """
)
_WRITE_DAYS = text(
    f"""
    WITH counted AS (
      SELECT c.connector_name, c.institution_name, (r.finished_at AT TIME ZONE 'UTC')::date AS day_on,
      {FIGURES}
      FROM bank_import_runs r JOIN bank_connections c ON c.id = r.connection_id
      WHERE r.finished_at >= CAST(:from_on AS timestamp) AT TIME ZONE 'UTC'
        AND r.finished_at < CAST(:until_on AS timestamp) AT TIME ZONE 'UTC'
        AND NOT r.dry_run AND c.institution_name IS NOT NULL
      GROUP BY 1, 2, 3
    ), progressed AS (
      UPDATE institution_weather_progress SET days_until_on = :until_on
    )
    INSERT INTO institution_days (connector_name, institution, day_on, succeeded, partial, failed, cancelled,
      rows_changed, wait_p95_s, run_p50_s, run_p95_s, connections, fresh)
    SELECT counted.*, now_.connections, now_.fresh
    FROM counted LEFT JOIN institution_weather now_
      ON now_.connector_name = counted.connector_name AND now_.institution = counted.institution_name
      AND counted.day_on = (now() AT TIME ZONE 'UTC')::date - 1
    ON CONFLICT (connector_name, institution, day_on) DO UPDATE SET
      (succeeded, partial, failed, cancelled, rows_changed, wait_p95_s, run_p50_s, run_p95_s, connections, fresh)
      = (excluded.succeeded, excluded.partial, excluded.failed, excluded.cancelled, excluded.rows_changed,
        excluded.wait_p95_s, excluded.run_p50_s, excluded.run_p95_s, excluded.connections, excluded.fresh)
    """  # noqa: S608 - a constant
)
_FORGET = text("DELETE FROM run_activity WHERE hour_at < now() - make_interval(days => :days)")


def write_ended_hours(session: Session) -> int:
    """Write the hours that have ended since the last pass, and forget those of long ago; return the rows written."""
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('run_activity', 0))"))
    written = session.execute(_WRITE_HOURS, {"hours": HOURS_AT_ONCE})
    session.execute(_WRITE_FRESHNESS)
    session.execute(_WRITE_OUTCOMES)
    session.execute(_FORGET, {"days": KEEP_DAYS})
    _write_ended_days(session)
    assert isinstance(written, CursorResult)
    return written.rowcount


def _write_ended_days(session: Session) -> None:
    """Write the days of each bank that have ended since the last pass, two at most."""
    from_on, until_on = session.execute(_DAYS_UNTIL, {"days": KEEP_DAYS_OF_BANKS, "at_once": _DAYS_AT_ONCE}).one()
    if from_on < until_on:
        session.execute(_WRITE_DAYS, {"from_on": from_on, "until_on": until_on})

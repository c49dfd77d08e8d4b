"""How the runs of the last day ended: SQL for metrics and status that does not read every run of the day.

A day begins with the full hour 24 hours ago. Hours that `run_activity` has are read there, one row each; the runs of
the others, as a rule of the current hour alone, are counted by the index of when they ended.
"""

from worker.runs.activity import BUCKET_RATIO, OUTCOMES, RUN_SECONDS, WAIT_SECONDS


def _of_the_hours(kept: str, columns: str, of_runs: str) -> str:
    """Return the query for what a column of `run_activity` says of each hour, or the runs of that hour."""
    return f"""(
    SELECT found.* FROM generate_series(
      date_trunc('hour', now(), 'UTC') - INTERVAL '24 hours', now(), INTERVAL '1 hour') AS h(hour_at)
    LEFT JOIN run_activity a ON a.hour_at = h.hour_at AND a.connector_name = ''
    CROSS JOIN LATERAL (
      SELECT * FROM jsonb_to_recordset(a.{kept}) AS kept({columns})
      UNION ALL
      SELECT * FROM ({of_runs}) counted WHERE a.{kept} IS NULL) found)"""  # noqa: S608 - constants


OUTCOMES_OF_THE_DAY = _of_the_hours(
    "outcomes",
    "kind text, status text, code text, dry_run boolean, runs bigint, lost bigint, created bigint, updated bigint,"
    " unchanged bigint, linked bigint, removed bigint, rejected bigint, suggested bigint, unaccounted bigint",
    OUTCOMES,
)
"""A query of the columns of `OUTCOMES`, in parentheses: any number of rows of one kind, status and code."""


def _quantiles(kept: str, of_runs: str) -> str:
    return f"""WITH counted AS (
      SELECT bucket, sum(runs) AS runs FROM {_of_the_hours(kept, "bucket int, runs bigint", of_runs)} hours
      GROUP BY bucket),
    ranked AS (SELECT bucket, sum(runs) OVER (ORDER BY bucket) AS runs, sum(runs) OVER () AS of_all FROM counted)
    SELECT q, power({BUCKET_RATIO}::float, min(bucket) - 0.5) AS seconds
    FROM unnest(ARRAY[0.5, 0.9, 0.99]) q JOIN ranked ON ranked.runs >= q * ranked.of_all GROUP BY q"""  # noqa: S608 - constants


RUN_QUANTILES_OF_THE_DAY = _quantiles("run_seconds", RUN_SECONDS)
"""The quantiles of how long runs took (s), 2.5 in 100 off at most."""
WAIT_QUANTILES_OF_THE_DAY = _quantiles("wait_seconds", WAIT_SECONDS)
"""The quantiles of how long runs waited for their start (s), 2.5 in 100 off at most."""

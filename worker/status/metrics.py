"""The metrics that are read from Postgres: their names, what they say, and their queries.

Labels are connectors, states and codes, which are a bounded set; none is a user, a connection or an account.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from worker.models.transaction import REJECTION_IS_DISMISSED, REJECTION_IS_OPEN
from worker.status.coming_partitions import COMING_PARTITIONS
from worker.status.last_day import OUTCOMES_OF_THE_DAY, RUN_QUANTILES_OF_THE_DAY, WAIT_QUANTILES_OF_THE_DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """One metric: the last column of its query is the value, the columns before it are the labels in this order."""

    name: str
    help: str
    query: str
    labels: tuple[str, ...] = ()


GAUGES: Sequence[Gauge] = (
    Gauge(
        name="finmind_institutions_down",
        help="Banks that answer nobody, by connector.",
        labels=("connector",),
        query="SELECT connector_name, count(*) FILTER (WHERE outage_since_at IS NOT NULL)"
        " FROM institution_weather GROUP BY 1",
    ),
    Gauge(
        name="finmind_oldest_due_seconds",
        help="How long the connection that is due longest has waited; provider limits not counted.",
        query="SELECT COALESCE(EXTRACT(EPOCH FROM now() - min(GREATEST(next_refresh_at, rate_limited_until))), 0)"
        " FROM bank_connections WHERE status = 'active' AND next_refresh_at <= now()"
        " AND (rate_limited_until IS NULL OR rate_limited_until <= now())",
    ),
    Gauge(
        name="finmind_open_runs",
        help="Runs that wait or run.",
        labels=("status",),
        # each count uses the partial index of its status; with `status = s` Postgres would read every run
        query="SELECT 'queued', (SELECT count(*) FROM bank_import_runs WHERE status = 'queued')"
        " UNION ALL SELECT 'running', (SELECT count(*) FROM bank_import_runs WHERE status = 'running')"
        " UNION ALL SELECT 'deferred', (SELECT count(*) FROM bank_import_runs WHERE status = 'deferred')",
    ),
    Gauge(
        name="finmind_oldest_queued_seconds",
        help="How long the run that waits longest has waited for a worker.",
        query="SELECT COALESCE(EXTRACT(EPOCH FROM now() - min(queued_at)), 0) FROM bank_import_runs"
        " WHERE status = 'queued'",
    ),
    Gauge(
        name="finmind_oldest_heartbeat_seconds",
        help="How long the most silent running run was silent.",
        query="SELECT COALESCE(EXTRACT(EPOCH FROM now() - min(heartbeat_at)), 0) FROM bank_import_runs"
        " WHERE status = 'running'",
    ),
    Gauge(
        name="finmind_quota_left_ratio",
        help="What is left of the allowance that is used most, 0 to 1.",
        labels=("connector", "endpoint"),
        query="SELECT connector_name, endpoint, min(1 - calls_used::float / GREATEST(calls_limit, 1))"
        " FROM bank_quota_usage WHERE window_ends_at > now() GROUP BY 1, 2",
    ),
    Gauge(
        name="finmind_circuit_open",
        help="1 while a provider is left alone because it fails for several users.",
        labels=("connector",),
        query="SELECT connector_name, CASE state WHEN 'closed' THEN 0 ELSE 1 END FROM bank_connector_circuits"
        " WHERE scope = ''",
    ),
    Gauge(
        name="finmind_bank_circuits_open",
        help="Banks and servers that are left alone because they fail for several users.",
        labels=("connector",),
        query="SELECT connector_name, count(*) FILTER (WHERE state <> 'closed') FROM bank_connector_circuits"
        " WHERE scope <> '' GROUP BY 1",
    ),
    Gauge(
        name="finmind_deliveries",
        help="Webhook deliveries that wait, are under way, or were given up.",
        labels=("state",),
        query="SELECT s, (SELECT count(*) FROM webhook_deliveries WHERE state = s)"
        " FROM unnest(ARRAY['pending', 'leased', 'dead']) s",
    ),
    Gauge(
        name="finmind_events_waiting",
        help="Events that are not turned into deliveries yet.",
        query="SELECT count(*) FROM webhook_events WHERE fanned_out_at IS NULL",
    ),
    Gauge(
        name="finmind_event_batches_waiting",
        help="Imports whose events wait, all in one row, to be written one by one.",
        query="SELECT count(*) FROM webhook_event_batches",
    ),
    Gauge(
        name="finmind_oldest_event_seconds",
        help="How long the event that waits longest, alone or in a batch, has not become deliveries.",
        query="SELECT COALESCE(EXTRACT(EPOCH FROM now() - LEAST("
        "(SELECT occurred_at FROM webhook_events WHERE fanned_out_at IS NULL ORDER BY sequence LIMIT 1),"
        " (SELECT occurred_at FROM webhook_event_batches ORDER BY id LIMIT 1))), 0)",
    ),
    Gauge(
        name="finmind_suggestions_open",
        help="Questions to people that wait for an answer.",
        labels=("kind",),
        query="SELECT kind, count(*) FROM bank_match_suggestions WHERE status = 'open' GROUP BY 1",
    ),
    Gauge(
        name="finmind_rejections_unresolved",
        help="Rows that could not be imported and were neither resolved nor dismissed since.",
        query=f"SELECT count(*) FROM bank_import_rejections WHERE {REJECTION_IS_OPEN}",  # noqa: S608 - a constant
    ),
    Gauge(
        name="finmind_rejections_dismissed",
        help="Rows that could not be imported and that a person left out.",
        query=f"SELECT count(*) FROM bank_import_rejections WHERE {REJECTION_IS_DISMISSED}",  # noqa: S608 - a constant
    ),
    Gauge(
        name="finmind_sign_of_life_age_seconds",
        help="Since a component, or the consumer of a queue, was last seen alive.",
        labels=("component",),
        query="SELECT component, EXTRACT(EPOCH FROM now() - seen_at) FROM worker_heartbeats",
    ),
    Gauge(
        name="finmind_coming_partition_seconds",
        help="In how long the newest partition of a table begins; less than 0 when it has begun.",
        labels=("table",),
        query=COMING_PARTITIONS,
    ),
    # Those that read every connection, or the runs of an hour, come last: a first scrape has the others.
    Gauge(
        name="finmind_newest_data_age_seconds",
        help="Since the last good run of any active connection of the connector.",
        labels=("connector",),
        query="SELECT connector_name, EXTRACT(EPOCH FROM now() - max(last_good_at)) FROM bank_connections"
        " WHERE status = 'active' AND last_good_at IS NOT NULL GROUP BY 1",
    ),
    Gauge(
        name="finmind_oldest_data_age_seconds",
        help="Since the last good run of the active connection that is furthest behind.",
        labels=("connector",),
        query="SELECT connector_name, EXTRACT(EPOCH FROM now() - min(COALESCE(last_good_at, created_at)))"
        " FROM bank_connections WHERE status = 'active' AND refresh_interval IS NOT NULL GROUP BY 1",
    ),
    Gauge(
        name="finmind_connections",
        help="Connections by connector and status.",
        labels=("connector", "status"),
        query="SELECT connector_name, status, count(*) FROM bank_connections GROUP BY 1, 2",
    ),
    Gauge(
        name="finmind_runs_last_day",
        help="Runs that ended within a day, by how and why.",
        labels=("kind", "status", "code"),
        query=f"SELECT kind, status, code, sum(runs) FROM {OUTCOMES_OF_THE_DAY} day GROUP BY 1, 2, 3",  # noqa: S608 - a constant
    ),
    Gauge(
        name="finmind_lost_runs_last_day",
        help="Runs that lost their worker at least once within a day.",
        query=f"SELECT COALESCE(sum(lost), 0) FROM {OUTCOMES_OF_THE_DAY} day",  # noqa: S608 - a constant
    ),
    Gauge(
        name="finmind_run_seconds_last_day",
        help="From start to end of the runs of a day, as quantiles.",
        labels=("quantile",),
        query=RUN_QUANTILES_OF_THE_DAY,
    ),
    Gauge(
        name="finmind_run_wait_seconds_last_day",
        help="From request to start of the runs of a day, as quantiles.",
        labels=("quantile",),
        query=WAIT_QUANTILES_OF_THE_DAY,
    ),
    Gauge(
        name="finmind_rows_last_day",
        help="Rows of the bank by what was decided about them within a day.",
        labels=("decision",),
        query=f"""SELECT decision, n FROM (SELECT sum(created) AS created, sum(updated) AS updated,
          sum(unchanged) AS unchanged, sum(linked) AS linked, sum(removed) AS removed, sum(rejected) AS rejected,
          sum(suggested) AS suggested FROM {OUTCOMES_OF_THE_DAY} hours) day,
        LATERAL (VALUES ('created', created), ('updated', updated), ('unchanged', unchanged), ('linked', linked),
          ('removed', removed), ('rejected', rejected), ('suggested', suggested)) AS rows_(decision, n)
        WHERE n IS NOT NULL""",  # noqa: S608 - a constant
    ),
    Gauge(
        name="finmind_rows_unaccounted_last_day",
        help="Rows that banks delivered within a day and that no run accounts for; more than 0 is a defect.",
        query=f"SELECT COALESCE(sum(unaccounted), 0) FROM {OUTCOMES_OF_THE_DAY} day",  # noqa: S608 - a constant
    ),
    Gauge(
        name="finmind_ledger_problems",
        help="Connections whose ledger may not agree with the bank, by why.",
        labels=("code",),
        query="SELECT problem_code, count(*) FROM bank_connections"
        " WHERE problem_code IS NOT NULL AND status <> 'disconnected' GROUP BY 1",
    ),
)

"""The overview for operators: heartbeats, waiting work, failures, and what needs a person.

Everything is read from Postgres and by its clock, except the lengths of the queues, which Redis states.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import redis
from kombu import Connection
from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from worker.broker import Queue
from worker.migrations.pending import pending_revisions
from worker.models.transaction import REJECTION_IS_DISMISSED, REJECTION_IS_OPEN
from worker.status.coming_partitions import COMING_PARTITIONS, FEW_PARTITIONS_S
from worker.status.last_day import OUTCOMES_OF_THE_DAY

SIGN_MAX_AGE_S = 120
"""A queue without a canary for this long has no consumer; canaries are written every 30 s."""
LATE_S = 300
"""A run that waits or a connection that is due for longer is late."""

LARGE_FLEET = 10_000
"""Of so many connections a page shows what was read some moments ago."""

_SIGNS = """
    SELECT component, seen_at, EXTRACT(EPOCH FROM now() - seen_at)::int AS age_s
    FROM worker_heartbeats ORDER BY component"""
_DUE = """
    SELECT count(*) AS connections_due,
      COALESCE(EXTRACT(EPOCH FROM now() - min(GREATEST(next_refresh_at, rate_limited_until))
        FILTER (WHERE rate_limited_until IS NULL OR rate_limited_until <= now())), 0)::int AS oldest_due_s
    FROM bank_connections WHERE status = 'active' AND next_refresh_at <= now()"""
_WORK = """
    SELECT count(*) FILTER (WHERE status = 'queued') AS runs_queued,
      count(*) FILTER (WHERE status = 'deferred') AS runs_deferred,
      count(*) FILTER (WHERE status = 'running') AS runs_running,
      count(*) FILTER (WHERE status = 'deferred' AND code = 'disk_full') AS runs_without_space,
      COALESCE(EXTRACT(EPOCH FROM now() - min(queued_at) FILTER (WHERE status = 'queued')), 0)::int AS oldest_queued_s,
      COALESCE(EXTRACT(EPOCH FROM now() - min(heartbeat_at) FILTER (WHERE status = 'running')), 0)::int
        AS oldest_heartbeat_s
    FROM (
      SELECT status, code, queued_at, heartbeat_at FROM bank_import_runs WHERE status IN ('queued', 'deferred')
      UNION ALL
      SELECT status, code, queued_at, heartbeat_at FROM bank_import_runs WHERE status = 'running') open_runs"""
_RUNS = f"""
    SELECT status, code, sum(runs)::bigint AS runs, sum(created)::bigint AS created, sum(rejected)::bigint AS rejected
    FROM {OUTCOMES_OF_THE_DAY} day WHERE NOT dry_run GROUP BY status, code ORDER BY runs DESC"""  # noqa: S608 - a constant
_CONNECTIONS = """
    SELECT connector_name AS connector, count(*) AS connections,
      count(*) FILTER (WHERE status = 'active') AS active,
      count(*) FILTER (WHERE status IN ('needs_user', 'error')) AS need_a_person,
      count(*) FILTER (WHERE rate_limited_until > now()) AS rate_limited,
      EXTRACT(EPOCH FROM now() - max(last_good_at))::int AS newest_data_s,
      EXTRACT(EPOCH FROM now() - min(last_good_at) FILTER (WHERE status = 'active'))::int AS oldest_data_s
    FROM bank_connections WHERE status <> 'disconnected' GROUP BY connector_name ORDER BY connector_name"""
_NEED_A_PERSON = """
    SELECT id AS connection_id, display_name AS bank, status, user_id, status_code, last_good_at,
      connector_name AS connector
    FROM bank_connections WHERE status IN ('needs_user', 'error') ORDER BY updated_at DESC LIMIT 20"""
_QUOTA = """
    SELECT connector_name AS connector, connection_id, endpoint, calls_used, calls_limit, window_ends_at
    FROM bank_quota_usage WHERE window_ends_at > now() AND calls_used * 5 >= calls_limit * 4
    ORDER BY calls_used::float / GREATEST(calls_limit, 1) DESC LIMIT 20"""
_PROOFS = """
    SELECT p.proof ->> 'result' AS result, a.connection_id, a.name AS account, p.proof ->> 'difference' AS off_by,
      a.currency, p.proof ->> 'since_on' AS since_on, p.proof ->> 'balance_on' AS balance_on
    FROM bank_connection_accounts a
    JOIN bank_connections c ON c.id = a.connection_id AND c.status <> 'disconnected'
    JOIN LATERAL (
      SELECT r.balance_proof AS proof FROM bank_import_run_accounts r
      JOIN bank_import_runs n ON n.id = r.run_id AND NOT n.dry_run
      WHERE r.account_id = a.id AND r.balance_proof IS NOT NULL ORDER BY r.id DESC LIMIT 1) p ON TRUE
    WHERE a.status = 'active'"""
_PROOFS_AND_MISMATCHES = f"""
    WITH p AS MATERIALIZED ({_PROOFS})
    SELECT result, count(*) AS accounts, NULL::uuid AS connection_id, NULL AS account, NULL AS off_by, NULL AS currency,
      NULL AS since_on, NULL AS balance_on FROM p GROUP BY result
    UNION ALL (SELECT result, NULL, connection_id, account, off_by, currency, since_on, balance_on FROM p
      WHERE result = 'mismatch' ORDER BY abs(off_by::numeric) DESC LIMIT 20)"""  # noqa: S608 - constant parts
_NOT_CLOSED = "bank_connector_circuits WHERE state <> 'closed'"
_CIRCUITS_NAMED = 5
_CIRCUITS = f"""
    SELECT connector_name || CASE scope WHEN '' THEN '' ELSE ' (' || scope || ')' END AS connector, connector_name,
      scope, state, open_until
    FROM {_NOT_CLOSED} ORDER BY 1 LIMIT 100"""  # noqa: S608 - a constant
_OPEN = f"""
    SELECT
      (SELECT count(*) FROM webhook_deliveries WHERE state = 'dead') AS dead_letters,
      (SELECT count(*) FROM webhook_deliveries WHERE state = 'pending')
        + (SELECT count(*) FROM webhook_deliveries WHERE state = 'leased') AS deliveries_waiting,
      (SELECT count(*) FROM webhook_subscriptions WHERE status = 'active' AND breaker_until > now()) AS breakers_open,
      (SELECT count(*) FROM bank_connections WHERE status = 'active' AND consecutive_failures >= 2)
        AS connections_failing,
      (SELECT count(*) FROM bank_connections WHERE problem_code IS NOT NULL AND status <> 'disconnected')
        AS connections_in_doubt,
      (SELECT count(*) FROM {_NOT_CLOSED}) AS circuits_not_closed,
      (SELECT count(*) FROM ({COMING_PARTITIONS}) tables WHERE coming_s < {FEW_PARTITIONS_S})
        AS tables_short_of_partitions,
      (SELECT count(*) FROM bank_match_suggestions WHERE status = 'open') AS suggestions_open,
      (SELECT count(*) FROM bank_import_rejections WHERE {REJECTION_IS_OPEN}) AS rejections_unresolved,
      (SELECT count(*) FROM bank_import_rejections WHERE {REJECTION_IS_DISMISSED}) AS rejections_dismissed"""  # noqa: S608 - constants


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The state of the worker at one moment. Ages are in seconds.

    Attributes:
        queues: Messages per queue; None when Redis does not answer.
        need_a_person: The connections that were the last to need one, 20 at most.
        quota: The allowances that are nearest to their end, 20 at most.
        proofs: Number of accounts per result of their last balance proof.
        circuits: Those that are not closed, 100 at most.
        mismatches: The accounts whose balance is off by most, 20 at most, by how much and since which day.
        pending_revisions: Revisions of the schema that the database lacks, in order.
    """

    signs: Sequence[Mapping[str, Any]]
    queues: Mapping[str, int] | None
    work: Mapping[str, Any]
    runs: Sequence[Mapping[str, Any]]
    connections: Sequence[Mapping[str, Any]]
    need_a_person: Sequence[Mapping[str, Any]]
    quota: Sequence[Mapping[str, Any]]
    proofs: Sequence[Mapping[str, Any]]
    mismatches: Sequence[Mapping[str, Any]]
    circuits: Sequence[Mapping[str, Any]]
    open: Mapping[str, Any]
    pending_revisions: Sequence[str]

    @property
    def people_needed(self) -> int:
        """How many connections need a person."""
        return sum(one["need_a_person"] for one in self.connections)

    @property
    def balances_off(self) -> int:
        """How many accounts have a balance that does not follow from their rows."""
        return sum(proof["accounts"] for proof in self.proofs if proof["result"] == "mismatch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """What is read from the rows of all connections and all accounts: some 10 µs for each.

    Attributes:
        due: How many connections are due, and for how long the first of them is (s).
        connections: Numbers and ages per connector.
        proofs, mismatches: As in `Status`.
    """

    due: Mapping[str, Any]
    connections: Sequence[Mapping[str, Any]]
    proofs: Sequence[Mapping[str, Any]]
    mismatches: Sequence[Mapping[str, Any]]

    @property
    def is_large(self) -> bool:
        """Whether reading it anew for every page would be felt."""
        return bool(sum(one["connections"] for one in self.connections) > LARGE_FLEET)


def read_fleet(session: Session) -> Fleet:
    """Read the connections and the last balance proof of every account."""
    rows = _rows(session, _PROOFS_AND_MISMATCHES)
    counts = sorted((row for row in rows if row["accounts"] is not None), key=lambda row: str(row["result"]))
    off = [row for row in rows if row["accounts"] is None]
    return Fleet(
        due=_rows(session, _DUE)[0],
        connections=_rows(session, _CONNECTIONS),
        proofs=[{name: row[name] for name in ("result", "accounts")} for row in counts],
        mismatches=[{name: row[name] for name in row if name not in {"result", "accounts"}} for row in off],
    )


def read_status(session: Session, broker: "redis.Redis | Connection", fleet: Fleet | None = None) -> Status:
    """Read the current state; `fleet` was read some moments ago."""
    if fleet is None:
        fleet = read_fleet(session)
    return Status(
        signs=_rows(session, _SIGNS),
        queues=queue_lengths(broker),
        work={**fleet.due, **_rows(session, _WORK)[0]},
        runs=_rows(session, _RUNS),
        connections=fleet.connections,
        need_a_person=_rows(session, _NEED_A_PERSON),
        quota=_rows(session, _QUOTA),
        proofs=fleet.proofs,
        mismatches=fleet.mismatches,
        circuits=_rows(session, _CIRCUITS),
        open=_rows(session, _OPEN)[0],
        pending_revisions=pending_revisions(session),
    )


def problems(status: Status) -> list[str]:
    """Return the problems that an operator has to act on now. Pure."""
    found = [] if status.queues is not None else ["Redis does not answer: runs wait until it does"]
    ages = {sign["component"]: sign["age_s"] for sign in status.signs}
    for queue in (Queue.INTERACTIVE, Queue.SCHEDULED):
        age_s = ages.get(f"queue:{queue}")
        if age_s is None or age_s > SIGN_MAX_AGE_S:
            seen = "so far" if age_s is None else f"for {age_s} s"
            found.append(f"no sign of life from the workers of queue {queue} {seen}")
    if status.work["oldest_queued_s"] > LATE_S:
        found.append(f"the oldest waiting run has waited {status.work['oldest_queued_s']} s")
    if status.work["oldest_due_s"] > LATE_S:
        found.append(f"the connection that is due longest has waited {status.work['oldest_due_s']} s")
    if status.work["oldest_heartbeat_s"] > LATE_S:
        found.append(f"a running run was silent for {status.work['oldest_heartbeat_s']} s and was not recovered")
    if status.work["runs_without_space"]:
        found.append(
            f"{status.work['runs_without_space']} runs wait because a worker has no temporary space (disk_full)"
        )
    found += [f"the circuit of {one['connector']} is {one['state']}" for one in status.circuits[:_CIRCUITS_NAMED]]
    if (more := status.open["circuits_not_closed"] - _CIRCUITS_NAMED) > 0:
        found.append(f"{more} more circuits are not closed")
    return found


def concerns(status: Status) -> list[str]:
    """Return what needs a person but no alarm. Pure."""
    open_, runs = status.open, {(run["status"], run["code"]): run["runs"] for run in status.runs}
    upgrade = "pending: run `finmind-worker db upgrade`"
    counts = (
        (
            len(status.pending_revisions),
            f"revision of the schema is {upgrade}",
            f"revisions of the schema are {upgrade}",
        ),
        (status.people_needed, "connection needs its user", "connections need their users"),
        (open_["connections_failing"], "connection failed twice or more", "connections failed twice or more"),
        (
            open_["connections_in_doubt"],
            "ledger may not agree with its bank",
            "ledgers may not agree with their banks",
        ),
        (status.balances_off, "balance does not follow from its rows", "balances do not follow from their rows"),
        (open_["rejections_unresolved"], "rejected row is unresolved", "rejected rows are unresolved"),
        (runs.get(("failed", "poison"), 0), "run was given up (poison)", "runs were given up (poison)"),
        (runs.get(("failed", "internal"), 0), "run failed by a defect of ours", "runs failed by a defect of ours"),
        (open_["dead_letters"], "delivery was given up", "deliveries were given up"),
        (
            open_["tables_short_of_partitions"],
            "partitioned table has coming partitions for less than a week",
            "partitioned tables have coming partitions for less than a week",
        ),
        (open_["breakers_open"], "receiver of webhooks does not answer", "receivers of webhooks do not answer"),
    )
    return [f"{count} {one if count == 1 else many}" for count, one, many in counts if count]


def queue_lengths(broker: "redis.Redis | Connection") -> dict[str, int] | None:
    """Return messages per queue, from Redis also those taken but not acknowledged; None when it does not answer."""
    if isinstance(broker, Connection):
        return _lengths_in_rabbitmq(broker)
    try:
        with broker.pipeline(transaction=False) as pipeline:
            for queue in Queue:
                pipeline.llen(queue.value)
            pipeline.hlen("unacked")
            lengths = pipeline.execute()
    except redis.RedisError:
        return None
    return dict(zip([*(queue.value for queue in Queue), "unacknowledged"], lengths, strict=True))


def _lengths_in_rabbitmq(broker: Connection) -> dict[str, int] | None:
    try:
        with broker.clone() as connection, connection.channel() as channel:
            amqp: Any = channel  # kombu's base class of channels leaves the operations out
            return {queue.value: amqp.queue_declare(queue.value, passive=True).message_count for queue in Queue}
    except (*broker.connection_errors, *broker.channel_errors):
        return None


def _rows(session: Session, query: str) -> list[dict[str, Any]]:
    return [_plain(row) for row in session.execute(text(query))]


def _plain(row: Row[Any]) -> dict[str, Any]:
    return dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public way to a mapping

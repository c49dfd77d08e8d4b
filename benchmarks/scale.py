"""What size costs: the same work in a small database and in a large one, as ratios.

    python -m benchmarks.scale [--connections 1000000] [--small 10000] [--days 30] [--rounds 5]

Fills two databases with connections, five transactions each, a run for each of the days and four for the last one, as
retention leaves them, and openings of credentials. Then it measures in turns, in both: planning and claiming while
every connection is due, a refresh with nothing new, one with three new rows, thinning, a scrape of the metrics, and
what they say of the last day, read anew.
Last it says which statements of screens and dispatcher would scan all runs of the large one: none should.
"""

import argparse
import hashlib
import logging
import statistics
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import ClassVar

import redis
import structlog
from prometheus_client.metrics_core import Metric
from pydantic import BaseModel
from sqlalchemy import Engine, text

from benchmarks.plans import scans_of_runs, screen_statements
from benchmarks.results import print_and_keep
from benchmarks.servers import servers
from worker.connectors.base import (
    Account,
    AuthStatus,
    BankConnector,
    Capabilities,
    ConnectorContext,
    IdClass,
    Page,
    Transaction,
    Window,
)  # fmt: skip
from worker.db.engine import Sessions, open_engine, open_sessions
from worker.importer.context import ImportContext
from worker.importer.engine import run
from worker.runs.activity import HOURS_AT_ONCE, write_ended_hours
from worker.runs.dispatching.dispatch_order import DispatchLimits
from worker.runs.dispatching.planning import plan_due_connections
from worker.runs.lease import claim
from worker.runs.request import request_run
from worker.runs.retention.old_rows import RetentionPolicy, remove_old_rows
from worker.runs.retention.pace import RemovalPace
from worker.runs.states import RunKind, RunRequest
from worker.schema.apply import apply_schema
from worker.status.kept_readings import KeptReadings
from worker.status.prometheus import exposition

LIMITS = DispatchLimits(ahead=500, per_user=8, per_connector=500, redispatch_s=90)
REFRESHED = 100
"""Connections that are refreshed in earnest."""
BARS = {"plan": 1.2, "claim": 1.2, "quiet_refresh": 1.2, "refresh_with_3_new_rows": 1.2, "thinning": 1.2}

# Ids are made of numbers, so that the parts can be filled without reading each other.
FILL = {
    "users": """
        INSERT INTO users (id, email, password_hash) SELECT n, n || '@bench.test', 'x' FROM generate_series(1, :n) n""",
    "bank_connections": """
        INSERT INTO bank_connections (id, user_id, connector_name, display_name, config_encrypted, config_key_id,
          refresh_interval, next_refresh_at, last_good_at)
        SELECT md5('c' || n)::uuid, n, 'bank' || n % 5, 'Bank', '\\x00', 'bench', INTERVAL '6 hours',
          now() - n * INTERVAL '6 hours' / :n, now() - INTERVAL '6 hours' FROM generate_series(1, :n) n""",
    "bank_connection_accounts": """
        INSERT INTO bank_connection_accounts (id, connection_id, user_id, external_id, name, currency, watermark_on,
          history_from_on, history_complete, id_class)
        SELECT n, md5('c' || n)::uuid, n, 'A', 'Checking', 'EUR', current_date, current_date - 730, TRUE, 'stable'
        FROM generate_series(1, :n) n""",
    "bank_transactions": """
        INSERT INTO bank_transactions (id, account_id, user_id, identity, external_id, content_key, fingerprint, state,
          effective_on, booking_on, amount, currency, description, raw, expense_state, first_decision, first_reason)
        SELECT t, t % :n + 1, t % :n + 1, int8send(t), t::text, int8send(t), int8send(t), 'posted',
          current_date - (t % 700)::int, current_date - (t % 700)::int, -1, 'EUR', 'Groceries ' || t,
          jsonb_build_object('id', t, 'text', repeat('x', 300)),
          'none', 'created', 'new_id' FROM generate_series(1, CAST(:n AS bigint) * 5) t""",
    "bank_import_runs": """
        INSERT INTO bank_import_runs (id, connection_id, user_id, kind, trigger, scheduled_for, status, code, attempt,
          queued_at, dispatched_at, dispatch_count, started_at, heartbeat_at, finished_at, worker_name, accounts_total,
          accounts_done, pages, fetched, unchanged, delivered, accounted)
        SELECT md5('r' || day || '/' || part || '/' || n)::uuid, md5('c' || n)::uuid, n, 'refresh', 'schedule', at,
          'succeeded', 'nothing_new', 1, at, at, 1, at, at, at + INTERVAL '2 seconds', 'scheduled@bench', 1, 1, 1, 12,
          12, 12, 12
        FROM generate_series(:days, 0, -1) day, generate_series(1, CASE day WHEN 0 THEN 4 ELSE 1 END) part,
          generate_series(1, :n) n,
          LATERAL (
            SELECT now() - day * INTERVAL '1 day' - part * INTERVAL '5 hours' - n * INTERVAL '5 hours' / :n) t(at)""",
    "bank_import_run_accounts": """
        INSERT INTO bank_import_run_accounts (run_id, account_id, status, code, pages, fetched, unchanged, delivered,
          accounted, balance_proof)
        SELECT md5('r0/' || part || '/' || n)::uuid, n, 'succeeded', 'nothing_new', 1, 12, 12, 12, 12,
          '{"result": "proven", "booked": "1204.50", "since_on": "2026-01-01", "rests_on": "2026-01-02"}'
        FROM generate_series(4, 1, -1) part, generate_series(1, :n) n""",
    "credential_audit": """
        INSERT INTO credential_audit (at, actor, action, table_name, row_id, user_id, key_id)
        SELECT now() - part * INTERVAL '5 hours', 'run:' || md5('r0/' || part || '/' || n)::uuid, 'opened',
          'bank_connections', md5('c' || n)::uuid, n, 'bench'
        FROM generate_series(4, 1, -1) part, generate_series(1, :n) n""",
}  # fmt: skip
_INDEXES = text(
    """
    SELECT i.relname, pg_get_indexdef(x.indexrelid) FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
    WHERE x.indrelid = CAST(:table AS regclass) AND NOT x.indisunique
    """
)


class NoConfig(BaseModel):
    """The bank needs no config."""


class BenchConnector(BankConnector):
    """A bank that answers at once with twelve rows, and with more where it was told so."""

    name: ClassVar[str] = "bench"
    display_name: ClassVar[str] = "Bench"
    Config: ClassVar[type[BaseModel]] = NoConfig
    capabilities: ClassVar[Capabilities] = Capabilities(id_class=IdClass.STABLE)

    def __init__(self, rows: int) -> None:
        super().__init__(NoConfig(), ConnectorContext(http=None, now=lambda: datetime.now(UTC)))  # type: ignore[arg-type]
        self.rows = rows

    def get_auth_status(self) -> AuthStatus:
        """Say that the login works."""
        return AuthStatus()

    def list_accounts(self) -> Sequence[Account]:
        """Return the one account."""
        return [Account(external_id="A", name="Checking", currency="EUR")]

    def get_transactions(self, account_id: str | None, from_date: date, to_date: date) -> Iterator[Page]:
        """Yield all rows, which are of yesterday, on one page."""
        assert from_date <= to_date
        today = datetime.now(UTC).date()
        yesterday = today - timedelta(days=1)
        rows = [
            Transaction(
                account_id=account_id or "A", amount=Decimal(-number), description=f"Shop {number}", currency="EUR",
                external_id=f"b{number}", booking_on=yesterday,
            )
            for number in range(1, self.rows + 1)
        ]  # fmt: skip
        yield Page(transactions=tuple(rows), covers=Window(from_on=yesterday, to_on=today))

    def normalize_transactions(self, raw: Sequence[Transaction]) -> Sequence[Transaction]:
        """Return what there is."""
        return raw


@dataclass(slots=True)
class Database:
    """A filled database, and what was measured in it (s per unit)."""

    engine: Engine
    sessions: Sessions
    connections: int
    filled_s: float
    figures: dict[str, list[float]] = field(default_factory=dict)
    rows_at_bank: int = 12
    planned: list[uuid.UUID] = field(default_factory=list)

    def note(self, name: str, took_s: float, units: int = 1) -> None:
        """Keep a figure."""
        self.figures.setdefault(name, []).append(took_s / units)


def fill(url: str, connections: int, days: int) -> Database:
    """Create and fill a database; indexes that are not unique are built afterwards."""
    engine = open_engine(url, role="bench")
    apply_schema(engine)
    began_s = time.monotonic()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("SET maintenance_work_mem = '512MB'"))
        for table, statement in FILL.items():
            indexes = connection.execute(_INDEXES, {"table": table}).all()
            for name, _ in indexes:
                connection.exec_driver_sql(f"DROP INDEX {name}")
            connection.execute(text(statement), {"n": connections, "days": days})
            for _, definition in indexes:
                connection.exec_driver_sql(definition)
        for table in ("users", "bank_connection_accounts", "bank_transactions"):
            connection.exec_driver_sql(
                f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))"
            )
        for table in FILL:
            connection.exec_driver_sql(f"VACUUM (ANALYZE, FREEZE) {table}")
    database = Database(engine, open_sessions(engine), connections, time.monotonic() - began_s)
    for _ in range(31 * 24 // HOURS_AT_ONCE + 1):
        with database.sessions() as session:
            write_ended_hours(session)
    return database


def refresh(database: Database, connection_id: uuid.UUID) -> float:
    """Refresh a connection as a worker does, and return how long it took from the claim to the end (s)."""
    with database.sessions() as session:
        run_id = request_run(session, RunRequest(connection_id=connection_id, kind=RunKind.REFRESH))
    context = ImportContext(
        sessions=database.sessions,
        statements=database.sessions,
        open_connector=lambda _id: BenchConnector(database.rows_at_bank),
        check=lambda: None,
        wait=time.sleep,
        now=lambda: datetime.now(UTC),
        clear_cache=lambda _user, _months: None,
    )
    began_s = time.perf_counter()
    with database.sessions() as session:
        claimed = claim(session, run_id, worker_name="bench", lease_s=600)
    assert claimed is not None
    outcome = run(claimed, context)
    assert outcome.status == "succeeded", outcome
    return time.perf_counter() - began_s


def plan_and_claim(database: Database) -> None:
    """Plan what has a place while every connection is due, and claim it; nothing of it stays."""
    with database.sessions() as session, session.begin_nested() as trial:
        began_s = time.perf_counter()
        planned = plan_due_connections(session, LIMITS)
        database.note("plan", time.perf_counter() - began_s, len(planned))
        began_s = time.perf_counter()
        for due in planned[:200]:
            assert claim(session, due.run_id, worker_name="bench", lease_s=60) is not None
        database.note("claim", time.perf_counter() - began_s, 200)
        trial.rollback()


def measure(databases: Sequence[Database], broker: "redis.Redis", rounds: int) -> None:
    """Measure in turns, so that what the machine does meanwhile concerns both."""
    kept: dict[int, KeptReadings[Metric]] = {id(database): KeptReadings() for database in databases}
    samples = [uuid.UUID(row) for row in _sample_ids()]
    for database in databases:
        for connection_id in samples:
            for _ in range(2):  # the first refresh has twelve new rows, the second nothing
                refresh(database, connection_id)
    for number in range(rounds + 1):
        for database in databases:
            one_round(database, samples, broker, kept[id(database)], is_warm=number > 0)
    for database in databases:
        thin(database)


def one_round(
    database: Database,
    samples: Sequence[uuid.UUID],
    broker: "redis.Redis",
    kept: KeptReadings[Metric],
    *,
    is_warm: bool,
) -> None:
    """Measure everything once in one database; the first round only warms up."""
    plan_and_claim(database)
    quiet_s = [refresh(database, connection_id) for connection_id in samples]
    database.rows_at_bank += 3
    news_s = [refresh(database, connection_id) for connection_id in samples]
    for connection_id in samples:
        refresh(database, connection_id)
    began_s = time.perf_counter()
    exposition(database.sessions, broker, kept=kept)
    scrape_s = time.perf_counter() - began_s
    last_day_s = read_last_day(database)
    if is_warm:
        database.note("last_day", last_day_s)
        database.note("quiet_refresh", statistics.median(quiet_s))
        database.note("refresh_with_3_new_rows", statistics.median(news_s))
        database.note("scrape", scrape_s)
    else:
        database.figures.clear()
        database.note("first_scrape", scrape_s)


def read_last_day(database: Database) -> float:
    """Read what metrics and status say of the last day, and return how long it took (s)."""
    began_s = time.perf_counter()
    with database.sessions() as session:
        for statement in screen_statements(uuid.UUID(_sample_ids()[0])):
            if statement.name.endswith("_last_day"):
                session.execute(text(statement.sql)).all()
    return time.perf_counter() - began_s


def thin(database: Database) -> None:
    """Let a day pass for 3,000 connections, and thin what they left."""
    with database.engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE bank_import_runs SET finished_at = finished_at - INTERVAL '1 day',"
                " queued_at = queued_at - INTERVAL '1 day'"
                " WHERE finished_at > now() - INTERVAL '1 day' AND user_id BETWEEN 1001 AND 4000"
            )
        )
    began_s = time.perf_counter()
    policy = RetentionPolicy(run_days=90, audit_days=180)
    removed = remove_old_rows(database.sessions, policy, RemovalPace(wait=lambda _s: None))
    database.note("thinning", time.perf_counter() - began_s, max(1, sum(removed.values())))
    print(f"{database.connections}: removed {removed}", file=sys.stderr)


def _sample_ids() -> list[str]:
    return [hashlib.md5(f"c{n}".encode()).hexdigest() for n in range(1, REFRESHED + 1)]


def report(small: Database, large: Database) -> dict[str, object]:
    """Return the medians in milliseconds and the ratio of the large database to the small one."""
    lines: dict[str, object] = {
        "connections": [small.connections, large.connections],
        "filled_s": [round(small.filled_s), round(large.filled_s)],
    }
    for name, values in large.figures.items():
        before, after = statistics.median(small.figures[name]), statistics.median(values)
        lines[name] = {
            "small_ms": round(before * 1000, 3), "large_ms": round(after * 1000, 3),
            "ratio": round(after / before, 2), "bar": BARS.get(name),
        }  # fmt: skip
    return lines


def main() -> None:
    """Fill, measure, print and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=1_000_000)
    parser.add_argument("--small", type=int, default=10_000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with servers() as local:
        databases = [
            fill(local.postgres.ensure_database(name), connections, options.days)
            for name, connections in (("small", options.small), ("large", options.connections))
        ]
        with redis.Redis.from_url(local.redis_url) as broker:
            measure(databases, broker, options.rounds)
        result = report(*databases)
        with databases[-1].sessions() as session:
            result["sequential_scans"] = scans_of_runs(session, uuid.UUID(_sample_ids()[0]))
            result["runs"] = session.scalar(text("SELECT count(*) FROM bank_import_runs"))
        for database in databases:
            database.engine.dispose()
    print_and_keep("scale", result)


if __name__ == "__main__":
    main()

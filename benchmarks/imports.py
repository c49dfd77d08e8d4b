"""Imports against their floor: a bare COPY of the same rows into the same two tables, in the same run.

`make bench` runs it. Ratios are rows per second of the worker over rows per second of the floor; a figure of 0.5
means the whole task takes twice as long as COPY alone. Each figure is the median of `--rounds` rounds, interleaved.
"""

import argparse
import io
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
from sqlalchemy import Engine, text

from worker.connectors.base import ConnectorContext
from worker.connectors.mock import MockConnector
from worker.db.engine import open_engine, open_sessions
from worker.events import API_VERSION
from worker.importer.context import ImportContext
from worker.importer.engine import run
from worker.local.postgres import EmbeddedPostgres
from worker.net.http import open_client
from worker.runs.lease import claim
from worker.runs.request import request_run
from worker.runs.states import RunKind, RunRequest, RunStatus
from worker.schema.apply import apply_schema

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
TABLES = ("expenses", "bank_transactions")


class Bench:
    """One database, one user, and a mock bank with so many rows."""

    def __init__(self, engine: Engine, rows: int) -> None:
        self.engine = engine
        self.sessions = open_sessions(engine)
        self.rows = rows
        apply_schema(engine)
        with self.sessions() as session:
            self.user_id = session.execute(
                text("INSERT INTO users (email, password_hash) VALUES (:email, 'x') RETURNING id"),
                {"email": f"{uuid.uuid4()}@bench.test"},
            ).scalar_one()

    def connect(self) -> uuid.UUID:
        """Add a connection to a bank that was never imported."""
        connection_id = uuid.uuid4()
        with self.sessions() as session:
            session.execute(
                text(
                    "INSERT INTO bank_connections (id, user_id, connector_name, display_name, config_encrypted,"
                    " config_key_id) VALUES (:id, :user_id, 'mock', 'bench', '', 'bench')"
                ),
                {"id": connection_id, "user_id": self.user_id},
            )
        return connection_id

    def refresh(self, connection_id: uuid.UUID) -> int:
        """Do one whole run and return how many rows it fetched."""
        with self.sessions() as session:
            run_id = request_run(session, RunRequest(connection_id=connection_id, kind=RunKind.IMPORT))
        with self.sessions() as session:
            claimed = claim(session, run_id, worker_name="bench", lease_s=600)
        assert claimed is not None
        with open_client() as http:
            outcome = run(claimed, self._parts(http))
        assert outcome.status == RunStatus.SUCCEEDED, outcome
        return outcome.counts.fetched

    def _parts(self, http: httpx2.Client) -> ImportContext:
        config = MockConnector.Config.model_validate({"mode": "large", "rows": self.rows, "accounts": 1})
        context = ConnectorContext(http=http, now=lambda: NOW)
        return ImportContext(
            sessions=self.sessions,
            statements=self.sessions,
            open_connector=lambda _connection_id: MockConnector(config, context),
            check=lambda: None,
            wait=time.sleep,
            now=lambda: NOW,
            clear_cache=lambda _user_id, _months: None,
        )

    def take_out(self, connection_id: uuid.UUID) -> dict[str, io.BytesIO]:
        """COPY the rows of a connection out, to be copied in again as the floor."""
        where = {
            "expenses": "SELECT e.* FROM expenses e JOIN bank_transactions t ON t.expense_id = e.id",
            "bank_transactions": "SELECT t.* FROM bank_transactions t",
        }
        copies = {}
        with self.engine.begin() as connection, closing(connection.connection.cursor()) as cursor:
            for table in TABLES:
                copies[table] = io.BytesIO()
                join = "JOIN bank_connection_accounts a ON a.id = t.account_id"
                cursor.copy_expert(
                    f"COPY ({where[table]} {join} WHERE a.connection_id = '{connection_id}') TO STDOUT",
                    copies[table],
                )
        return copies

    def copy_in(self, copies: dict[str, io.BytesIO]) -> None:
        """The floor: the same rows into the same two tables, and nothing else."""
        with self.engine.begin() as connection, closing(connection.connection.cursor()) as cursor:
            for table in TABLES:
                copies[table].seek(0)
                cursor.copy_expert(f"COPY {table} FROM STDIN", copies[table])

    def empty(self) -> None:
        """Forget all rows, so that every round starts alike."""
        with self.engine.begin() as connection:
            connection.execute(text("TRUNCATE expenses, bank_connections, webhook_events CASCADE"))
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))

    def empty_tables(self) -> None:
        """Forget rows but keep the account, for the floor."""
        with self.engine.begin() as connection:
            connection.execute(text("TRUNCATE expenses, bank_transactions CASCADE"))
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))

    def subscribe(self) -> None:
        """Let the user want every event."""
        with self.sessions() as session:
            session.execute(
                text(
                    "INSERT INTO webhook_subscriptions (id, user_id, url, event_types, api_version, secret_encrypted,"
                    " secret_key_id) VALUES"
                    " (gen_random_uuid(), :user_id, 'https://bench.test', '{*}', :version, '', 'b')"
                ),
                {"user_id": self.user_id, "version": API_VERSION},
            )


def timed(action: Callable[[], Any]) -> float:
    """Return the seconds an action takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def one_round(bench: Bench) -> dict[str, float]:
    """Measure first import, refresh and floor once."""
    bench.empty()
    connection_id = bench.connect()
    seconds = {"first_import_s": timed(lambda: bench.refresh(connection_id))}
    copies = bench.take_out(connection_id)
    seconds["refresh_s"] = timed(lambda: bench.refresh(connection_id))
    bench.empty_tables()
    seconds["floor_s"] = timed(lambda: bench.copy_in(copies))
    return seconds


@contextmanager
def database() -> Iterator[Engine]:
    """A real Postgres: DATABASE_URL, or an embedded one."""
    given = os.environ.get("DATABASE_URL")
    if given:
        engine = open_engine(given, role="bench")
        yield engine
        engine.dispose()
        return
    with tempfile.TemporaryDirectory(prefix="finmind-bench-", ignore_cleanup_errors=True) as directory:
        Path(directory).chmod(0o755)
        server = EmbeddedPostgres(Path(directory) / "postgres")
        engine = open_engine(server.url, role="bench")
        try:
            yield engine
        finally:
            engine.dispose()
            server.stop()


def measure(rows: int, rounds: int, *, events: bool) -> dict[str, Any]:
    """Return the medians and ratios of so many rounds."""
    with database() as engine:
        bench = Bench(engine, rows)
        if events:
            bench.subscribe()
        measured = [one_round(bench) for _ in range(rounds)]
    ratios = {
        "first_import": statistics.median(m["floor_s"] / m["first_import_s"] for m in measured),
        "refresh_nothing_new": statistics.median(m["floor_s"] / m["refresh_s"] for m in measured),
    }
    medians = {name: statistics.median(m[name] for m in measured) for name in measured[0]}
    return {"rows": rows, "rounds": rounds, "events": events, "ratio_to_floor": ratios, "median_s": medians}


def measure_memory(rows: int) -> dict[str, Any]:
    """Import so many rows in a process of its own; return its peak memory and seconds per row."""
    with database() as engine:
        bench = Bench(engine, rows)
        connection_id = bench.connect()
        seconds = timed(lambda: bench.refresh(connection_id))
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"rows": rows, "seconds": seconds, "us_per_row": seconds / rows * 1e6, "peak_mib": peak_mib}


def measure_million(rounds: int) -> dict[str, Any]:
    """Return what a row of a million costs beside a row of 100,000, the small ones before and after the large one."""
    runs, ratios = [], []
    for _ in range(rounds):
        before, million, after = (json.loads(_own_process(rows)) for rows in (100_000, 1_000_000, 100_000))
        runs += [before, million, after]
        ratios.append(2 * million["us_per_row"] / (before["us_per_row"] + after["us_per_row"]))
    return {
        "runs": runs,
        "cost_per_row_1m_over_100k": statistics.median(ratios),
        "peak_mib": max(run["peak_mib"] for run in runs),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--events", action="store_true", help="with one subscriber who wants every event")
    parser.add_argument("--memory", action="store_true", help="one import, peak memory of the process")
    parser.add_argument("--million", action="store_true", help="memory and cost per row at 100,000 and 1,000,000 rows")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/imports.json"))
    args = parser.parse_args()
    if args.memory:
        print(json.dumps(measure_memory(args.rows)))
        return
    result = measure_million(args.rounds) if args.million else measure(args.rows, args.rounds, events=args.events)
    result["machine"] = {"cores": os.cpu_count(), "python": platform.python_version()}
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


def _own_process(rows: int) -> str:
    command = [sys.executable, "-m", "benchmarks.imports", "--memory", "--rows", str(rows)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]


if __name__ == "__main__":
    main()

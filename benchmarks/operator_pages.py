"""What an operator's page costs beside a million runs: each page through the API's process, beside an empty answer.

python -m benchmarks.operator_pages [--runs 1000000] [--connections 20000] [--rounds 7]
"""

import argparse
import base64
import json
import os
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from fastapi.testclient import TestClient
from sqlalchemy import text

from benchmarks.results import keep
from worker.api.app import create_app
from worker.credentials import generate_key
from worker.db.engine import Sessions, open_engine, open_sessions
from worker.local.postgres import EmbeddedPostgres
from worker.local.redis import EmbeddedRedis
from worker.runs.activity import write_ended_hours
from worker.runtime import open_runtime
from worker.schema import apply_schema
from worker.settings import Settings

_FILL = """
    INSERT INTO users (email, password_hash) SELECT i || '@bench.test', 'x' FROM generate_series(1, 1000) i;
    INSERT INTO bank_connections (id, user_id, connector_name, display_name, institution_name, config_encrypted,
      config_key_id, next_refresh_at, last_good_at, consecutive_failures)
    SELECT gen_random_uuid(), 1 + i % 1000, (ARRAY['plaid', 'gocardless', 'simplefin'])[1 + i % 3], 'Bank ' || i % 200,
      'Institution ' || i % 200, 'x', 'bench', now() + i * INTERVAL '1 second', now() - INTERVAL '1 hour',
      CASE WHEN i % 97 = 0 THEN 2 ELSE 0 END
    FROM generate_series(1, :connections) i;
    CREATE TEMPORARY TABLE numbered AS SELECT id, user_id, row_number() OVER () - 1 AS n FROM bank_connections;
    CREATE INDEX ON numbered (n);
    INSERT INTO bank_import_runs (id, connection_id, user_id, kind, trigger, status, code, message, attempt, queued_at,
      started_at, finished_at, fetched, unchanged, created, dispatched_at, dispatch_count)
    SELECT gen_random_uuid(), c.id, c.user_id, 'refresh', 'schedule',
      CASE WHEN i % 500 = 0 THEN 'failed' ELSE 'succeeded' END,
      CASE WHEN i % 500 = 0 THEN 'timeout' WHEN i % 10 = 0 THEN 'ok' ELSE 'nothing_new' END,
      CASE WHEN i % 500 = 0 THEN 'the bank did not answer' END, 1, at, at, at + INTERVAL '1 second', 20, 20,
      CASE WHEN i % 10 = 0 THEN 2 ELSE 0 END, at, 1
    FROM generate_series(1, :runs) i JOIN numbered c ON c.n = i % :connections
    CROSS JOIN LATERAL (SELECT now() - (i / CAST(:runs AS float)) * INTERVAL '30 days' AS at) moment
    ORDER BY i DESC;
"""


def pages(sessions: Sessions) -> Mapping[str, str]:
    """Return what is measured: a name, and the address of a page."""
    with sessions() as session:
        run_id = session.scalar(text("SELECT id FROM bank_import_runs WHERE status = 'failed' LIMIT 1"))
        connection_id = session.scalar(text("SELECT id FROM bank_connections LIMIT 1"))
    return {
        "empty answer": "/health",
        "overview, a day": "/ops",
        "overview, an hour": "/ops?span=hour",
        "overview, a month": "/ops?span=month",
        "runs of a day": "/ops/runs",
        "failed runs, ever": "/ops/runs?status=failed&range=all",
        "a code, ever": "/ops/runs?code=timeout&range=all",
        "words of an error, a day": "/ops/runs?q=did+not+answer",
        "a bank, a week": "/ops/runs?institution=Institution+7&range=week",
        "longest runs of a day": "/ops/runs?sort=longest",
        "the beginning of an id": f"/ops/runs?q={str(run_id)[:8]}",
        "one run": f"/ops/runs/{run_id}",
        "connections": "/ops/connections",
        "connections in trouble": "/ops/connections?view=trouble",
        "one connection": f"/ops/connections/{connection_id}",
        "deliveries": "/ops/deliveries",
        "work": "/ops/work",
        "metrics": "/metrics",
    }


def measure(client: TestClient, address: str, rounds: int) -> float:
    """Return the median time of an answer in milliseconds."""
    times_ms = []
    for _ in range(rounds):
        started_s = time.perf_counter()
        answer = client.get(address)
        times_ms.append(1000 * (time.perf_counter() - started_s))
        answer.raise_for_status()
    return round(statistics.median(times_ms), 1)


def main() -> None:
    """Fill a database, measure every page, print and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--connections", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="finmind-bench-") as folder:
        Path(folder).chmod(0o755)
        postgres, redis = EmbeddedPostgres(Path(folder) / "postgres"), EmbeddedRedis(Path(folder) / "redis")
        try:
            figures = _run(postgres.url, redis.url, options)
        finally:
            redis.stop()
            postgres.stop()
    keep("operator_pages", figures)
    print(json.dumps(figures, indent=2))


def _run(database_url: str, redis_url: str, options: argparse.Namespace) -> dict[str, object]:
    engine = open_engine(database_url, role="bench")
    apply_schema(engine)
    with engine.begin() as connection:
        for statement in _FILL.split(";\n"):
            if statement.strip():
                connection.execute(text(statement), {"runs": options.runs, "connections": options.connections})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    sessions = open_sessions(engine)
    written = 1
    while written:
        with sessions() as session:
            written = write_ended_hours(session)
    settings = Settings(
        database_url=database_url,
        redis_url=redis_url,
        credential_keys=generate_key(),
        jwt_secret=base64.b64encode(os.urandom(32)).decode(),
        ops_basic_auth="ops:wonderful",
    )
    with TestClient(create_app(open_runtime(settings, role="bench"))) as client:
        client.auth = ("ops", "wonderful")
        return {
            "runs": options.runs,
            "connections": options.connections,
            "median_ms": {name: measure(client, address, options.rounds) for name, address in pages(sessions).items()},
        }


if __name__ == "__main__":
    main()

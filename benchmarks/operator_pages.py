"""What size costs the pages of `/ops`, the metrics and the lists of the API, beside the same in a small database.

    python -m benchmarks.operator_pages [--runs 1000000] [--small 10000] [--rounds 5]

Two databases are filled, each with ten runs, three rows and two and a half deliveries for every connection. Every page
is asked for through the whole application, and should be there within 200 ms.
"""

import argparse
import base64
import os
import statistics
import time
from collections.abc import Mapping

import jwt
from fastapi.testclient import TestClient
from sqlalchemy import text

from benchmarks.results import print_and_keep
from benchmarks.servers import servers
from worker.api.app import create_app
from worker.credentials import generate_key
from worker.db.engine import Sessions, open_engine, open_sessions
from worker.runs.activity import write_ended_hours
from worker.runtime import open_runtime
from worker.schema.apply import apply_schema
from worker.settings import Settings

LIMIT_MS = 200
_USER = 7
_FILL = """
    INSERT INTO users (id, email, password_hash)
    SELECT n, n || '@bench.test', 'x' FROM generate_series(1, CAST(:connections AS int) / 10) n;
    INSERT INTO bank_connections (id, user_id, connector_name, display_name, institution_name, config_encrypted,
      config_key_id, next_refresh_at, last_good_at, consecutive_failures, created_at)
    SELECT md5('c' || n)::uuid, 1 + n % (CAST(:connections AS int) / 10),
      (ARRAY['plaid', 'gocardless', 'simplefin'])[1 + n % 3], 'Bank ' || n % 2000, 'Institution ' || n % 2000, 'x',
      'bench', now() + n * INTERVAL '1 second', now() - INTERVAL '1 hour', CASE WHEN n % 97 = 0 THEN 2 ELSE 0 END,
      now() - INTERVAL '1 year' + n * INTERVAL '10 seconds'
    FROM generate_series(0, :connections - 1) n;
    INSERT INTO bank_accounts (id, user_id, name, currency)
    SELECT n + 1, 1 + n % (CAST(:connections AS int) / 10), 'Checking', 'EUR'
    FROM generate_series(0, :connections - 1) n;
    INSERT INTO bank_connection_accounts (id, connection_id, user_id, external_id, name, currency, watermark_on,
      history_from_on, history_complete, id_class, bank_account_id)
    SELECT n + 1, md5('c' || n)::uuid, 1 + n % (CAST(:connections AS int) / 10), 'A', 'Checking', 'EUR', current_date,
      current_date - 730, TRUE, 'stable', n + 1
    FROM generate_series(0, :connections - 1) n;
    INSERT INTO bank_import_runs (id, connection_id, user_id, kind, trigger, status, code, message, attempt, queued_at,
      started_at, finished_at, fetched, unchanged, created, dispatched_at, dispatch_count, accounts_total,
      accounts_done)
    SELECT md5('r' || n)::uuid, md5('c' || n % :connections)::uuid,
      1 + n % :connections % (CAST(:connections AS int) / 10), 'refresh', 'schedule',
      CASE WHEN n % 500 = 0 THEN 'failed' ELSE 'succeeded' END,
      CASE WHEN n % 500 = 0 THEN 'timeout' WHEN n % 10 = 0 THEN 'ok' ELSE 'nothing_new' END,
      CASE WHEN n % 500 = 0 THEN 'the bank did not answer' END, 1, at, at, at + INTERVAL '1 second', 20, 20,
      CASE WHEN n % 10 = 0 THEN 2 ELSE 0 END, at, 1, 1, 1
    FROM generate_series(CAST(:runs AS bigint) - 1, 0, -1) n
    CROSS JOIN LATERAL (SELECT now() - (n / CAST(:runs AS float)) * INTERVAL '30 days' AS at) moment;
    INSERT INTO bank_import_run_accounts (run_id, account_id, status, code, pages, fetched, unchanged)
    SELECT md5('r' || n)::uuid, 1 + n % :connections, 'succeeded', 'nothing_new', 1, 20, 20
    FROM generate_series(CAST(:runs AS bigint) / 10, 0, -1) n;
    INSERT INTO bank_transactions (id, account_id, user_id, identity, external_id, content_key, fingerprint, state,
      effective_on, booking_on, amount, currency, description, expense_state, first_decision, first_reason,
      first_run_id)
    SELECT n + 1, 1 + n % :connections, 1 + n % :connections % (CAST(:connections AS int) / 10), int8send(n), n::text,
      int8send(n), int8send(n), 'posted', current_date - (n % 700)::int, current_date - (n % 700)::int, -1, 'EUR',
      'Groceries ' || n, 'none', 'created', 'new_id', md5('r' || n % :connections / 10 * 10)::uuid
    FROM generate_series(0, CAST(:connections AS bigint) * 3 - 1) n;
    INSERT INTO bank_import_rejections (run_id, connection_id, account_id, identity, code, message, raw, resolved_at)
    SELECT md5('r' || n)::uuid, md5('c' || n)::uuid, n + 1, int8send(n), 'bad_amount', 'no number', '{}',
      CASE WHEN n % 40 = 0 THEN NULL ELSE now() END
    FROM generate_series(CAST(0 AS bigint), :connections - 1, 4) n;
    INSERT INTO bank_match_suggestions (user_id, kind, transaction_id, run_id, reason, status, decided_at)
    SELECT 1 + n % :connections % (CAST(:connections AS int) / 10), 'category', n + 1, md5('r' || n)::uuid, 'likely',
      CASE WHEN n % 40 = 0 THEN 'open' ELSE 'declined' END, CASE WHEN n % 40 = 0 THEN NULL ELSE now() END
    FROM generate_series(CAST(0 AS bigint), :connections - 1, 4) n;
    INSERT INTO webhook_subscriptions (id, user_id, url, event_types, api_version, secret_encrypted, secret_key_id,
      consecutive_failures)
    SELECT md5('s' || n)::uuid, 1 + n, 'https://receiver.test/' || n, '{import.completed}', '2026-01-01', 'x', 'bench',
      CASE WHEN n % 97 = 0 THEN 3 ELSE 0 END
    FROM generate_series(0, CAST(:connections AS int) / 10 - 1) n;
    INSERT INTO webhook_events (id, user_id, type, api_version, data, occurred_at, fanned_out_at)
    SELECT md5('e' || n)::uuid, 1 + n % (CAST(:connections AS int) / 10), 'import.completed', '2026-01-01', '{}',
      now(), now() FROM generate_series(0, :runs / 4 - 1) n;
    INSERT INTO webhook_deliveries (event_id, subscription_id, state, attempt, next_attempt_at, finished_at)
    SELECT md5('e' || n)::uuid, md5('s' || n % (CAST(:connections AS int) / 10))::uuid, state, 1,
      CASE state WHEN 'pending' THEN now() END, CASE state WHEN 'pending' THEN NULL ELSE now() END
    FROM generate_series(0, :runs / 4 - 1) n CROSS JOIN LATERAL (
      SELECT CASE WHEN n % 100 = 0 THEN 'dead' WHEN n % 97 = 0 THEN 'pending' ELSE 'delivered' END AS state) one;
    INSERT INTO institution_weather (connector_name, institution, connections, users, fresh, answered, last_good_at)
    SELECT (ARRAY['plaid', 'gocardless', 'simplefin'])[1 + n % 3], 'Institution ' || n, 50, 50, 50, 50, now()
    FROM generate_series(0, 1999) n;
    INSERT INTO institution_days (connector_name, institution, day_on, runs, good)
    SELECT connector_name, institution, current_date - day, 50, 49
    FROM institution_weather, generate_series(0, 13) day
"""


def operator_pages(sessions: Sessions) -> Mapping[str, str]:
    """Return what is measured: a name, and the address of a page."""
    with sessions() as session:
        run_id = session.scalar(text("SELECT id FROM bank_import_runs WHERE status = 'failed' LIMIT 1"))
        full_run_id = session.scalar(text("SELECT first_run_id FROM bank_transactions LIMIT 1"))
        connection_id = session.scalar(text("SELECT id FROM bank_connections LIMIT 1"))
    return {
        "empty answer": "/health",
        "overview, a day": "/ops",
        "overview, an hour": "/ops?span=hour",
        "overview, a month": "/ops?span=month",
        "runs of a day": "/ops/runs",
        "failed runs, ever": "/ops/runs?status=failed&range=all",
        "runs that wait, ever": "/ops/runs?status=queued&range=all",
        "a kind nobody asked for, ever": "/ops/runs?kind=revert&range=all",
        "dry runs, ever": "/ops/runs?dry=dry&range=all",
        "a code, ever": "/ops/runs?code=timeout&range=all",
        "words of an error, a day": "/ops/runs?q=did+not+answer",
        "words of an error, ever": "/ops/runs?q=did+not+answer&range=all",
        "words that nothing has, ever": "/ops/runs?q=no+such+words&range=all",
        "a user's runs, ever": "/ops/runs?user=7&range=all",
        "a connector's runs, a week": "/ops/runs?connector=plaid&range=week",
        "a bank, a week": "/ops/runs?institution=Institution+7&range=week",
        "a bank, ever": "/ops/runs?institution=Institution+777&range=all",
        "longest runs of a day": "/ops/runs?sort=longest",
        "longest runs of a month": "/ops/runs?sort=longest&range=month",
        "longest runs, ever": "/ops/runs?sort=longest&range=all",
        "most changed, a month": "/ops/runs?sort=most_changed&range=month",
        "most changed, ever": "/ops/runs?sort=most_changed&range=all",
        "oldest runs, ever": "/ops/runs?sort=oldest&range=all",
        "the beginning of an id": f"/ops/runs?q={str(run_id)[:8]}",
        "one run": f"/ops/runs/{run_id}",
        "one run with rows": f"/ops/runs/{full_run_id}",
        "connections": "/ops/connections",
        "connections by words": "/ops/connections?q=Bank+1999",
        "connections by words that none has": "/ops/connections?q=nothing+such",
        "connections of a bank": "/ops/connections?institution=Institution+777",
        "connections in trouble": "/ops/connections?view=trouble",
        "connections with questions": "/ops/connections?view=questions",
        "connections with rejected rows": "/ops/connections?view=rejections",
        "paused connections": "/ops/connections?status=paused",
        "one connection": f"/ops/connections/{connection_id}",
        "one account": "/ops/accounts/7",
        "one row": "/ops/transactions/7",
        "banks": "/ops/institutions",
        "one bank, an hour": "/ops/institutions/one?connector=plaid&name=Institution+777&span=hour",
        "one bank, a day": "/ops/institutions/one?connector=plaid&name=Institution+777",
        "one bank, a month": "/ops/institutions/one?connector=plaid&name=Institution+777&span=month",
        "a connector, an hour": "/ops/institutions/one?connector=plaid&span=hour",
        "a connector, a day": "/ops/institutions/one?connector=plaid",
        "a connector, a month": "/ops/institutions/one?connector=plaid&span=month",
        "deliveries": "/ops/deliveries",
        "work": "/ops/work",
        "metrics": "/metrics",
    }


def person_lists(sessions: Sessions) -> Mapping[str, str]:
    """Return the lists of the API that are measured as one user: a name, and the path."""
    with sessions() as session:
        found = {"user": _USER}
        connection_id = session.scalar(text("SELECT id FROM bank_connections WHERE user_id = :user LIMIT 1"), found)
        run_id = session.scalar(text("SELECT id FROM bank_import_runs WHERE user_id = :user LIMIT 1"), found)
    return {
        path: f"/bank-connections{path.format(connection=connection_id, run=run_id)}"
        for path in (
            "/connections", "/connections/{connection}", "/connections/{connection}/accounts",
            "/connections/{connection}/import-runs", "/accounts", "/import-runs", "/import-runs?status=failed",
            "/import-runs/{run}", "/import-runs/{run}/decisions", "/import-runs/{run}/rejections", "/suggestions",
            "/webhooks", "/webhooks/deliveries", "/webhooks/deliveries?state=dead", "/connectors", "/institutions",
            "/preferences",
        )
    }  # fmt: skip


def measure(client: TestClient, addresses: Mapping[str, str], rounds: int) -> dict[str, float]:
    """Return the median time of each answer in milliseconds; the first answer only warms up."""
    found = {}
    for name, address in addresses.items():
        times_ms = []
        for _ in range(rounds + 1):
            started_s = time.perf_counter()
            answer = client.get(address)
            times_ms.append(1000 * (time.perf_counter() - started_s))
            assert answer.is_success, (address, answer.status_code, answer.text[:300])
        found[name] = statistics.median(times_ms[1:])
    return found


def fill(url: str, runs: int, connections: int) -> Sessions:
    """Create the tables and fill them. Ids are made of numbers, so that the parts need not read each other."""
    engine = open_engine(url, role="bench")
    apply_schema(engine)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = 0"))
        for statement in _FILL.split(";\n"):
            connection.execute(text(statement), {"runs": runs, "connections": connections})
        connection.execute(text("VACUUM (ANALYZE, FREEZE)"))
    sessions = open_sessions(engine)
    written = 1
    while written:
        with sessions() as session:
            written = write_ended_hours(session)
    return sessions


def measure_all(sessions: Sessions, database_url: str, redis_url: str, rounds: int) -> dict[str, float]:
    """Return the times of all pages and lists of one database."""
    secret = base64.b64encode(os.urandom(48)).decode()
    settings = Settings(
        database_url=database_url,
        redis_url=redis_url,
        credential_keys=generate_key(),
        jwt_secret=secret,
        ops_basic_auth="ops:wonderful",
    )
    until = int(time.time()) + 3600
    token = jwt.encode({"sub": str(_USER), "type": "access", "exp": until}, secret, algorithm="HS256")
    with TestClient(create_app(open_runtime(settings, role="bench"))) as client:
        of_person = TestClient(client.app, headers={"Authorization": f"Bearer {token}"})
        client.auth = ("ops", "wonderful")
        return measure(client, operator_pages(sessions), rounds) | measure(of_person, person_lists(sessions), rounds)


def main() -> None:
    """Fill two databases, measure every page in both, print and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--small", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    times = []
    with servers() as local:
        for name, runs in (("small", options.small), ("large", options.runs)):
            url = local.postgres.ensure_database(name)
            times.append(measure_all(fill(url, runs, runs // 10), url, local.redis_url, options.rounds))
    small, large = times
    pages = {
        name: {"small_ms": round(small[name], 1), "ms": round(ms, 1), "ratio": round(ms / small[name], 2)}
        for name, ms in large.items()
    }
    slow = [name for name, ms in large.items() if ms > LIMIT_MS]
    print_and_keep(
        "operator_pages", {"runs": [options.small, options.runs], "slower_than_200_ms": slow, "pages": pages}
    )


if __name__ == "__main__":
    main()

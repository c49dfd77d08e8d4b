"""A simulated year of many connections: how large every table is after each month.

    python -m benchmarks.year [--connections 200] [--days 365]

Postgres' `now()` is replaced by a clock of the database, which goes from day to day; rows are written as a day of the
worker leaves them, and then the real maintenance runs at that day's end. Every third connection has one new row a day.
Transactions and expenses grow with what people spend, and so do the runs that brought them, for they can be taken back.
"""

import argparse
import sys
from collections.abc import Mapping

from sqlalchemy import Engine, text

from benchmarks.results import print_and_keep
from benchmarks.servers import servers
from worker.db.engine import Sessions, open_engine, open_sessions
from worker.runs.retention.old_rows import RetentionPolicy, remove_old_rows
from worker.runs.retention.pace import RemovalPace
from worker.schema.apply import apply_schema
from worker.webhooks.retention import prune

POLICY = RetentionPolicy(run_days=90, audit_days=180)
EVENT_DAYS = 30
MONTH_DAYS = 30
_CLOCK = """
    CREATE SCHEMA simulated;
    CREATE TABLE simulated.clock (at timestamptz NOT NULL);
    INSERT INTO simulated.clock SELECT pg_catalog.now() - make_interval(days => :days);
    CREATE FUNCTION simulated.now() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT at FROM simulated.clock';
    DO $$ DECLARE function regprocedure; BEGIN
      EXECUTE format('ALTER DATABASE %I SET search_path = simulated, pg_catalog, public', current_database());
      FOR function IN SELECT oid FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND proconfig IS NOT NULL LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = simulated, pg_catalog, public', function);
      END LOOP;
    END $$
"""
_PEOPLE = (
    """INSERT INTO users (id, email, password_hash)
      SELECT n, n || '@bench.test', 'x' FROM generate_series(1, :n) n""",
    """INSERT INTO bank_connections (id, user_id, connector_name, display_name, status, last_good_run_id)
      SELECT finmind_uuid7(), n, 'bank' || n % 5, 'Bank', 'disconnected', finmind_uuid7()
      FROM generate_series(1, :n) n""",
    """INSERT INTO bank_connection_accounts (id, connection_id, user_id, external_id, name, currency)
      SELECT user_id, id, user_id, 'A', 'Checking', 'EUR' FROM bank_connections""",
    """INSERT INTO webhook_subscriptions (id, user_id, url, event_types, api_version, secret_encrypted, secret_key_id)
      SELECT finmind_uuid7(), id, 'https://receiver.test', '{*}', '2026-11', '\\x00', 'bench' FROM users""",
)
# `quiet` runs and one with a new row, their parts, the opening of the credentials, and what the connection points at.
_RUNS = """
    WITH runs AS (
      INSERT INTO bank_import_runs (id, connection_id, user_id, kind, trigger, scheduled_for, status, code, attempt,
        queued_at, dispatched_at, dispatch_count, started_at, heartbeat_at, finished_at, worker_name, accounts_total,
        accounts_done, pages, fetched, created, unchanged, delivered, accounted, claimed_at, requests)
      SELECT finmind_uuid7(), c.id, c.user_id, 'refresh', 'schedule', at, 'succeeded',
        CASE news WHEN 1 THEN 'ok' ELSE 'nothing_new' END, 1, at, at, 1, at, at, at + INTERVAL '2 seconds',
        'scheduled@bench', 1, 1, 1, 12, news, 12 - news, 12, 12, at,
        '{"asked": 2, "kept": [[3, "GET", "accounts", "200", 321, 2345, 0, 1], [330, "GET", "transactions", "200", 654,
          34567, 0, 1]]}'
      FROM generate_series(1, 4) part CROSS JOIN bank_connections c,
        LATERAL (SELECT now() - INTERVAL '22 hours' + part * INTERVAL '5 hours'
                          + (c.user_id % 3600) * INTERVAL '1 second' AS at,
                        CASE WHEN part = 2 AND c.user_id % 3 = 0 THEN 1 ELSE 0 END AS news) t
      RETURNING id, connection_id, user_id, created, finished_at
    ), parts AS (
      INSERT INTO bank_import_run_accounts (run_id, account_id, from_on, to_on, status, code, pages, fetched, created,
        unchanged, delivered, accounted, balance_proof, finished_at)
      SELECT id, user_id, finished_at - INTERVAL '45 days', finished_at, 'succeeded',
        CASE created WHEN 1 THEN 'ok' ELSE 'nothing_new' END, 1, 12, created, 12 - created, 12, 12,
        '{"result": "proven", "booked": "1204.50", "since_on": "2026-01-01", "rests_on": "2026-01-02"}', finished_at
      FROM runs ORDER BY finished_at
    ), opened AS (
      INSERT INTO credential_audit (at, actor, action, table_name, row_id, user_id, key_id)
      SELECT finished_at, 'run:' || id, 'opened', 'bank_connections', connection_id, user_id, 'bench' FROM runs
    ), spent AS (
      INSERT INTO expenses (user_id, amount, currency, notes) SELECT user_id, 1, 'EUR', 'Groceries' FROM runs
      WHERE created = 1 RETURNING id, user_id
    ), rows AS (
      INSERT INTO bank_transactions (account_id, user_id, identity, external_id, content_key, fingerprint, state,
        effective_on, amount, currency, description, raw, expense_id, expense_state, first_decision, first_reason)
      SELECT user_id, user_id, int8send(id), id::text, int8send(id), int8send(id), 'posted', now()::date, -1, 'EUR',
        'Groceries ' || id, jsonb_build_object('text', repeat('x', 300)), id, 'own', 'created', 'new_id' FROM spent
    ), events AS (
      INSERT INTO webhook_events (user_id, type, api_version, data, occurred_at, fanned_out_at)
      SELECT user_id, 'expense.created', '2026-11', jsonb_build_object('text', repeat('x', 300)), now(), now()
      FROM spent RETURNING id, user_id
    ), deliveries AS (
      INSERT INTO webhook_deliveries (event_id, subscription_id, state, attempt, created_at, finished_at)
      SELECT e.id, s.id, 'delivered', 1, now(), now() FROM events e JOIN webhook_subscriptions s USING (user_id)
      RETURNING id
    ), attempts AS (
      INSERT INTO webhook_attempts (delivery_id, attempt, started_at, finished_at, status_code, code)
      SELECT id, 1, now(), now(), 200, 'http_200' FROM deliveries
    )
    UPDATE bank_connections c SET last_good_run_id = r.id, last_good_at = r.finished_at
    FROM (SELECT DISTINCT ON (connection_id) id, connection_id, finished_at FROM runs
          ORDER BY connection_id, finished_at DESC) r WHERE c.id = r.connection_id
"""
_REST = (
    """INSERT INTO bank_link_attempts (id, user_id, connector_name, state_hash, status, created_at, expires_at,
        finished_at)
      SELECT finmind_uuid7(), id, 'bank1', uuid_send(finmind_uuid7()), 'failed', now(), now(), now() FROM users
      WHERE id % 10 = 0""",
    """INSERT INTO idempotency_keys (user_id, key, fingerprint, status_code, body, created_at)
      SELECT id, finmind_uuid7()::text, '\\x00', 200, '{}', now() FROM users""",
    """INSERT INTO provider_notices (connector_name, login_ref, action, code, delivery_digest, issued_at, received_at,
        handled_at, result)
      SELECT 'bank1', id::text, 'refresh', 'x', uuid_send(finmind_uuid7()), now(), now(), now(), 'requested'
      FROM users""",
    """INSERT INTO bank_quota_usage (connector_name, connection_id, endpoint, window_s, window_started_at,
        window_ends_at, calls_limit, calls_used, updated_at)
      SELECT connector_name, id, 'transactions', 86400, now() - INTERVAL '1 day', now(), 4, 4, now()
      FROM bank_connections""",
    """INSERT INTO bank_import_rejections (run_id, connection_id, identity, code, message, raw, resolved_at, created_at)
      SELECT last_good_run_id, id, uuid_send(finmind_uuid7()), 'no_amount', 'x', repeat('x', 200), now(), now()
      FROM bank_connections WHERE user_id % 10 = 0""",
    """WITH dry AS (
        INSERT INTO bank_import_runs (id, connection_id, user_id, kind, trigger, dry_run, status, code, queued_at,
          finished_at, created)
        SELECT finmind_uuid7(), id, user_id, 'import', 'user', TRUE, 'succeeded', 'ok', now(), now(), 20
        FROM bank_connections WHERE user_id % 50 = 0 RETURNING id)
      INSERT INTO bank_transaction_changes (run_id, decision, reason, detail, created_at)
      SELECT id, 'created', 'new_id', jsonb_build_object('text', repeat('x', 300)), now()
      FROM dry, generate_series(1, 20)""",
)
_SIZES = text(
    """
    SELECT relname AS name, pg_total_relation_size(oid) AS bytes FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND reltuples > 0 ORDER BY relname
    """
)


def live(url: str, connections: int, days: int) -> Mapping[str, Mapping[str, int]]:
    """Let the days pass; return the size of each table (bytes) after each month, and with its indexes built anew."""
    engine = open_engine(url, role="bench")
    apply_schema(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql(_CLOCK.replace(":days", str(days)).replace("%", "%%"))
        for statement in _PEOPLE:
            connection.execute(text(statement), {"n": connections})
    engine.dispose()  # sessions to come have the simulated clock
    sessions = open_sessions(engine)
    sizes: dict[str, Mapping[str, int]] = {}
    for day in range(1, days + 1):
        with engine.begin() as connection:
            connection.exec_driver_sql("UPDATE simulated.clock SET at = at + INTERVAL '1 day'")
            for statement in (_RUNS, *_REST):
                connection.exec_driver_sql(statement.replace("%", "%%"))
        _clean(engine, sessions)
        if day % MONTH_DAYS == 0 or day == days:
            sizes[str(day)] = _read_sizes(engine)
            print(day, sum(sizes[str(day)].values()), file=sys.stderr)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("REINDEX SCHEMA public")
    sizes["indexes built anew"] = _read_sizes(engine)
    engine.dispose()
    return sizes


def _clean(engine: Engine, sessions: Sessions) -> None:
    """Run the maintenance of a day, and vacuum as autovacuum does between its hours."""
    remove_old_rows(sessions, POLICY, RemovalPace(wait=lambda _s: None))
    prune(sessions, keep_days=EVENT_DAYS, pace=RemovalPace(wait=lambda _s: None))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")


def _read_sizes(engine: Engine) -> Mapping[str, int]:
    with engine.connect() as connection:
        return {row.name: row.bytes for row in connection.execute(_SIZES)}


def main() -> None:
    """Let a year pass; print and keep the sizes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=200)
    parser.add_argument("--days", type=int, default=365)
    options = parser.parse_args()
    with servers() as local:
        sizes = live(local.postgres.ensure_database("year"), options.connections, options.days)
    result = {"connections": options.connections, "bytes": sizes}
    print_and_keep("year", result)


if __name__ == "__main__":
    main()

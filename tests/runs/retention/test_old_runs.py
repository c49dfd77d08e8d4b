"""What refreshes without news leave after a day: little, and every opening of a credential is still counted."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from worker.runs.retention.old_rows import RetentionPolicy, remove_old_rows
from worker.runs.retention.pace import RemovalPace

TABLES = ("bank_import_runs", "bank_import_run_accounts", "credential_audit")

# As a quiet refresh leaves them: run, part of an account, opening.
REFRESHES = """
    WITH runs AS (
      INSERT INTO bank_import_runs (id, connection_id, user_id, kind, trigger, scheduled_for, status, code, attempt,
        queued_at, dispatched_at, dispatch_count, started_at, heartbeat_at, finished_at, worker_name, accounts_total,
        accounts_done, pages, fetched, unchanged, delivered, accounted, claimed_at, requests)
      SELECT finmind_uuid7(), c.id, c.user_id, 'refresh', 'schedule', at + INTERVAL '1 second' * :slot, 'succeeded',
        'nothing_new', 1, at, at, 1, at, at, at, 'scheduled@worker-1', 1, 1, 1, 12, 12, 12, 12, at,
        jsonb_build_object('asked', 3, 'kept', (SELECT jsonb_agg(
          jsonb_build_array(100 * k, 'GET', 'transactions', '200', 321, 12345, 0, 1)) FROM generate_series(1, 3) k))
      FROM bank_connections c, generate_series(1, CAST(:times AS integer)) n,
        LATERAL (SELECT date_trunc('day', now(), 'UTC') - INTERVAL '36 hours' + n * INTERVAL '5 hours' / :times) t(at)
      RETURNING id, connection_id, finished_at
    ), parts AS (
      INSERT INTO bank_import_run_accounts (run_id, account_id, from_on, to_on, status, code, pages, fetched, unchanged,
        delivered, accounted, balance_proof)
      SELECT runs.id, a.id, now() - INTERVAL '45 days', now(), 'succeeded', 'nothing_new', 1, 12, 12, 12, 12,
        '{"result": "proven", "reason": "balances", "balance_on": "2026-01-02", "rests_on": "other_balance"}'
      FROM runs JOIN bank_connection_accounts a USING (connection_id) ORDER BY finished_at
    )
    INSERT INTO credential_audit (at, actor, action, table_name, row_id, user_id, key_id)
    SELECT finished_at, 'run:' || id, 'opened', 'bank_connections', connection_id, 1, '2026-11' FROM runs
"""


# Each connection was refreshed once more today, which proved its balance last.
CONNECTIONS = """
    WITH connections AS (
      INSERT INTO bank_connections (id, user_id, connector_name, display_name, status, last_good_run_id)
      SELECT finmind_uuid7(), :user_id, 'mock', 'Bank', 'disconnected', finmind_uuid7()
      FROM generate_series(1, :connections)
      RETURNING id, user_id, last_good_run_id
    ), accounts AS (
      INSERT INTO bank_connection_accounts (connection_id, user_id, external_id, name, currency)
      SELECT id, user_id, 'a', 'A', 'EUR' FROM connections
      RETURNING id, connection_id
    ), runs AS (
      INSERT INTO bank_import_runs (id, connection_id, user_id, kind, trigger, status, code, finished_at)
      SELECT last_good_run_id, id, user_id, 'refresh', 'schedule', 'succeeded', 'nothing_new', now() FROM connections
    )
    INSERT INTO bank_import_run_accounts (id, run_id, account_id, status, code, balance_proof)
    SELECT 1000000 + a.id, c.last_good_run_id, a.id, 'succeeded', 'nothing_new', '{"reason": "balances"}'
    FROM connections c JOIN accounts a ON a.connection_id = c.id
"""


@pytest.fixture
def refresh(sessions, user_id):
    """Have so many connections refreshed so often, a day and some hours ago; each was refreshed once since."""

    def make(connections: int, times: int, slot: int = 0):
        with sessions() as session:
            if connections:
                session.execute(text(CONNECTIONS), {"user_id": user_id, "connections": connections})
            session.execute(text(REFRESHES), {"times": times, "slot": slot})

    return make


@pytest.fixture
def read(engine):
    def run(query, **values):
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            result = connection.execute(text(query), values)
            return result.all() if result.returns_rows else []

    return run


def clean(sessions, **policy):
    kept = RetentionPolicy(run_days=30, audit_days=90, **policy)
    return remove_old_rows(sessions, kept, RemovalPace(wait=lambda _seconds: None))


@pytest.mark.parametrize("page", [1, 7, 2000])
def test_after_a_day_one_run_without_parts_and_one_line_that_counts_stay(sessions, refresh, read, page):
    refresh(5, 8)
    removed = clean(sessions, page=page)
    assert (removed["thinned_runs"], removed["thinned_parts"], removed["folded_openings"]) == (35, 5, 35)
    assert read("SELECT count(*) FROM bank_import_runs WHERE finished_at < now() - INTERVAL '1 day'") == [(5,)]
    assert read("SELECT count(*) FROM bank_import_run_accounts") == [(5,)], "the newest proof of each account"
    lines = read(
        "SELECT actor, (detail ->> 'times')::int, at > (detail ->> 'since')::timestamptz FROM credential_audit"
    )
    assert lines == [("runs", 8, True)] * 5
    assert not any(clean(sessions, page=page).values()), "what is thin stays as it is"


@pytest.mark.parametrize(
    "later",
    [
        'UPDATE bank_import_run_accounts SET balance_proof = \'{"reason": "does_not_balance"}\' WHERE id > 1000000',
        "UPDATE bank_import_runs SET dry_run = TRUE WHERE id IN (SELECT last_good_run_id FROM bank_connections)",
    ],
    ids=["one that does not fit", "one of a dry run"],
)
def test_the_last_balance_that_fitted_stays_beside_a_later_one_that_is_none(sessions, refresh, read, later):
    refresh(2, 3)
    read(later)
    clean(sessions)
    proofs = read("SELECT account_id, balance_proof ->> 'reason' FROM bank_import_run_accounts ORDER BY 1, 2")
    last = "balances" if "dry_run" in later else "does_not_balance"
    assert [reason for _, reason in proofs] == ["balances", last] * 2


def test_a_week_has_one_line_though_it_is_counted_day_by_day(sessions, refresh, read):
    refresh(1, 3)
    clean(sessions)
    read(
        "INSERT INTO credential_audit (at, actor, action, table_name, row_id, user_id, key_id)"
        " SELECT at + interval '1 second', 'run:later', action, table_name, row_id, user_id, key_id"
        " FROM credential_audit"
    )
    assert clean(sessions)["folded_openings"] == 1
    assert read("SELECT detail ->> 'times' FROM credential_audit") == [("4",)]


def test_openings_by_people_are_not_counted_but_kept(sessions, refresh, read):
    refresh(1, 2)
    read(
        "INSERT INTO credential_audit (at, actor, action, table_name, row_id)"
        " SELECT at, 'cli:root', action, table_name, row_id FROM credential_audit LIMIT 1"
    )
    clean(sessions)
    assert read("SELECT actor FROM credential_audit ORDER BY actor") == [("cli:root",), ("runs",)]


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM credential_audit",
        """WITH gone AS (DELETE FROM credential_audit RETURNING *)
        INSERT INTO credential_audit (at, actor, action, table_name, row_id, detail)
        SELECT max(at), 'runs', 'opened', table_name, row_id, jsonb_build_object('times', count(*) - 1)
        FROM gone GROUP BY table_name, row_id""",
    ],
    ids=["none is counted", "one is missing"],
)
def test_postgres_lets_no_opening_go_that_is_not_counted(refresh, read, statement):
    refresh(2, 3)
    with pytest.raises(DBAPIError, match="append-only"):
        read(statement)
    assert read("SELECT count(*) FROM credential_audit") == [(6,)]


def test_at_four_a_day_a_quiet_refresh_leaves_at_most_150_bytes_after_a_day(sessions, refresh, read):
    def size() -> int:
        for table in TABLES:
            read(f"VACUUM FULL {table}")
        ((size,),) = read("SELECT sum(pg_total_relation_size(t)) FROM unnest(CAST(:t AS regclass[])) t", t=list(TABLES))
        return int(size)

    connections, times, days = 1500, 4, 7
    refresh(connections, 0)
    before = size()
    for day in range(days):
        refresh(0, times, day)
        clean(sessions)
        read(
            "UPDATE bank_import_runs SET queued_at = queued_at - day,"
            " finished_at = finished_at - day"
            " FROM (SELECT INTERVAL '1 day' AS day) d WHERE finished_at < now() - day"
        )
        read("ALTER TABLE credential_audit DISABLE TRIGGER credential_audit_append_only")
        read("UPDATE credential_audit SET at = at - INTERVAL '1 day'")
        read("ALTER TABLE credential_audit ENABLE TRIGGER credential_audit_append_only")
    assert (size() - before) / (connections * times * days) <= 150

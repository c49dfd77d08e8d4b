"""What is old goes, at a pace; what an undo, a proof, an open question or another run needs stays."""

import uuid
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from worker.models.api import IDEMPOTENCY_KEY_LASTS
from worker.runs.retention.old_rows import RetentionPolicy, expire_deferred, remove_old_rows
from worker.runs.retention.pace import RemovalPace
from worker.runs.states import RunTrigger

POLICY = RetentionPolicy(run_days=30, audit_days=90)


@pytest.fixture
def execute(sessions):
    def run(statement, **values):
        with sessions() as session:
            result = session.execute(text(statement), values)
            return result.all() if result.returns_rows else []

    return run


@pytest.fixture
def add_run(execute):
    """Write a closed run; age is how many days and hours ago it ended."""

    def make(connection_id, age, **columns):
        run_id = uuid.uuid4()
        values = {"kind": "refresh", "trigger": "schedule", "status": "succeeded", "code": "nothing_new"} | columns
        names = ", ".join(values)
        execute(
            f"INSERT INTO bank_import_runs (id, connection_id, user_id, queued_at, finished_at, {names})"
            " SELECT :id, id, user_id, now() - CAST(:age AS interval), now() - CAST(:age AS interval),"
            f" {', '.join(':' + name for name in values)} FROM bank_connections WHERE id = :connection_id",
            id=run_id,
            age=age,
            connection_id=connection_id,
            **values,
        )
        return run_id

    return make


@pytest.fixture
def left(execute):
    return lambda: {row.id for row in execute("SELECT id FROM bank_import_runs")}


def clean(sessions, policy=POLICY):
    return remove_old_rows(sessions, policy, RemovalPace(wait=lambda _seconds: None))


def test_runs_that_changed_nothing_go_after_their_time(sessions, connect, add_run, left):
    connection_id = connect()
    add_run(connection_id, "31 days")
    add_run(connection_id, "31 days", status="failed", code="provider_down")
    young = add_run(connection_id, "29 days")
    assert clean(sessions)["old_runs"] == 2
    assert left() == {young}


@pytest.mark.parametrize(
    "columns", [{"created": 1}, {"updated": 1}, {"linked": 1}, {"removed": 1}, {"rejected": 1}, {"suggested": 1}]
)
def test_a_run_that_changed_something_can_be_taken_back_for_ever(sessions, connect, add_run, left, columns):
    run_id = add_run(connect(), "400 days", **columns)
    clean(sessions)
    assert left() == {run_id}


def test_what_a_run_asked_the_bank_goes_though_the_run_stays(sessions, connect, add_run, execute):
    connection_id, log = connect(), '{"asked": 1, "kept": []}'
    for name in ("requests", "earlier_attempts"):
        for age in ("29 days", "31 days", "400 days"):
            run_id = add_run(connection_id, age, created=1)
            execute(f"UPDATE bank_import_runs SET {name} = CAST(:log AS jsonb) WHERE id = :id", log=log, id=run_id)
    assert clean(sessions)["forgotten_requests"] == 4, "also what is older than the setting was, or than an outage"
    told = "requests IS NOT NULL OR earlier_attempts IS NOT NULL"
    assert execute(f"SELECT finished_at > now() - INTERVAL '30 days', {told} FROM bank_import_runs ORDER BY 1") == [
        *[(False, False)] * 4, *[(True, True)] * 2,
    ]  # fmt: skip
    assert clean(sessions)["forgotten_requests"] == 0


def test_a_key_goes_only_after_no_request_is_answered_by_it(sessions, connect, execute):
    connect()
    for key, age in (("valid", IDEMPOTENCY_KEY_LASTS), ("old", 2 * IDEMPOTENCY_KEY_LASTS + timedelta(hours=1))):
        execute(
            "INSERT INTO idempotency_keys (user_id, key, fingerprint, created_at)"
            " SELECT user_id, :key, '', now() - CAST(:age AS interval) FROM bank_connections",
            key=key,
            age=age,
        )
    assert clean(sessions)["idempotency_keys"] == 1
    assert execute("SELECT key FROM idempotency_keys") == [("valid",)]


@pytest.mark.parametrize(
    ("kind", "insert"),
    [
        (
            "handled_notices",
            """INSERT INTO provider_notices (connector_name, login_ref, action, code, delivery_digest, issued_at,
              handled_at, result) SELECT 'bank', age::text, 'refresh', 'x', int8send(age), now(),
              now() - age * INTERVAL '1 day', 'requested'""",
        ),
        (
            "ended_allowances",
            """INSERT INTO bank_quota_usage (connector_name, endpoint, window_s, window_started_at, window_ends_at,
              calls_limit) SELECT 'bank', 'accounts', 60, ended - INTERVAL '1 minute', ended, 4""",
        ),
    ],
)
def test_however_many_are_old_all_go_in_one_pass(sessions, execute, kind, insert):
    ages = "FROM generate_series(6, 10) age, LATERAL (SELECT now() - age * INTERVAL '1 day' AS ended) e"
    execute(f"{insert} {ages}")
    assert clean(sessions, RetentionPolicy(run_days=30, audit_days=90, batch=2))[kind] == 4
    assert clean(sessions)[kind] == 0


def test_a_run_that_something_refers_to_stays(sessions, connect, add_run, left, execute):
    connection_id = connect()
    good, target, asked = (add_run(connection_id, "400 days") for _ in range(3))
    execute("UPDATE bank_connections SET last_good_run_id = :id", id=good)
    undo = add_run(connection_id, "1 hour", kind="revert", trigger="user", target_run_id=target)
    execute(
        "INSERT INTO bank_transaction_changes (run_id, decision, reason) VALUES (:id, 'unchanged', 'same')", id=asked
    )
    rejecting, dismissing = (add_run(connection_id, "400 days", kind=kind) for kind in ("refresh", "dismiss"))
    execute(
        "INSERT INTO bank_import_rejections (run_id, connection_id, identity, code, message, raw, dismissed_at,"
        " dismissed_by, dismissed_why, dismissed_run_id)"
        " VALUES (:run_id, :connection_id, 'x', 'bad', 'x', 'x', now(), 'operator', 'x', :dismissed_run_id)",
        run_id=rejecting, connection_id=connection_id, dismissed_run_id=dismissing,
    )  # fmt: skip
    clean(sessions)
    assert left() == {good, target, asked, undo, rejecting, dismissing}


def test_the_latest_proof_of_an_account_stays_and_the_last_one_that_fitted(sessions, connect, add_run, left, execute):
    connection_id = connect()
    runs = {add_run(connection_id, f"{days} days"): days for days in (60, 50, 40)}
    ((account_id,),) = execute(
        "INSERT INTO bank_connection_accounts (connection_id, user_id, external_id, name, currency)"
        " SELECT id, user_id, 'a', 'A', 'EUR' FROM bank_connections RETURNING id"
    )
    for run_id, days in runs.items():
        execute(
            "INSERT INTO bank_import_run_accounts (run_id, account_id, status, code, balance_proof)"
            " VALUES (:run, :account, 'succeeded', 'ok', jsonb_build_object('reason', CAST(:reason AS text)))",
            run=run_id,
            account=account_id,
            reason="balances" if days > 40 else "does_not_balance",
        )
    clean(sessions)
    assert {runs[run_id] for run_id in left()} == {50, 40}


def test_of_scheduled_runs_without_news_the_last_of_each_day_stays(sessions, connect, add_run, left, execute):
    connection_id = connect()
    for hour in range(8):
        add_run(connection_id, f"{30 + 3 * hour} hours")
    by_hand = add_run(connection_id, "40 hours", trigger="user")
    today = [add_run(connection_id, f"{minutes} minutes") for minutes in (1, 2, 3)]
    clean(sessions)
    days = execute(
        "SELECT date_trunc('day', queued_at, 'UTC'), count(*) FROM bank_import_runs"
        " WHERE trigger = 'schedule' AND finished_at < now() - INTERVAL '1 day' GROUP BY 1"
    )
    assert {count for _, count in days} == {1}
    assert {by_hand, *today} <= left()


def test_the_report_of_a_dry_run_goes_after_a_week(sessions, connect, add_run, left, execute):
    old = add_run(connect(), "8 days", dry_run=True, created=7, trigger="user")
    young = add_run(connect(), "6 days", dry_run=True, created=7, trigger="user")
    execute("INSERT INTO bank_transaction_changes (run_id, decision, reason) VALUES (:id, 'created', 'new')", id=old)
    clean(sessions)
    assert left() == {young}
    assert execute("SELECT 1 FROM bank_transaction_changes") == []


def test_openings_of_credentials_go_but_not_what_was_done_to_them(sessions, execute):
    for action, age in (("opened", "91 days"), ("opened", "89 days"), ("sealed", "900 days"), ("refused", "900 days")):
        execute(
            "INSERT INTO credential_audit (at, actor, action, table_name, row_id)"
            " VALUES (now() - CAST(:age AS interval), 'run:1', :action, 'bank_connections', '1')",
            action=action,
            age=age,
        )
    assert clean(sessions)["openings"] == 1
    assert [row.action for row in execute("SELECT action FROM credential_audit ORDER BY id")] == [
        "opened",
        "sealed",
        "refused",
    ]


@pytest.mark.parametrize(("action", "age"), [("opened", "89 days"), ("sealed", "900 days")])
def test_postgres_itself_refuses_to_forget_what_must_stay(execute, action, age):
    execute(
        "INSERT INTO credential_audit (at, actor, action, table_name, row_id)"
        " VALUES (now() - CAST(:age AS interval), 'run:1', :action, 'bank_connections', '1')",
        action=action,
        age=age,
    )
    with pytest.raises(DBAPIError, match="append-only"):
        execute("DELETE FROM credential_audit")


def test_it_keeps_its_pace_and_stops_when_asked(sessions, connect, add_run):
    connection_id = connect()
    for _ in range(10):
        add_run(connection_id, "40 days")
    waits = []
    policy = RetentionPolicy(run_days=30, audit_days=90, batch=4)
    pace = RemovalPace(rows_per_s=2, wait=waits.append, stop_requested=lambda: len(waits) > 2)
    removed = remove_old_rows(sessions, policy, pace)
    assert removed["old_runs"] == 8
    assert waits == [0, 2, 2]


def test_a_year_of_refreshes_leaves_tables_of_one_size(sessions, connect, add_run, execute):
    connections = [connect() for _ in range(3)]
    policy = RetentionPolicy(run_days=60, audit_days=90)
    sizes = []
    for day in range(365):
        for connection_id in connections:
            for hours in (23, 17, 11, 5):
                add_run(connection_id, f"{hours} hours")
            execute(
                "UPDATE bank_connections SET last_good_run_id ="
                " (SELECT id FROM bank_import_runs WHERE connection_id = :id ORDER BY queued_at DESC LIMIT 1)"
                " WHERE id = :id",
                id=connection_id,
            )
        execute(
            "INSERT INTO credential_audit (at, actor, action, table_name, row_id)"
            " VALUES (now() - CAST(:age AS interval), 'run:1', 'opened', 'bank_connections', '1')",
            age=f"{364 - day} days",
        )
        clean(sessions, policy)
        execute(
            "UPDATE bank_import_runs SET queued_at = queued_at - INTERVAL '1 day',"
            " finished_at = finished_at - INTERVAL '1 day'"
        )
        if day in (200, 300, 364):
            sizes.append(execute("SELECT count(*) FROM bank_import_runs")[0][0])
    assert max(sizes) - min(sizes) <= 3 * 4
    assert max(sizes) <= 3 * (60 + 2 * 4)
    assert execute("SELECT count(*) FROM credential_audit WHERE at < now() - INTERVAL '91 days'")[0][0] == 0


def test_runs_that_were_tried_for_a_week_fail_page_by_page_and_what_a_stop_leaves_is_the_next_passs(
    sessions, connect, ask, execute
):
    for days in (8, 9, 10, 6, 0, None):  # the last ones waited for a worker
        run_id = ask(connect(), trigger=RunTrigger.SCHEDULE)
        execute(
            "UPDATE bank_import_runs SET status = 'deferred', code = 'provider_down', not_before = now(),"
            " queued_at = now() - INTERVAL '11 days', started_at = now() - make_interval(days => :days) WHERE id = :id",
            days=days,
            id=run_id,
        )
    looks = iter((False, False, True))
    stopped = RemovalPace(stop_requested=lambda: next(looks))
    assert expire_deferred(sessions, stopped, page=1) == 2
    assert expire_deferred(sessions, RemovalPace(), page=1) == 1
    ended = execute("SELECT status, code, count(*) FROM bank_import_runs GROUP BY 1, 2 ORDER BY 1")
    assert ended == [("deferred", "provider_down", 3), ("failed", "provider_down", 3)]
    assert execute("SELECT count(*) FROM bank_connections WHERE consecutive_failures > 0") == [(3,)]

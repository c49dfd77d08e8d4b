"""The first look of an operator: all is well, or what is not."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.factories import make_connection
from tests.importer.bank import Harness
from worker.broker import Queue
from worker.connectors.base import Account
from worker.migrations.chain import open_chain
from worker.process import heartbeat_files
from worker.runs.component_heartbeats import record_heartbeat

WITHOUT_SPACE = (
    "INSERT INTO bank_import_runs (id, connection_id, user_id, kind, trigger, status, code, not_before)"
    " SELECT gen_random_uuid(), id, user_id, 'refresh', 'user', 'deferred', 'disk_full', now() + interval '1 minute'"
    " FROM bank_connections"
)
LATE_RUN = (
    "INSERT INTO bank_import_runs (id, connection_id, user_id, kind, trigger, queued_at)"
    " SELECT gen_random_uuid(), id, user_id, 'refresh', 'user', now() - interval '1 hour' FROM bank_connections"
)


pytestmark = pytest.mark.usefixtures("addressed")


@pytest.fixture(autouse=True)
def _configured(monkeypatch, tmp_path):
    monkeypatch.setenv("FINMIND_HEALTH_DIR", str(tmp_path))


@pytest.fixture
def _workers_alive(sessions):
    with sessions() as session:
        for queue in Queue:
            record_heartbeat(session, f"queue:{queue}")


@pytest.mark.usefixtures("_workers_alive")
def test_all_is_well_when_workers_live_and_nothing_is_late(command):
    answer = command("status")
    assert (answer.code, answer.out.splitlines()[0]) == (0, "all is well")


@pytest.mark.usefixtures("_workers_alive")
def test_revisions_that_the_database_lacks_are_said_first(command, sessions):
    chain = open_chain().ids
    says = {}
    for revision in ("r0001", chain[-2], chain[-1], "r9999"):
        with sessions() as session:
            session.execute(text("CREATE TABLE IF NOT EXISTS finmind_worker_schema (version_num VARCHAR(32))"))
            session.execute(text("DELETE FROM finmind_worker_schema"))
            session.execute(text("INSERT INTO finmind_worker_schema VALUES (:revision)"), {"revision": revision})
        answer = command("status")
        assert answer.code == 0
        says[revision] = answer.out.splitlines()[0]
    upgrade = "pending: run `finmind-worker db upgrade`"
    assert list(says.values()) == [
        f"- {len(chain) - 1} revisions of the schema are {upgrade}",
        f"- 1 revision of the schema is {upgrade}",
        "all is well",
        "all is well",
    ]


def test_workers_that_never_lived_are_a_problem(command):
    answer = command("status", "--json")
    assert answer.code == 1
    assert "no sign of life from the workers of queue interactive so far" in json.loads(answer.out)["problems"]


@pytest.mark.usefixtures("_workers_alive")
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("UPDATE worker_heartbeats SET seen_at = now() - interval '1 hour'", "no sign of life"),
        ("UPDATE bank_connections SET next_refresh_at = now() - interval '1 hour'", "due longest"),
        (
            LATE_RUN,
            "oldest waiting run",
        ),
        (
            "INSERT INTO bank_connector_circuits (connector_name, state, open_until) VALUES ('mock', 'open', now())",
            "circuit of mock is open",
        ),
        (WITHOUT_SPACE, "1 runs wait because a worker has no temporary space (disk_full)"),
    ],
    ids=["silent workers", "late connection", "late run", "open circuit", "full disk"],
)
def test_what_is_wrong_is_said_first(command, sessions, user_id, change, says):
    with sessions() as session:
        make_connection(session, user_id)
        session.execute(text(change))
    answer = command("status")
    assert answer.code == 1
    assert says in answer.out.splitlines()[0]


@pytest.mark.usefixtures("_workers_alive")
def test_of_many_open_circuits_the_first_are_named_and_the_rest_is_counted(command, sessions):
    with sessions() as session:
        session.execute(
            text(
                "INSERT INTO bank_connector_circuits (connector_name, scope, state, open_until)"
                " SELECT 'mock', 'bank ' || n, 'open', now() FROM generate_series(1, 107) n"
            )
        )
    told = json.loads(command("status", "--json").out)
    assert len(told["circuits"]) == 100
    assert told["problems"][0] == "the circuit of mock (bank 1) is open"
    assert told["problems"][5:] == ["102 more circuits are not closed"]


@pytest.mark.usefixtures("_workers_alive")
def test_connections_that_need_a_person_are_named_and_are_no_emergency(command, sessions, user_id):
    with sessions() as session:
        connection_id = make_connection(
            session, user_id, display_name="Lost Bank", status="needs_user", status_code="expired"
        )
    answer = command("status")
    assert answer.code == 0
    assert answer.out.splitlines()[0] == "- 1 connection needs its user"
    assert str(connection_id) in answer.out
    assert "Lost Bank" in answer.out
    with sessions() as session:
        for _ in range(20):
            make_connection(session, user_id, status="error")
    answer = command("status")
    assert answer.out.splitlines()[0] == "- 21 connections need their users"
    assert "CONNECTIONS THAT NEED A PERSON: 20 OF 21" in answer.out


@pytest.mark.usefixtures("_workers_alive")
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("UPDATE bank_connections SET consecutive_failures = 2", "1 connection failed twice or more"),
        (
            (
                "INSERT INTO bank_import_runs (id, connection_id, user_id, kind, trigger, status, code, started_at,"
                " finished_at) SELECT gen_random_uuid(), id, user_id, 'refresh', 'user', 'failed', 'poison', now(),"
                " now()"
                " FROM bank_connections"
            ),
            "1 run was given up (poison)",
        ),
        (
            (
                "INSERT INTO webhook_subscriptions (id, user_id, url, event_types, api_version, secret_encrypted,"
                " secret_key_id, breaker_until) SELECT gen_random_uuid(), user_id, 'https://example.com/hook',"
                " ARRAY['*'], '2026-11-01', 'sealed', 'test', now() + interval '1 hour' FROM bank_connections"
            ),
            "1 receiver of webhooks does not answer",
        ),
    ],
    ids=["failing bank", "poison", "open breaker"],
)
def test_all_is_well_is_not_said_while_something_waits_for_a_person(command, sessions, user_id, change, says):
    with sessions() as session:
        make_connection(session, user_id)
        session.execute(text(change))
    answer = command("status")
    assert (answer.code, answer.out.splitlines()[0]) == (0, f"- {says}")
    assert "all is well" not in answer.out


def test_a_broker_that_is_down_is_a_problem_not_a_crash(command, monkeypatch):
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:9/0")
    answer = command("status")
    assert answer.code == 1
    assert "Redis does not answer" in answer.out


def test_a_probe_looks_at_files_only(command, monkeypatch):
    monkeypatch.delenv("DATABASE_URL")
    assert command("healthcheck", "worker").code == 1
    heartbeat_files.touch("worker-one")
    assert command("healthcheck").out == "worker is alive\n"
    assert command("healthcheck", "nothing").code == 2


@pytest.mark.usefixtures("_workers_alive")
def test_balances_that_do_not_follow_from_the_rows_are_named_with_amount_and_day(command, sessions, user_id):
    harness = Harness(sessions, user_id)
    harness.bank.accounts.append(Account(external_id="B", name="Savings", currency="EUR"))
    harness.bank.buy("-1", external_id="1")
    harness.bank.buy("-2", external_id="1", account_id="B")
    harness.bank.balance("99")
    harness.refresh()
    yesterday = harness.bank.today - timedelta(days=1)  # a balance may leave out the rows of its own day
    harness.bank.buy("-9", external_id="2", account_id="B", booking_on=yesterday)
    harness.refresh()
    harness.refresh(dry_run=True)
    command("status")  # takes along what the runs logged
    answer = command("status", "--json")
    seen = json.loads(answer.out)
    assert answer.code == 0, "it is for a person to look at, not for a probe to fail on"
    assert seen["proofs"] == [{"result": "mismatch", "accounts": 1}, {"result": "unproven", "accounts": 1}]
    [wrong] = seen["mismatches"]
    assert (wrong["account"], wrong["off_by"], wrong["since_on"]) == ("Savings", "9", "2026-06-15")
    assert "BALANCES THAT DO NOT FOLLOW FROM THE ROWS" in command("status").out

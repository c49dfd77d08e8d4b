"""One fault at a time, at the moment where it hurts most, on a whole worker with real processes."""

import signal
import tempfile
import uuid
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import psutil
import pytest
from sqlalchemy import insert, text

from tests.chaos import witness
from tests.chaos.bank import Bank
from tests.chaos.stack import Stack
from tests.waiting import PATIENCE_S, until
from worker.connectors.mock import MockConfig
from worker.connectors.mock.config import MockMode
from worker.models import BankConnection

pytestmark = [pytest.mark.chaos, pytest.mark.processes]

LONG_IMPORT_ROWS = 4_000


@contextmanager
def a_stack(**configured):
    with tempfile.TemporaryDirectory(prefix="finmind-directed-", ignore_cleanup_errors=True) as directory:
        Path(directory).chmod(0o755)  # as root the database server runs as a system user of its own
        with Bank(1, page_rows=2000) as bank, Stack(Path(directory), bank, **configured) as stack:
            yield stack


@pytest.fixture(scope="module")
def stack():
    with a_stack() as stack:
        yield stack


@pytest.fixture
def stack_alone():
    """A stack of one test, where no run of another test can meet the fault that is set up."""
    with a_stack() as stack:
        yield stack


@pytest.fixture
def stack_for_a_crowd():
    """As deployed: those who wait have a worker of their own, and one provider has fewer runs than it has slots.

    All connections are one user's, so the bound per user is set; by default it is a quarter of a worker's places.
    """
    with a_stack(RUNS_PER_CONNECTOR="2", RUNS_PER_USER="8") as stack:
        stack.start("worker-interactive", queues="interactive,celery")
        until(lambda: len(stack.children("worker-interactive")) > 1)
        stack.restart("worker", queues="scheduled,maintenance,webhooks")
        until(stack.is_up)
        yield stack


def join(stack, rows):
    """Add somebody with a connection of their own and so many transactions at the bank."""
    name = f"somebody-{uuid.uuid4().hex[:8]}"
    stack.bank.add_user(name, rows)
    return name, stack.add_connection(name)


@pytest.fixture
def person(stack):
    yield partial(join, stack)
    stack.bank.slow_s = 0.0


def run_of(stack, connection_id):
    ((row),) = stack.rows("SELECT * FROM bank_import_runs WHERE connection_id = :id", id=connection_id)
    return row


def is_running(stack, connection_id):
    return lambda: stack.rows(
        "SELECT 1 FROM bank_import_runs WHERE connection_id = :id AND status = 'running'", id=connection_id
    )


def is_closed(stack, connection_id):
    def closed():
        stack.supervise()
        return stack.rows(
            "SELECT 1 FROM bank_import_runs WHERE connection_id = :id AND finished_at IS NOT NULL", id=connection_id
        )

    return closed


def assert_all_there_once(stack, name, connection_id):
    found = stack.rows(
        "SELECT t.external_id, t.expense_id FROM bank_transactions t"
        " JOIN bank_connection_accounts a ON a.id = t.account_id WHERE a.connection_id = :id",
        id=connection_id,
    )
    assert sorted(row.external_id for row in found) == sorted(row["id"] for row in stack.bank.truth[name])
    assert len({row.expense_id for row in found}) == len(found)
    assert run_of(stack, connection_id).status == "succeeded"
    assert witness.offences(stack.sessions) == []


@contextmanager
def halted_after_its_first_account(stack, connection_id):
    """Let the next import of a connection wait until the block ends, when it wrote one account and begins another."""
    with stack.sessions() as session:
        session.execute(text(GATE.format(connection_id=connection_id)))
    with stack.sessions() as holding:
        holding.execute(text("SELECT pg_advisory_xact_lock(1)"))
        yield lambda: stack.rows(AT_THE_GATE)
    with stack.sessions() as session:
        session.execute(text("DROP FUNCTION gate CASCADE"))


def asked_to_stop(stack):
    """Return how often the worker said that it was asked to."""
    return sum("Warm shutdown" in line for line in stack.log_lines("worker"))


GATE = """
CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF EXISTS (SELECT FROM bank_import_runs WHERE connection_id = '{connection_id}' AND created > 0) THEN
    PERFORM pg_advisory_xact_lock_shared(1);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER gate BEFORE INSERT ON bank_transactions FOR EACH STATEMENT EXECUTE FUNCTION gate()
"""
# not whoever waits for an advisory lock: imports of other tests wait for that of their user
AT_THE_GATE = (
    "SELECT 1 FROM pg_locks JOIN pg_database ON pg_database.oid = database AND datname = current_database()"
    " WHERE locktype = 'advisory' AND (classid, objid, objsubid) = (0, 1, 1) AND NOT granted"
)


def test_term_during_a_long_import_ends_the_worker_at_once_and_the_import_later(stack):
    rows = LONG_IMPORT_ROWS // 4
    connection_id = stack.add_connection("somebody-busy", MockConfig(mode=MockMode.LARGE, accounts=4, rows=rows))
    worker = stack.processes["worker"]
    with halted_after_its_first_account(stack, connection_id) as is_halted:
        stack.ask(connection_id, "client")
        until(is_halted)
        heard = asked_to_stop(stack)
        worker.terminate()
        until(lambda: asked_to_stop(stack) > heard)
    worker.wait(PATIENCE_S)
    checkpoint = run_of(stack, connection_id)
    assert (checkpoint.status, checkpoint.code, checkpoint.attempt) == ("queued", "stopped", 0)
    assert 0 < checkpoint.created < LONG_IMPORT_ROWS
    until(is_closed(stack, connection_id))
    stored = stack.rows(
        "SELECT count(*), count(DISTINCT (t.account_id, t.external_id)), count(DISTINCT t.expense_id)"
        " FROM bank_transactions t JOIN bank_connection_accounts a ON a.id = t.account_id WHERE a.connection_id = :id",
        id=connection_id,
    )
    row = run_of(stack, connection_id)
    assert (row.status, row.created) == ("succeeded", LONG_IMPORT_ROWS)
    assert stored == [(row.created, row.created, row.created)]
    assert witness.offences(stack.sessions) == []


def test_a_hard_time_limit_costs_a_child_and_the_run_goes_on(stack_alone):
    stack = stack_alone
    name, connection_id = join(stack, 100)
    stack.restart("worker", app="short_limits")
    until(stack.is_up)
    (stack.faults / "after_claim.stop").touch()  # stuck beyond the reach of deadline and soft limit
    stack.ask(connection_id, "client")
    (stuck,) = until(lambda: [child for child in stack.children() if child.status() == psutil.STATUS_STOPPED])
    until(lambda: not stuck.is_running())
    until(is_closed(stack, connection_id))
    assert run_of(stack, connection_id).attempt == 2
    assert_all_there_once(stack, name, connection_id)


@pytest.mark.parametrize("point", ["between_pages", "before_close"])
def test_a_worker_that_stood_still_for_longer_than_its_lease_writes_nothing(stack_alone, point):
    stack = stack_alone
    name, connection_id = join(stack, 100)
    (stack.faults / f"{point}.stop").touch()
    stack.ask(connection_id, "client")
    (zombie,) = until(lambda: [child for child in stack.children() if child.status() == psutil.STATUS_STOPPED])
    until(is_closed(stack, connection_id))
    closed = run_of(stack, connection_id)
    assert closed.attempt == 2
    zombie.send_signal(signal.SIGCONT)
    lost = f'"run_id": "{closed.id}"'
    until(lambda: any(lost in line and "run.lost" in line for line in stack.log_lines("worker")))
    assert run_of(stack, connection_id) == closed
    assert_all_there_once(stack, name, connection_id)


def test_redis_restarting_under_running_imports_ends_no_worker(stack, person):
    people = [person(100) for _ in range(3)]
    worker = stack.processes["worker"].pid
    stack.bank.slow_s = 1.0
    for _, connection_id in people:
        stack.ask(connection_id, "client")
    for _, connection_id in people:
        until(is_running(stack, connection_id))
    stack.restart_redis()
    for name, connection_id in people:
        until(is_closed(stack, connection_id))
        assert_all_there_once(stack, name, connection_id)
    assert stack.processes["worker"].pid == worker


def test_a_person_is_served_at_once_while_ten_thousand_connections_wait_their_turn(stack_for_a_crowd):
    stack = stack_for_a_crowd
    name, connection_id = join(stack, 100)
    _, crowded_id = join(stack, 100)
    with stack.sessions() as session:
        crowd = session.get_one(BankConnection, crowded_id)
        shared = {"user_id": crowd.user_id, "connector_name": "loopbank", "display_name": "one of many"}
        sealed = {"config_encrypted": crowd.config_encrypted, "config_key_id": crowd.config_key_id}
        many = [shared | sealed | {"id": uuid.uuid4(), "next_refresh_at": datetime.now(UTC)} for _ in range(10_000)]
        session.execute(insert(BankConnection), many)
    until(
        lambda: stack.rows("SELECT 1 FROM bank_import_runs WHERE trigger = 'schedule' LIMIT 1"),
    )
    stack.ask(connection_id, "client")
    until(is_closed(stack, connection_id))
    row = run_of(stack, connection_id)
    ((went_first,),) = stack.rows(
        "SELECT count(*) FROM bank_import_runs WHERE trigger = 'schedule' AND started_at BETWEEN :asked AND :begun",
        asked=row.queued_at,
        begun=row.started_at,
    )
    assert went_first < 100
    ((due, queued),) = stack.rows(
        "SELECT (SELECT count(*) FROM bank_connections WHERE next_refresh_at <= now()),"
        " (SELECT count(*) FROM bank_import_runs WHERE status = 'queued')"
    )
    assert due > 5000
    assert queued < 1000, "what has no place stays due and makes no run"
    assert_all_there_once(stack, name, connection_id)


def test_a_bank_that_hangs_keeps_nobody_waiting_but_its_own_customers(stack_for_a_crowd):
    stack = stack_for_a_crowd
    stack.bank.slow_s = 600.0
    waiting, scheduled = ([join(stack, 10)[1] for _ in range(6)] for _ in range(2))
    for connection_id in waiting:
        stack.ask(connection_id, "client")
    for connection_id in scheduled:
        stack.ask(connection_id, "due")
    until(lambda: all(hanging(stack).get(trigger, 0) >= 2 for trigger in ("user", "schedule")))
    connection_id = stack.add_connection("customer of another bank", MockConfig(accounts=1, history_days=30))
    stack.ask(connection_id, "client")
    until(is_closed(stack, connection_id))
    succeeded = stack.rows("SELECT connection_id FROM bank_import_runs WHERE status = 'succeeded'")
    assert [str(row.connection_id) for row in succeeded] == [str(connection_id)], "the bank still answers nobody"


def hanging(stack):
    running = "SELECT trigger, count(*) AS runs FROM bank_import_runs WHERE status = 'running' GROUP BY trigger"
    return {row.trigger: row.runs for row in stack.rows(running)}


def test_an_hour_in_which_nobody_planned_brings_each_connection_one_run_and_the_usual_rhythm(stack):
    stack.kill("beat")
    stack.kill("worker")
    bank = MockConfig(accounts=1, history_days=5)
    ids = [stack.add_connection(f"late-{number}-{uuid.uuid4().hex[:8]}", bank) for number in range(30)]
    with stack.sessions() as session:
        session.execute(
            text(
                "UPDATE bank_connections SET refresh_interval = '10 minutes',"
                " next_refresh_at = now() - '1 hour'::interval + random() * '10 minutes'::interval WHERE id = ANY(:ids)"
            ),
            {"ids": ids},
        )
    ((back_at,),) = stack.rows("SELECT now()")
    for name in ("worker", "beat", "beat-of-another-host"):
        stack.start(name)
    for connection_id in ids:
        until(is_closed(stack, connection_id))
    missed = stack.rows(
        "SELECT connection_id, scheduled_for FROM bank_import_runs"
        " WHERE connection_id = ANY(:ids) AND scheduled_for <= :back_at",
        ids=ids, back_at=back_at,
    )  # fmt: skip
    assert sorted(row.connection_id for row in missed) == sorted(ids)
    ((late, spread),) = stack.rows(
        "SELECT count(*) FILTER (WHERE next_refresh_at <= now()), max(next_refresh_at) - min(next_refresh_at)"
        " FROM bank_connections WHERE id = ANY(:ids)",
        ids=ids,
    )
    assert late == 0
    assert spread > timedelta(minutes=5)
    stack.kill("beat-of-another-host")

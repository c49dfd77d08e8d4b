"""A worker of threads is for runs that wait: what computes much goes to processes, and limits hold without kills."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import PATIENCE_S, until
from worker.client import WorkerClient
from worker.connectors.mock.config import MockMode
from worker.errors import StopRequestedError
from worker.runs.component_heartbeats import record_heartbeat
from worker.runs.dispatching.heavy import CONSUMER, LightWorker
from worker.runs.lease_renewal import LeaseKeeper
from worker.runs.request import request_run
from worker.runs.states import RunKind, RunRequest
from worker.tasks import import_context
from worker.tasks.execution import execute_run


@pytest.fixture
def consumed(sessions):
    """Somebody consumes the queue of heavy runs."""
    with sessions() as session:
        record_heartbeat(session, CONSUMER)


@pytest.fixture
def ask_refresh(sessions):
    def ask(connection_id):
        with sessions() as session:
            return request_run(session, RunRequest(connection_id=connection_id, kind=RunKind.REFRESH))

    return ask


@pytest.fixture
def light(opened):
    """Execute a run in a light worker; return the ids that it passed on."""

    def once(run_id, soft_limit_s=240):
        passed_on = []
        worker = LightWorker(pass_on=passed_on.append)
        execute_run(opened, run_id, worker_name="light", soft_limit_s=soft_limit_s, light=worker)
        return passed_on

    return once


@pytest.fixture
def imported(connect_mock, ask_import, execute):
    """Link a made-up bank and import it once."""

    def make(**config):
        connection_id = connect_mock(**({"history_days": 20, "accounts": 1} | config))
        execute(ask_import(connection_id))
        return connection_id

    return make


@pytest.mark.usefixtures("consumed")
def test_what_waits_for_a_bank_begins_in_a_thread_and_what_only_computes_does_not(
    connect_mock, ask_import, ask_refresh, light, row_of, sessions
):
    connection_id = connect_mock(history_days=20)
    run_id = ask_import(connection_id)
    assert light(run_id) == []
    assert row_of(run_id).status == "succeeded"
    refresh_id = ask_refresh(connection_id)
    assert light(refresh_id) == []
    assert row_of(refresh_id).status == "succeeded"
    with sessions() as session:
        request = RunRequest(connection_id=connection_id, kind=RunKind.REVERT, target_run_id=run_id)
        revert_id = request_run(session, request)
    assert light(revert_id) == [revert_id]
    assert (row_of(revert_id).status, row_of(revert_id).attempt) == ("queued", 0)


@pytest.mark.usefixtures("consumed")
def test_an_import_that_turns_out_heavy_is_passed_on_at_the_first_page_that_says_so(
    connect_mock, ask_import, light, row_of, monkeypatch
):
    monkeypatch.setattr(import_context, "LIGHT_ROWS", 0)
    run_id = ask_import(connect_mock(history_days=20))
    assert light(run_id) == [run_id]
    assert (row_of(run_id).status, row_of(run_id).attempt) == ("queued", 0)


def test_where_nobody_is_for_heavy_runs_a_light_worker_does_them(connect_mock, ask_import, light, row_of):
    run_id = ask_import(connect_mock(history_days=20))
    assert light(run_id) == []
    assert row_of(run_id).status == "succeeded"


@pytest.mark.usefixtures("consumed")
def test_a_refresh_that_turns_out_heavy_hands_itself_over(imported, ask_refresh, light, row_of, execute, monkeypatch):
    connection_id = imported()
    monkeypatch.setattr(import_context, "LIGHT_ROWS", 0)
    run_id = ask_refresh(connection_id)
    assert light(run_id) == [run_id]
    row = row_of(run_id)
    assert (row.status, row.attempt, row.dispatched_at is not None) == ("queued", 0, True)
    execute(run_id)
    assert row_of(run_id).status == "succeeded"


@pytest.mark.usefixtures("consumed")
def test_a_run_that_used_up_its_time_in_a_light_worker_goes_on_in_another_and_costs_no_attempt(
    imported, ask_refresh, light, row_of
):
    run_id = ask_refresh(imported())
    assert light(run_id, soft_limit_s=0) == [run_id]
    assert (row_of(run_id).status, row_of(run_id).attempt) == ("queued", 0)


def test_a_run_that_does_not_stop_loses_its_lease(imported, ask_refresh, opened, sessions, row_of):
    """A thread cannot be killed: what hangs in it must not hold the run for ever."""
    from tests.leases import claim

    run_id = ask_refresh(imported())
    with sessions() as session:
        lease = claim(session, run_id, worker_name="stuck", lease_s=60)
    keeper = LeaseKeeper(opened.sessions, lease, lease_s=60, deadline_s=-2, abandon_s=-1, stop_requested=lambda: False)
    before = row_of(run_id).lease_expires_at
    keeper.renew()
    assert row_of(run_id).lease_expires_at == before
    with pytest.raises(StopRequestedError):
        keeper.check()


# real workers -------------------------------------------------------------------------------------------------------


@pytest.fixture
def start(settings, tmp_path):
    """Start a Celery worker; it is killed at the end."""
    started = []

    def worker(name, pool, queue, concurrency):
        environment = os.environ | {
            "DATABASE_URL": settings.database_url.get_secret_value(),
            "REDIS_URL": settings.redis_url.get_secret_value(),
            "CREDENTIAL_KEYS": settings.credential_keys.get_secret_value(),
            "FINMIND_HEALTH_DIR": str(tmp_path / name),
            "RUNS_PER_USER": "20",
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
        command = [sys.executable, "-m", "worker.celery_command", "worker", "-n", f"{name}@test", "-P", pool]
        log = (tmp_path / f"{name}.log").open("wb")
        process = subprocess.Popen(
            [*command, "-c", str(concurrency), "-Q", queue, "--without-gossip", "--without-mingle"],
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        log.close()
        started.append(process)
        return process

    yield worker
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def nudge(settings):
    client = WorkerClient(settings.redis_url.get_secret_value())
    yield client.nudge
    client.close()


@pytest.mark.processes
@pytest.mark.usefixtures("consumed")
def test_threads_wait_and_processes_compute(start, nudge, connect_mock, ask_import, row_of, sessions):
    start("light", "threads", "interactive", 20)
    start("heavy", "prefork", "heavy", 1)
    connections = [connect_mock(history_days=10, accounts=1) for _ in range(3)]
    imports = [ask_import(connection_id) for connection_id in connections]
    for run_id in imports:
        nudge(run_id)
    until(lambda: all(row_of(run_id).status == "succeeded" for run_id in imports))
    assert {row_of(run_id).worker_name for run_id in imports} == {"light@test"}
    with sessions() as session:
        requests = [
            RunRequest(connection_id=connection_id, kind=RunKind.REVERT, target_run_id=run_id)
            for connection_id, run_id in zip(connections, imports, strict=True)
        ]
        reverts = [request_run(session, request) for request in requests]
    for run_id in reverts:
        nudge(run_id)
    until(lambda: all(row_of(run_id).status == "succeeded" for run_id in reverts))
    assert {row_of(run_id).worker_name for run_id in reverts} == {"heavy@test"}


@pytest.mark.processes
def test_a_worker_of_threads_hands_back_all_its_runs_within_seconds_of_term(
    start, nudge, connect_mock, ask_refresh, row_of
):
    worker = start("light", "threads", "interactive", 20)
    slow = {"history_days": 400, "accounts": 1, "mode": MockMode.SLOW, "delay_s": 3.0, "page_size": 10}
    runs = [ask_refresh(connect_mock(**slow)) for _ in range(10)]
    for run_id in runs:
        nudge(run_id)
    until(lambda: all(row_of(run_id).status == "running" for run_id in runs))
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=PATIENCE_S) == 0
    assert {(row_of(run_id).status, row_of(run_id).attempt) for run_id in runs} == {("queued", 0)}

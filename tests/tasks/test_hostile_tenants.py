"""Three users whose banks hang hold their share of a worker and no more; fifty others wait for nobody."""

import os
import signal
import socket
import subprocess
import sys
import uuid
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.factories import make_sealed_connection
from tests.waiting import until
from worker.client import WorkerClient
from worker.connectors.mock import MockConfig
from worker.connectors.mock.config import MockMode
from worker.connectors.simplefin import SimpleFinConfig
from worker.errors import ConflictError
from worker.runs import follow_up_requests
from worker.runs.request import request_run
from worker.runs.states import RunKind, RunRequest

PLACES = 20
PER_USER = 4
HOSTILE, HONEST, FLOOD = 3, 50, 12


@pytest.fixture
def worker(settings, tmp_path):
    """One worker of threads, as it is started by default."""
    environment = {name: value for name, value in os.environ.items() if name != "RUNS_PER_USER"} | {
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "REDIS_URL": settings.redis_url.get_secret_value(),
        "CREDENTIAL_KEYS": settings.credential_keys.get_secret_value(),
        "FINMIND_HEALTH_DIR": str(tmp_path / "health"),
        "PROVIDER_PRIVATE_HOSTS": "127.0.0.1:*",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    command = [sys.executable, "-m", "worker.celery_command", "worker", "-n", "interactive@test", "-P", "threads"]
    with (tmp_path / "worker.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "-c", str(PLACES), "-Q", "interactive,celery"],
            env=environment, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    yield process
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture
def silent_bank():
    """A server that takes every connection and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=200) as server:
        yield f"http://user:password@127.0.0.1:{server.getsockname()[1]}/simplefin"


@pytest.fixture
def link(opened):
    """Make a connection of a user with this config."""

    def make(user_id, connector_name, config):
        return make_sealed_connection(opened.sessions, opened.vault, user_id, config, connector_name=connector_name)

    return make


@pytest.fixture
def people(sessions):
    """Return new users."""

    def make(number):
        with sessions() as session:
            return [
                session.scalar(
                    text("INSERT INTO users (email, password_hash) VALUES (:email, 'x') RETURNING id"),
                    {"email": f"{uuid.uuid4().hex}@example.test"},
                )
                for _ in range(number)
            ]

    return make


@pytest.mark.processes
@pytest.mark.usefixtures("worker")
def test_hanging_banks_hold_their_users_share_and_a_cancel_ends_their_wait(
    settings, sessions, people, link, silent_bank, row_of
):
    slow = MockConfig(mode=MockMode.SLOW, delay_s=60)
    silent = SimpleFinConfig(access_url=silent_bank)
    hostile = [
        link(user_id, *(("mock", slow) if number % 2 else ("simplefin", silent)))
        for user_id in people(HOSTILE)
        for number in range(FLOOD)
    ]
    client = WorkerClient(settings.redis_url.get_secret_value())

    def ask(connections):
        asked = []
        for connection_id in connections:
            with sessions() as session:
                asked.append(request_run(session, RunRequest(connection_id=connection_id, kind=RunKind.REFRESH)))
        for run_id in asked:
            client.nudge(run_id)
        return asked

    def running(*, of=None):
        found = [run_id for run_id in of or hanging if row_of(run_id).status == "running"]
        return found if len(found) == HOSTILE * PER_USER else None

    hanging = ask(hostile)
    until(running)

    quick = MockConfig(history_days=5, accounts=1)
    asked = ask([link(user_id, "mock", quick) for user_id in people(HONEST)])
    until(lambda: all(row_of(run_id).status == "succeeded" for run_id in asked))
    held = until(running)  # the silent bank's time may have run out, and the user's next run begun
    assert "queued" in {row_of(run_id).status for run_id in hanging}

    for run_id in held:
        with sessions() as session, suppress(ConflictError):  # it ended by itself this very moment
            follow_up_requests.cancel(session, run_id)
    until(lambda: not any(row_of(run_id).status == "running" for run_id in held))
    assert "cancelled" in {row_of(run_id).status for run_id in held}
    client.close()

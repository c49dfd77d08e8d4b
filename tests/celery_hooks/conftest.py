"""A connection with sealed config, and a worker process for the broker of a test."""

import base64
import os
import subprocess
import sys
from contextlib import contextmanager

import pytest

from tests.factories import make_connection
from tests.waiting import PATIENCE_S
from worker.broker import Queue
from worker.connections.credentials import new_config_values
from worker.connectors.mock import MockConfig
from worker.credentials import open_vault
from worker.models import BankConnection, BankImportRun
from worker.settings import Settings


@pytest.fixture
def base_environment(database_url, tmp_path):
    """What a worker needs apart from its broker."""
    key = base64.b64encode(os.urandom(32)).decode()
    return {
        "DATABASE_URL": database_url,
        "CREDENTIAL_KEYS": f"test:{key}",
        "FINMIND_HEALTH_DIR": str(tmp_path / "health"),
    }


@pytest.fixture
def settings_of():
    """Read settings from an environment."""

    def read(environment):
        return Settings(_env_file=None, **{name.lower(): value for name, value in environment.items()})

    return read


@pytest.fixture
def connection_id(sessions, user_id, environment, settings_of):
    """A connection of the mock bank, for the `environment` of the test module."""
    with sessions() as session:
        made = make_connection(session, user_id)
        row = session.get(BankConnection, made)
        sealed = new_config_values(
            open_vault(settings_of(environment)), MockConfig(), connection_id=made, user_id=user_id
        )
        for name, value in sealed.items():
            setattr(row, name, value)
    return made


@pytest.fixture
def worker(environment, tmp_path):
    """Run a worker of two threads for all queues during a block; gives the path of its log."""

    @contextmanager
    def run():
        log = tmp_path / "worker.log"
        command = [sys.executable, "-m", "worker.celery_command", "worker", "--queues", ",".join(Queue)]
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*command, "--pool", "threads", "--concurrency", "2"],
                env=os.environ | environment, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
            try:
                yield log
            finally:
                process.terminate()
                process.wait(PATIENCE_S)

    return run


@pytest.fixture
def status_of(sessions):
    """Return the status of a run."""

    def read(run_id):
        with sessions() as session:
            return session.get(BankImportRun, run_id).status

    return read

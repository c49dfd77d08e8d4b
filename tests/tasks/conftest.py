"""Runs executed in this process, against the made-up bank."""

import pytest

from tests.factories import make_sealed_connection
from worker.connectors.mock import MockConfig
from worker.credentials import generate_key
from worker.models import BankImportRun
from worker.runs.request import request_run
from worker.runs.states import RunKind, RunRequest
from worker.runtime import runtime
from worker.settings import Settings
from worker.tasks.execution import execute_run


@pytest.fixture
def settings(database_url, redis_url):
    return Settings(_env_file=None, database_url=database_url, redis_url=redis_url, credential_keys=generate_key())


@pytest.fixture
def opened(settings):
    with runtime(settings) as found:
        yield found


@pytest.fixture
def connect_mock(opened, user_id):
    """Link a made-up bank; values are its config."""

    def make(owner_id=user_id, **config):
        return make_sealed_connection(opened.sessions, opened.vault, owner_id, MockConfig(**config))

    return make


@pytest.fixture
def ask_import(sessions):
    """Ask for an import and return the id of the run."""

    def ask(connection_id):
        with sessions() as session:
            return request_run(session, RunRequest(connection_id=connection_id, kind=RunKind.IMPORT))

    return ask


@pytest.fixture
def execute(opened):
    """Execute a run, through another runtime if one is given."""

    def once(run_id, through=None):
        execute_run(through or opened, run_id, worker_name="test", soft_limit_s=240)

    return once


@pytest.fixture
def row_of(sessions):
    """Read the row of a run."""

    def read(run_id):
        with sessions() as session:
            return session.get_one(BankImportRun, run_id)

    return read

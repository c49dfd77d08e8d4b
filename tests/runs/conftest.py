"""Short words for what the tests of runs do over and over."""

import pytest

from tests.factories import make_connection
from tests.leases import claim
from worker.runs.request import request_run
from worker.runs.states import RunKind, RunRequest


@pytest.fixture
def connect(sessions, user_id):
    """Write a connection; values are columns."""

    def make(user: int | None = None, **values):
        with sessions() as session:
            return make_connection(session, user or user_id, **values)

    return make


@pytest.fixture
def ask(sessions):
    """Write a waiting run of a connection; values are fields of the request."""

    def make(connection_id, **values):
        with sessions() as session:
            request = RunRequest(**({"connection_id": connection_id, "kind": RunKind.REFRESH} | values))
            return request_run(session, request)

    return make


@pytest.fixture
def take(sessions):
    """Claim a run."""

    def make(run_id):
        with sessions() as session:
            return claim(session, run_id, worker_name="w", lease_s=60)

    return make


@pytest.fixture
def another_user(sessions):
    """Write one more user and return the id."""
    from sqlalchemy import text

    def make(name: str):
        with sessions() as session:
            return session.execute(
                text("INSERT INTO users (email, password_hash) VALUES (:email, 'x') RETURNING id"),
                {"email": f"{name}@example.test"},
            ).scalar_one()

    return make

"""While the key service is down runs wait; nothing blames the user, and everything goes on when it is back."""

import os
import uuid

import pytest
from sqlalchemy import text

from tests.credentials.transit_server import TOKEN, TransitDouble
from tests.factories import make_connection
from worker.connections.credentials import new_config_values
from worker.connectors.mock import MockConfig
from worker.runs.request import request_run
from worker.runs.states import RunKind, RunRequest
from worker.runtime import runtime
from worker.settings import Settings
from worker.tasks.execution import execute_run


@pytest.fixture
def transit():
    double = TransitDouble()
    yield double
    double.close()


@pytest.fixture
def opened(monkeypatch, transit, database_url, redis_url):
    for name in list(os.environ):
        if name.startswith(("CREDENTIAL_", "VAULT_")):
            monkeypatch.delenv(name)
    settings = Settings(
        _env_file=None,
        database_url=database_url,
        redis_url=redis_url,
        credential_transit_keys="v1=transit/finmind",
        vault_addr=transit.address,
        vault_token=TOKEN,
    )
    with runtime(settings) as found:
        yield found


@pytest.fixture
def connection_id(opened, user_id):
    row_id = uuid.uuid4()
    values = new_config_values(opened.vault, MockConfig(history_days=10), connection_id=row_id, user_id=user_id)
    with opened.sessions() as session:
        return make_connection(session, user_id, id=row_id, **values)


def execute(opened, connection_id) -> tuple[str, str]:
    with opened.sessions() as session:
        run_id = request_run(session, RunRequest(connection_id=connection_id, kind=RunKind.IMPORT))
        session.execute(text("UPDATE bank_import_runs SET not_before = now() WHERE id = :id"), {"id": run_id})
    execute_run(opened, run_id, worker_name="test", soft_limit_s=240)
    with opened.sessions() as session:
        return tuple(
            session.execute(text("SELECT status, code FROM bank_import_runs WHERE id = :id"), {"id": run_id}).one()
        )


def test_a_run_is_deferred_with_its_own_code_and_goes_on_later(opened, transit, connection_id):
    transit.sealed = True
    opened.vault._providers["v1"]._known.clear()  # as in a worker that has just started
    assert execute(opened, connection_id) == ("deferred", "key_provider_down")
    with opened.sessions() as session:
        status, failures = session.execute(text("SELECT status, consecutive_failures FROM bank_connections")).one()
        assert (status, failures) == ("active", 0)
    transit.sealed = False
    opened.vault._providers["v1"]._down_until_s = 0  # the pause is over
    assert execute(opened, connection_id) == ("succeeded", "ok")

"""From the operator's wish to a file that replays: through the worker, the page of the operator and the commands."""

import json
import os
import uuid
from datetime import UTC, datetime

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import text as sql

from tests.api.conftest import JWT_SECRET
from tests.fakes.simplefin_bank import made_up_bank
from tests.fakes.simplefin_server import Fault, SimpleFinServer
from worker.cli import environment
from worker.cli.main import run
from worker.connections.lifecycle import NewConnection, add
from worker.credentials import generate_key
from worker.errors import ConflictError, NotFoundError
from worker.recordings.store import ask_for_recording, prune_recordings, recording_of
from worker.runs.request import request_run
from worker.runs.states import RunKind, RunRequest
from worker.runtime import open_connection_service, open_runtime
from worker.settings import Settings
from worker.tasks.execution import execute_run

OPERATOR = ("ada", "a-password-of-many-letters")


@pytest.fixture
def runtime(database_url, redis_url, server):
    opened = open_runtime(
        Settings(
            database_url=database_url, redis_url=redis_url, credential_keys=generate_key(), jwt_secret=JWT_SECRET,
            provider_private_hosts=f"127.0.0.1:{server.port}",
            ops_basic_auth=SecretStr(":".join(OPERATOR)), connectors_enabled="all",
        ),
        role="test",
    )  # fmt: skip
    yield opened
    opened.close()


@pytest.fixture
def server():
    bank = made_up_bank(datetime.now(UTC).date())
    bank.accounts[0].name = "Canaria Vogelsang (1234)"
    with SimpleFinServer(bank) as running:
        yield running


@pytest.fixture
def connection_id(runtime, server, user_id):
    config = {"access_url": server.access_url}
    return add(
        open_connection_service(runtime), NewConnection(user_id=user_id, connector_name="simplefin", config=config)
    )


def work(runtime, run_id):
    return execute_run(runtime, run_id, worker_name="test", soft_limit_s=300)


def ask(runtime, connection_id, *, record=True):
    with runtime.sessions() as session:
        run_id = request_run(session, RunRequest(connection_id=connection_id, kind=RunKind.REFRESH))
        if record:
            ask_for_recording(session, run_id)
    return run_id


def kept(runtime, run_id):
    with runtime.sessions() as session:
        return recording_of(session, run_id)


def test_a_run_is_recorded_and_the_commands_replay_it(runtime, server, connection_id, database_url, tmp_path, capsys):
    paths = []
    for place in (1, 2):
        run_id = ask(runtime, connection_id)
        assert kept(runtime, run_id) is None
        assert work(runtime, run_id).status == "succeeded"
        paths.append(tmp_path / f"{place}.json")
        paths[-1].write_text(kept(runtime, run_id))
        for canary in ("Vogelsang", server.password, server.access_url):
            assert canary not in paths[-1].read_text()
    assert run(["replay", *map(str, paths), "--database", database_url]) == 0
    assert "the same" in capsys.readouterr().out
    changed = json.loads(paths[0].read_text())
    changed["decisions"][0]["reason"] = "another"
    paths[0].write_text(json.dumps(changed))
    assert run(["replay", str(paths[0]), "--database", database_url, "--json"]) == 1
    assert len(json.loads(capsys.readouterr().out)[0]["differences"]) == 2


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": "another"}', '{"format": "finmind-recording-1"}'])
def test_a_file_that_is_no_recording_is_refused(tmp_path, text, database_url):
    path = tmp_path / "x.json"
    path.write_text(text)
    assert run(["replay", str(path), "--database", database_url]) == 2


def test_a_run_that_was_not_to_be_recorded_keeps_nothing(runtime, connection_id):
    run_id = ask(runtime, connection_id, record=False)
    work(runtime, run_id)
    with pytest.raises(NotFoundError):
        kept(runtime, run_id)
    with pytest.raises(ConflictError), runtime.sessions() as session:
        ask_for_recording(session, run_id)


def test_the_secret_of_a_connection_is_made_once_and_is_in_no_recording(runtime, connection_id, sessions):
    run_ids = [ask(runtime, connection_id)]
    work(runtime, run_ids[0])
    run_ids.append(ask(runtime, connection_id))
    work(runtime, run_ids[1])
    with sessions() as session:
        [(key,)] = session.execute(sql("SELECT DISTINCT scrub_key FROM bank_recordings")).all()
    assert all(bytes(key).hex() not in kept(runtime, run_id) for run_id in run_ids)
    with sessions() as session:
        session.execute(sql("UPDATE bank_recordings SET requested_at = now() - interval '8 days'"))
        assert prune_recordings(session) == 2


def test_a_run_that_ends_without_its_bank_is_said_to_have_no_recording(runtime, connection_id, sessions):
    run_id = ask(runtime, connection_id)
    with sessions() as session:
        session.execute(sql("UPDATE bank_import_runs SET status = 'cancelled', code = 'cancelled',"
                            " finished_at = now() - interval '2 minutes', not_before = NULL"))  # fmt: skip
    with pytest.raises(ConflictError, match="ended before"):
        kept(runtime, run_id)


def test_a_run_that_was_deferred_in_the_middle_is_no_recording_in_part(runtime, server, connection_id, sessions):
    server.fail(Fault(status=429, times=1))
    run_id = ask(runtime, connection_id)
    assert work(runtime, run_id).status == "deferred"
    with sessions() as session:
        session.execute(sql("UPDATE bank_import_runs SET not_before = now()"))
        session.execute(sql("UPDATE bank_connections SET rate_limited_until = NULL, rate_limit_code = NULL"))
    assert work(runtime, run_id).status == "succeeded"
    with pytest.raises(ConflictError, match="went on"):
        kept(runtime, run_id)


def test_a_made_up_bank_has_nothing_to_record(runtime, user_id):
    connection_id = add(
        open_connection_service(runtime), NewConnection(user_id=user_id, connector_name="mock", config={})
    )
    run_id = ask(runtime, connection_id)
    work(runtime, run_id)
    with pytest.raises(ConflictError, match="exchanged nothing"):
        kept(runtime, run_id)


def test_the_operator_records_over_http_and_nobody_else(runtime, connection_id):
    from worker.api.app import create_app

    with TestClient(create_app(runtime), headers={"Origin": "http://testserver"}) as client:
        page = f"/ops/connections/{connection_id}/recordings"
        assert client.post(page).status_code == 401
        assert client.post(page, auth=OPERATOR, headers={"Origin": "http://evil.test"}).status_code == 403
        asked = client.post(page, auth=OPERATOR).json()
        assert client.get(asked["url"], auth=OPERATOR).status_code == 202
        work(runtime, uuid.UUID(asked["run_id"]))
        found = client.get(asked["url"], auth=OPERATOR)
        assert (found.status_code, found.json()["connector"]) == (200, "simplefin")
        assert client.get(asked["url"]).status_code == 401


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch, tmp_path, database_url, redis_url):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("REDIS_URL", redis_url)
    environment.settings.cache_clear()
    before = dict(os.environ)
    yield
    environment.settings.cache_clear()
    for name in set(os.environ) - set(before):
        del os.environ[name]

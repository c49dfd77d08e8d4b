"""What a run asked the bank is told to its person, to operators and on the command line, and holds nothing secret."""

from datetime import UTC, datetime

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import text

from tests.api.conftest import JWT_SECRET, token
from tests.fakes.simplefin_bank import made_up_bank
from tests.fakes.simplefin_server import SimpleFinServer
from tests.leases import claim
from worker.api.app import create_app
from worker.cli import environment
from worker.cli.main import run as command
from worker.connections.lifecycle import NewConnection, add
from worker.credentials import generate_key
from worker.net.request_timing import MeasuredRequest
from worker.runs.lease import extend
from worker.runs.request import request_run
from worker.runs.states import RunKind, RunRequest
from worker.runtime import open_connection_service, open_runtime
from worker.settings import Settings
from worker.tasks.execution import execute_run

CANARY = "canary-DE02120300000000202051"


@pytest.fixture
def bank():
    made_up = made_up_bank(datetime.now(UTC).date())
    made_up.accounts[0].id = CANARY
    with SimpleFinServer(made_up) as running:
        yield running


@pytest.fixture
def opened(database_url, redis_url, bank):
    found = open_runtime(
        Settings(
            _env_file=None,
            database_url=database_url,
            redis_url=redis_url,
            credential_keys=generate_key(),
            jwt_secret=JWT_SECRET,
            provider_private_hosts=f"127.0.0.1:{bank.port}",
            ops_basic_auth=SecretStr("ada:a-password-of-many-letters"),
        ),
        role="test",
    )
    yield found
    found.close()


@pytest.fixture
def addressed(monkeypatch, database_url, redis_url):
    """The environment of a command says where this test's servers are."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("REDIS_URL", redis_url)
    environment.settings.cache_clear()
    yield
    environment.settings.cache_clear()


@pytest.mark.usefixtures("addressed")
def test_the_requests_of_all_attempts_are_told_without_anything_secret(opened, bank, sessions, user_id, capsys):
    wanted = NewConnection(user_id=user_id, connector_name="simplefin", config={"access_url": bank.access_url})
    connection_id = add(open_connection_service(opened), wanted)
    with sessions() as session:
        run_id = request_run(session, RunRequest(connection_id=connection_id, kind=RunKind.IMPORT))
        lost = claim(session, run_id, worker_name="lost@host")
        lost.log.note(
            MeasuredRequest(
                method="GET", endpoint="accounts", account_id=CANARY, result="timeout", took_s=1.25, body_bytes=0,
                is_answered=False,
            )
        )  # fmt: skip
        extend(session, lost, lease_s=-1)
    assert execute_run(opened, run_id, worker_name="next@host", soft_limit_s=240).status == "succeeded"
    with TestClient(create_app(opened)) as client:
        as_person = {"Authorization": f"Bearer {token(user_id)}"}
        told = client.get(f"/bank-connections/import-runs/{run_id}/timeline", headers=as_person).json()["items"]
        as_stranger = {"Authorization": f"Bearer {token(user_id + 1)}"}
        refused = client.get(f"/bank-connections/import-runs/{run_id}/timeline", headers=as_stranger)
        shown = client.get(f"/ops/runs/{run_id}", auth=("ada", "a-password-of-many-letters")).text
    assert refused.status_code == 404
    asked = [one["request"] for one in told if one["request"]]
    assert [one["result"] for one in asked[:2]] == ["timeout", "200"]
    assert asked[1]["body_bytes"] > 100
    assert {one["label"] for one in asked} == {"accounts"}
    assert "the last sign of its worker, which was lost" in [one["what"] for one in told]
    assert command(["runs", "show", str(run_id), "--timeline", "--wide"]) == 0
    printed = capsys.readouterr().out
    with sessions() as session:
        stored = session.scalar(text("SELECT requests::text || earlier_attempts::text FROM bank_import_runs"))
    for where in (shown, printed):
        assert "GET accounts: timeout in 1.25 s" in where
    assert ("lost@host" in shown, "lost@host" in str(told)) == (True, False)
    for where in (str(told), stored, shown, printed):
        for secret in (bank.password, bank.user, bank.access_url, f":{bank.port}", CANARY):
            assert secret not in where

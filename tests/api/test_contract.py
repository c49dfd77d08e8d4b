"""The published contract holds on the running server, under input that fits it and input that does not."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from openapi_schema_validator import OAS31Validator

from tests.api.conftest import token
from tests.api.serving import serving
from tests.api.test_tenants import snapshot, victims  # noqa: F401 - a fixture
from worker.telemetry.logs import setup_logging

CONFIG = Path(__file__).with_name("schemathesis.toml")


@pytest.fixture
def server(app) -> Iterator[str]:
    """The application on a port of its own."""
    app.openapi()  # is built once, which takes longer on a busy machine than schemathesis waits for it
    with serving(app) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def _quiet():
    setup_logging(level="ERROR", json=True)


def test_the_document_is_openapi_3_1_with_events_examples_and_problems(app):
    document = app.openapi()
    assert document["openapi"].startswith("3.1")
    assert {"import.completed", "expense.created", "connection.needs_user"} <= set(document["webhooks"])
    for name, schema in document["components"]["schemas"].items():
        OAS31Validator.check_schema(schema), name
    operations = [one for path in document["paths"].values() for one in path.values()]
    assert all("404" in one["responses"] and one["security"] for one in operations)
    assert len({one["operationId"] for one in operations}) == len(operations)


def explore(server, user_id, folder, config, *options):
    """Let schemathesis try the published contract as a user."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(config)),
            *("run", f"{server}/bank-connections/openapi.json", "--checks", "all"),
            *("--header", f"Authorization: Bearer {token(user_id)}"),
            *("--seed", "7", "--no-color", "--suppress-health-check", "all", *options),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


@pytest.mark.long
@pytest.mark.usefixtures("_quiet")
def test_the_running_server_keeps_the_contract(server, user_id, tmp_path):
    explore(server, user_id, tmp_path, CONFIG, "--max-examples", "3")


@pytest.mark.usefixtures("_quiet")
def test_no_request_of_one_tenant_reaches_what_another_one_has(
    app,
    victims,  # noqa: F811 - a fixture
    other_user_id,
    sessions,
    tmp_path,
):
    """Bodies and queries that fit the contract and that do not, at each path with an id, with the ids of somebody."""
    answers = []

    async def noting(scope, receive, send):
        async def note(message):
            if message["type"] == "http.response.start":
                answers.append((scope["method"], scope["path"], message["status"]))
            await send(message)

        await app(scope, receive, note if scope["type"] == "http" else send)

    parameters = "".join(f'"path.{name}" = {json.dumps(str(value))}\n' for name, value in victims.items())
    config = tmp_path / "two-tenants.toml"
    config.write_text(CONFIG.read_text().replace("[parameters]\n", f"[parameters]\n{parameters}"))
    before = snapshot(sessions)
    app.openapi()  # is built once, which takes longer on a busy machine than schemathesis waits for it
    with serving(noting) as port:
        options = ("--include-path-regex", r"\{", "--phases", "fuzzing", "--max-examples", "1")
        explore(f"http://127.0.0.1:{port}", other_user_id, tmp_path, config, *options)
    ids = [f"/{value}" for value in victims.values()]
    theirs = [answer for answer in answers if any(one in answer[1] for one in ids)]
    assert len(theirs) > 30
    assert [answer for answer in theirs if answer[2] < 400] == []
    assert snapshot(sessions) == before

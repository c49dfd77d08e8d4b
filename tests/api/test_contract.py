"""The published contract holds on the running server, under input that fits it and input that does not."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from openapi_schema_validator import OAS31Validator

from tests.api.conftest import token
from worker.telemetry.logs import setup_logging

CONFIG = Path(__file__).with_name("schemathesis.toml")


@pytest.fixture
def server(app) -> Iterator[str]:
    """The application on a port of its own."""
    running = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False))
    thread = threading.Thread(target=running.run)
    thread.start()
    try:
        while not running.started:
            thread.join(0.02)
            assert thread.is_alive()
        port = running.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        running.should_exit = True
        thread.join(10)


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


@pytest.mark.usefixtures("_quiet")
def test_the_running_server_keeps_the_contract(server, user_id, tmp_path):
    done = subprocess.run(
        [
            *(
                sys.executable,
                "-m",
                "schemathesis.cli",
                "--config-file",
                str(CONFIG),
                "run",
                f"{server}/bank-connections/openapi.json",
            ),
            *("--header", f"Authorization: Bearer {token(user_id)}", "--checks", "all"),
            *("--max-examples", "3", "--seed", "7", "--no-color", "--suppress-health-check", "all"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]

"""Every route of the application that is added asks who is there, unless it is named here."""

import re

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from tests.api.serving import routes_of
from worker.api import ops
from worker.api.app import create_app
from worker.runtime import open_runtime

OPEN = {
    "/": "leads to the operator's page",
    "/health": "says that the process answers",
    "/docs": "shows the published contract",
    "/docs/style.css": "is how that looks",
    "/metrics": "is scraped inside of the network",
    "/bank-connections/openapi.json": "is the published contract",
    "/bank-connections/provider-webhooks/{connector_name}": "takes what its provider signed",
}
STRANGERS = [
    {},
    {"Authorization": "Basic "},
    {"Authorization": "Basic b3BlcmF0b3I6"},
    {"Authorization": "Bearer null"},
    {"Authorization": "Bearer e30.e30."},
    {"X-Forwarded-User": "operator", "X-Remote-User": "1", "X-User-Id": "1"},
]


@pytest.fixture
def closed(settings):
    log_in = SecretStr("operator:a-long-password-of-theirs")
    app = create_app(open_runtime(settings.model_copy(update={"ops_basic_auth": log_in})))
    with TestClient(app, raise_server_exceptions=False, follow_redirects=False) as client:
        yield client


def _doors(client):
    """Return every method and path: those of the contract, and those that it leaves out."""
    published = client.app.openapi()["paths"]
    found = {(method.upper(), path) for path, methods in published.items() for method in methods}
    for path, route in (*routes_of(client.app.router), *routes_of(ops.router)):
        is_hidden = not route.include_in_schema or path.startswith("/ops")
        if is_hidden and not path.startswith("/provider-webhooks"):
            found |= {(method, path) for method in route.methods}
    return sorted(found)


@pytest.mark.parametrize("headers", STRANGERS)
def test_a_stranger_gets_through_no_door_that_is_not_named(closed, headers):
    tried = 0
    for method, path in _doors(closed):
        if path in OPEN:
            continue
        tried += 1
        url = re.sub(r"{\w+(:\w+)?}", lambda place: "1" if place[1] else "0b6c2a54-8f5e-4c39-9d0e-3f1f7f0c9c11", path)
        answer = closed.request(method, url, headers=headers)
        assert answer.status_code == 401, f"{method} {path}: {answer.status_code} {answer.text[:200]}"
    assert tried > 45


def test_no_answer_sends_anybody_to_where_the_host_header_says(closed):
    for method, path in _doors(closed):
        url = re.sub(r"{\w+(:\w+)?}", "1", path)
        answer = closed.request(method, f"{url}/", headers={"Host": "evil.test"})
        assert "evil.test" not in answer.headers.get("Location", ""), f"{method} {url}/"


def test_a_body_of_two_lengths_is_refused_and_ends_its_connection(closed):
    lengths = {"Content-Length": "2", "Transfer-Encoding": "chunked"}
    answer = closed.post("/bank-connections/connections", content=b"{}", headers=lengths)
    assert (answer.status_code, answer.headers["Connection"]) == (400, "close")

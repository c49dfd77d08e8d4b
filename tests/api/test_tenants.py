"""Ids of somebody else, on every operation of the published contract, and on those that will be added to it."""

import uuid

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from tests.api.conftest import token
from worker.tasks.execution import execute_run

BASE = "/bank-connections"
BODIES = {
    "change_connection": {"display_name": "Mine now"},
    "refresh_auth": {"config": {}},
    "change_account": {"included": False},
    "change_subscription": {"url": "https://hooks.example.com/x"},
    "replay_deliveries": {},
    "unmatch_transaction": {},
    "dismiss_rejection": {"why": "not mine"},
    "dismiss_rejections": {"code": "amount_invalid", "why": "not mine"},
    "reopen_rejections": {"code": "amount_invalid"},
    "move_bank_account": {"connection_id": "00000000-0000-0000-0000-000000000001"},
}
"""A good body for each operation that has an id in its path and needs one."""

ODD_IDS = ["0", "-1", "1e3", "9" * 40, "%00", "..%2f..", "\uff11", "null", "' OR 1=1"]
ODD_IDS += ["0b6c2a54-8f5e-4c39-9d0e-3f1f7f0c9c1\u0131"]
NAMES = (
    "connection_id", "run_id", "subscription_id", "account_id", "delivery_id", "suggestion_id", "transaction_id",
    "bank_account_id", "source_id", "rejection_id",
)  # fmt: skip


_REJECTED = text(
    "INSERT INTO bank_import_rejections (run_id, connection_id, identity, code, message, raw)"
    " SELECT id, connection_id, '', 'amount_invalid', 'no number', '{}' FROM bank_import_runs WHERE id = :run_id"
    " RETURNING id"
)


@pytest.fixture
def victims(client, sessions):
    """Everything of one user that has an id, by the name of its parameter."""
    return things_of(client, sessions)


def things_of(client, sessions):
    """Make one of everything that has an id, for the user whose token the client sends."""
    app = client.app
    made = client.post(f"{BASE}/connections", json={"connector_name": "mock", "config": {}}).json()
    connection_id = made["id"]
    run_id = client.post(f"{BASE}/connections/{connection_id}/import").json()["id"]
    hook = {"url": "https://hooks.example.com/x", "event_types": ["*"]}
    subscription_id = client.post(f"{BASE}/webhooks", json=hook).json()["subscription_id"]
    execute_run(app.state.services.runtime, uuid.UUID(run_id), worker_name="test", soft_limit_s=240)
    client.post(f"{BASE}/webhooks/{subscription_id}/test")
    accounts = client.get(f"{BASE}/connections/{connection_id}/accounts").json()["items"]
    deliveries = client.get(f"{BASE}/webhooks/deliveries").json()["items"]
    with sessions() as session:
        of_run = {"run_id": run_id}
        transaction_id = session.scalar(
            text("SELECT min(id) FROM bank_transactions WHERE first_run_id = :run_id"), of_run
        )
        rejection_id = session.scalar(_REJECTED, of_run)
        event_id = session.scalar(
            text("SELECT id FROM webhook_events WHERE subscription_id = :id"), {"id": subscription_id}
        )
    return {
        "connection_id": connection_id,
        "run_id": run_id,
        "subscription_id": subscription_id,
        "account_id": accounts[0]["id"],
        "delivery_id": deliveries[0]["id"] if deliveries else 1,
        "suggestion_id": 1,
        "transaction_id": transaction_id,
        "bank_account_id": client.get(f"{BASE}/accounts").json()["items"][0]["id"],
        "source_id": accounts[0]["id"],
        "rejection_id": rejection_id,
        "event_id": f"evt_{event_id.hex}",
    }


def operations(client):
    for path, methods in client.app.openapi()["paths"].items():
        for method, operation in methods.items():
            if "{" in path:
                yield method, path, operation["operationId"]


def snapshot(sessions, user_id=None):
    """Return the rows of one user, or of all."""
    tables = ("bank_connections", "bank_connection_accounts", "bank_import_runs", "webhook_subscriptions", "expenses")
    whose = "" if user_id is None else f"WHERE t.user_id = {int(user_id)}"
    with sessions() as session:
        return [session.scalars(text(f"SELECT t::text FROM {table} t {whose} ORDER BY 1")).all() for table in tables]


def test_an_id_of_somebody_else_is_an_id_that_does_not_exist(client, sessions, victims, other_user_id):
    before = snapshot(sessions)
    theirs = {"Authorization": f"Bearer {token(other_user_id)}"}
    for method, path, operation in operations(client):
        url = path.format(**victims)
        answer = client.request(method, url, headers=theirs, json=BODIES.get(operation))
        made_up = path.format(**dict.fromkeys(NAMES, uuid.uuid4()))
        unknown = client.request(method, made_up, headers=theirs, json=BODIES.get(operation))
        assert answer.status_code == 404, f"{operation}: {answer.status_code} {answer.text}"
        assert answer.json()["code"] == "not_found"
        assert unknown.status_code in {404, 422}, operation
        assert client.request(method, url, headers={"Authorization": "Bearer x"}).status_code == 401, operation
    assert snapshot(sessions) == before


def test_ids_of_two_users_do_not_mix_in_one_path(client, sessions, victims, other_user_id):
    theirs = {"Authorization": f"Bearer {token(other_user_id)}"}
    own = client.post(f"{BASE}/connections", json={"connector_name": "mock", "config": {}}, headers=theirs).json()["id"]
    before = snapshot(sessions)
    url = f"{BASE}/connections/{own}/accounts/{victims['account_id']}"
    assert client.patch(url, json={"included": False}, headers=theirs).status_code == 404
    assert snapshot(sessions) == before


def stated_ids(client):
    """Yield each operation with each id that its query or body may state."""
    schemas = client.app.openapi()["components"]["schemas"]
    for path, methods in client.app.openapi()["paths"].items():
        for method, operation in methods.items():
            for one in operation.get("parameters", []):
                if one["in"] == "query" and one["name"].endswith("_id"):
                    yield method, path, operation["operationId"], "params", one["name"]
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            for part in (body, *body.get("anyOf", [])):
                for name in schemas.get(part.get("$ref", "").rpartition("/")[2], {}).get("properties", {}):
                    if name.endswith("_id"):
                        yield method, path, operation["operationId"], "json", name


MORE = {"begin_link": {"connector_name": "plaid"}, "move_bank_account": {"preview": True}}
"""What else a body needs beside the id."""


def test_an_id_of_somebody_else_in_a_query_or_body_leads_nowhere(client, sessions, victims, user_id, other_user_id):
    headers = {"Authorization": f"Bearer {token(other_user_id)}"}
    telling = [one for one in victims.values() if isinstance(one, str)]  # numbers occur in any answer
    with TestClient(client.app, headers=headers, raise_server_exceptions=False) as eve:
        own = things_of(eve, sessions)
        before = snapshot(sessions, user_id)
        tried = []
        for method, path, operation, place, name in stated_ids(client):
            content = {name: victims.get(name)} | (MORE.get(operation, {}) if place == "json" else {})
            answer = eve.request(method, path.format(**own), **{place: content})
            tried.append((operation, name))
            told = answer.text.replace(str(victims.get(name)), "")  # that id itself may be said not to exist
            assert not [one for one in telling if one in told], f"{operation} {answer.text}"
            if name == "account_id":  # the bank's, of the connection in the path
                continue
            assert answer.status_code in {404, 422} or answer.json()["items"] == [], f"{operation} {answer.text}"
        assert snapshot(sessions, user_id) == before
    assert {("move_bank_account", "connection_id"), ("replay_deliveries", "event_id")} <= {*tried}


@pytest.mark.parametrize("odd", ODD_IDS)
def test_an_odd_id_is_refused_and_nothing_breaks(client, odd):
    for method, path, operation in operations(client):
        names = dict.fromkeys(NAMES, odd)
        answer = client.request(method, path.format(**names), json=BODIES.get(operation))
        assert answer.status_code in {404, 405, 422, 307}, f"{operation} {odd!r}: {answer.status_code}"

"""Ids of somebody else, on every operation of the published contract, and on those that will be added to it."""

import uuid

import pytest
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
    "move_bank_account": {"connection_id": "00000000-0000-0000-0000-000000000001"},
}
"""A good body for each operation that has an id in its path and needs one."""

ODD_IDS = ["0", "-1", "1e3", "9" * 40, "%00", "..%2f..", "\uff11", "null", "' OR 1=1"]
ODD_IDS += ["0b6c2a54-8f5e-4c39-9d0e-3f1f7f0c9c1\u0131"]
NAMES = (
    "connection_id", "run_id", "subscription_id", "account_id", "delivery_id", "suggestion_id", "transaction_id",
    "bank_account_id", "source_id",
)  # fmt: skip


@pytest.fixture
def victims(client, app, connection_id, sessions):
    """Everything of one user that has an id, by the name of its parameter."""
    run_id = client.post(f"{BASE}/connections/{connection_id}/import").json()["id"]
    hook = {"url": "https://hooks.example.com/x", "event_types": ["*"]}
    subscription_id = client.post(f"{BASE}/webhooks", json=hook).json()["subscription_id"]
    execute_run(app.state.services.runtime, uuid.UUID(run_id), worker_name="test", soft_limit_s=240)
    client.post(f"{BASE}/webhooks/{subscription_id}/test")
    accounts = client.get(f"{BASE}/connections/{connection_id}/accounts").json()["items"]
    deliveries = client.get(f"{BASE}/webhooks/deliveries").json()["items"]
    with sessions() as session:
        transaction_id = session.scalar(text("SELECT min(id) FROM bank_transactions"))
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
    }


def operations(client):
    for path, methods in client.app.openapi()["paths"].items():
        for method, operation in methods.items():
            if "{" in path:
                yield method, path, operation["operationId"]


def snapshot(sessions):
    tables = ("bank_connections", "bank_connection_accounts", "bank_import_runs", "webhook_subscriptions", "expenses")
    with sessions() as session:
        return [session.scalars(text(f"SELECT t::text FROM {table} t ORDER BY 1")).all() for table in tables]


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


@pytest.mark.parametrize("odd", ODD_IDS)
def test_an_odd_id_is_refused_and_nothing_breaks(client, odd):
    for method, path, operation in operations(client):
        names = dict.fromkeys(NAMES, odd)
        answer = client.request(method, path.format(**names), json=BODIES.get(operation))
        assert answer.status_code in {404, 405, 422, 307}, f"{operation} {odd!r}: {answer.status_code}"

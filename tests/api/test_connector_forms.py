"""`GET /connectors` as a form: what a person fills in, what the operator sets, and what is wrong by field."""

import json

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from tests.fakes import up_server
from worker.api.app import create_app
from worker.errors import ConfigurationError
from worker.runtime import open_runtime

BASE = "/bank-connections"
KEYS = {
    "pluggy": {"client_id": "operator-client", "client_secret": "canary-operator-secret"},
    "up": {"webhook_secret": up_server.SECRET},
}


@pytest.fixture
def settings(settings):
    return settings.model_copy(update={"link_apps": SecretStr(json.dumps(KEYS))})


@pytest.fixture
def listed(client):
    return {one["name"]: one for one in client.get(f"{BASE}/connectors").json()["items"]}


def test_a_person_is_asked_for_what_is_theirs_and_never_for_the_operators_keys(listed):
    asked = {name: [field["name"] for field in one["fields"]] for name, one in listed.items()}
    assert asked["up"] == ["token", "webhook_id"]
    assert asked["pluggy"] == ["item_id"]
    assert asked["akahu"] == ["user_token"]
    assert asked["teller"] == ["access_key", "enrollment_id"]
    assert asked["simplefin"] == ["setup_token"]
    assert asked["plaid"] == asked["gocardless"] == asked["enablebanking"] == []


def test_a_field_says_its_title_where_it_is_found_and_whether_it_is_secret(listed):
    (token, _) = listed["up"]["fields"]
    assert (token["title"], token["secret"], token["required"]) == ("Personal access token", True, True)
    assert token["link"].startswith("https://api.up.com.au")
    choice = next(field for field in listed["trading212"]["fields"] if field["name"] == "environment")
    assert (choice["choices"], choice["default"], choice["required"]) == (["live", "demo"], "live", False)


def test_every_connector_says_how_it_is_linked_and_whether_the_operator_is_done(listed):
    linked = {name: one["linked_by"] for name, one in listed.items()}
    assert (linked["up"], linked["plaid"], linked["pluggy"], linked["file"]) == ("token", "browser", "browser", "file")
    ready = {name: one["ready"] for name, one in listed.items()}
    assert (ready["up"], ready["pluggy"]) == (True, True)
    assert (ready["akahu"], ready["plaid"]) == (False, False)
    assert listed["up"]["countries"] == ["AU"]
    assert "GB" in listed["enablebanking"]["countries"]


def test_the_schema_says_who_fills_in_each_of_its_fields(listed):
    by = {name: field["x-form"]["by"] for name, field in listed["pluggy"]["config_schema"]["properties"].items()}
    assert by == {
        "client_id": "operator", "client_secret": "operator", "item_id": "person", "webhook_secret": "operator",
        "access_token": "worker", "access_expires_at": "worker",
    }  # fmt: skip
    assert listed["plaid"]["config_schema"]["properties"]["secret"]["x-form"]["by"] == "operator"


def test_what_the_operator_set_need_not_be_given(client, listed):
    given = {field["name"]: "item-1" for field in listed["pluggy"]["fields"]}
    answer = client.post(f"{BASE}/connections", json={"connector_name": "pluggy", "config": given})
    assert answer.status_code == 201, answer.text


@pytest.mark.parametrize(
    ("config", "field"),
    [({}, "body.config.token"), ({"token": "t", "tokne": "x"}, "body.config.tokne")],
)
def test_what_is_wrong_in_a_config_names_its_field_and_not_its_value(client, config, field):
    answer = client.post(f"{BASE}/connections", json={"connector_name": "up", "config": config})
    assert answer.status_code == 422
    assert [one["field"] for one in answer.json()["errors"]] == [field]


def test_a_webhook_of_a_manifest_comes_in_by_the_same_door(client, sessions):
    config = {"token": "t", "webhook_id": up_server.WEBHOOK}
    assert client.post(f"{BASE}/connections", json={"connector_name": "up", "config": config}).status_code == 201
    body, headers = up_server.webhook("TRANSACTION_CREATED")
    door = f"{BASE}/provider-webhooks/up"
    assert client.post(door, content=body, headers=headers).status_code == 200
    assert client.post(door, content=body + b" ", headers=headers).status_code == 401
    with sessions() as session:
        kept = session.execute(text("SELECT connector_name, login_ref, action FROM provider_notices")).all()
        refs = session.execute(text("SELECT login_ref FROM bank_connections WHERE connector_name = 'up'")).all()
    assert kept == [("up", up_server.WEBHOOK, "refresh")]
    assert refs == [(up_server.WEBHOOK,)]


def test_keys_of_a_connector_that_is_not_installed_are_refused(settings):
    wrong = settings.model_copy(update={"link_apps": SecretStr('{"plaidd": {"secret": "hunter2"}}')})
    with pytest.raises(ConfigurationError, match="LINK_APPS: plaidd: no connector") as caught:
        create_app(open_runtime(wrong, role="test"))
    assert "hunter2" not in str(caught.value)


def test_a_wrong_manifest_of_the_operator_stops_the_start_with_file_and_line(settings, tmp_path):
    (tmp_path / "bank.toml").write_text('manifest = 1\nname = "bank"\ntitel = "Bank"\n')
    wrong = settings.model_copy(update={"connector_manifests": tmp_path})
    with pytest.raises(ConfigurationError, match=r"bank\.toml:3: titel: there is no such key, did you mean 'title'"):
        open_runtime(wrong, role="test")


def test_a_config_may_be_left_out_where_nothing_in_it_is_required(client):
    answer = client.post(f"{BASE}/connections", json={"connector_name": "mock"})
    assert answer.status_code == 201, answer.text
    missing = client.post(f"{BASE}/connections", json={"connector_name": "up"})
    assert [one["field"] for one in missing.json()["errors"]] == ["body.config.token"]

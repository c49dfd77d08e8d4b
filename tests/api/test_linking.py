"""Banks that are linked in a browser, over HTTP: the real flows against providers that keep state."""

import uuid
from contextlib import contextmanager
from dataclasses import replace

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import text

from tests.api.conftest import token
from tests.fakes import enablebanking_server, gocardless_server, plaid_server, truelayer_server
from tests.fakes.enablebanking_server import FakeEnableBanking
from tests.fakes.gocardless_server import FakeGoCardless
from tests.fakes.plaid_server import FakePlaid
from tests.fakes.provider_server import context_for, serving
from tests.fakes.truelayer_server import FakeTrueLayer
from worker.connections.linking import LinkService, read_link_apps
from worker.connections.linking.apps import LinkApps
from worker.connectors.base import Account
from worker.errors import ConfigurationError
from worker.importer.store.accounts.listed import sync_accounts

LINKS = "/bank-connections/links"
REDIRECT = "https://finmind.test/linked"
APPS = {
    "plaid": {"client_id": plaid_server.CLIENT_ID, "secret": plaid_server.SECRET},
    "enablebanking": {
        "application_id": enablebanking_server.APPLICATION,
        "private_key": enablebanking_server.PRIVATE_KEY,
    },
    "gocardless": {"secret_id": gocardless_server.SECRET_ID, "secret_key": gocardless_server.SECRET_KEY},
    "truelayer": truelayer_server.APP,
}
FAKES = {
    "plaid": FakePlaid,
    "enablebanking": FakeEnableBanking,
    "gocardless": FakeGoCardless,
    "truelayer": FakeTrueLayer,
}
STARTS = {
    "plaid": {"connector_name": "plaid"},
    "enablebanking": {
        "connector_name": "enablebanking",
        "bank": "Nordea",
        "country": "FI",
        "redirect_url": REDIRECT,
    },
    "gocardless": {"connector_name": "gocardless", "bank": "NORDEA_NDEAFIHH", "redirect_url": REDIRECT},
    "truelayer": {"connector_name": "truelayer", "redirect_url": REDIRECT},
}
RETURNS = {"plaid": {"public_token": "public-1"}, "enablebanking": {"code": "code-1"}, "gocardless": {}} | {
    "truelayer": {"code": "code-1"}
}
CONNECTORS = sorted(FAKES)


@pytest.fixture
def provider(app, request):
    """The API, with one provider behind it."""
    fake = FAKES[request.param]()

    @contextmanager
    def open_connector(connector, config):
        with context_for(fake.url) as context:
            yield connector(config, context)

    with serving(fake) as fake.url:
        known = app.state.services
        apps = LinkApps.model_validate(APPS)
        connection_service = replace(
            known.connection_service, open_connector=open_connector, operator_values=apps.operator_values
        )
        link_service = LinkService(connection_service=connection_service, open_context=lambda: context_for(fake.url))
        app.state.services = replace(known, link_service=link_service, link_apps=apps)
        fake.connector_name = request.param
        fake.codes = ["code-1", "code-2"]
        yield fake


def begin(client, provider, **more):
    answer = client.post(LINKS, json=STARTS[provider.connector_name] | more)
    assert answer.status_code == 201, answer.text
    if isinstance(provider, FakeTrueLayer):
        provider.visit(answer.json()["url"])
    return answer.json()


def come_back(client, provider, state, **more):
    body = {"connector_name": provider.connector_name, "state": state, **RETURNS[provider.connector_name], **more}
    return client.post(f"{LINKS}/complete", json=body)


every_provider = pytest.mark.parametrize("provider", CONNECTORS, indirect=True)


@every_provider
def test_a_bank_is_linked_once_however_often_the_user_comes_back(client, provider):
    made = begin(client, provider)
    assert (made["link_token"] is None) == (provider.connector_name != "plaid")
    assert bool(made["url"]) == (provider.connector_name != "plaid")
    first = come_back(client, provider, made["state"], display_name="Joint")
    assert first.status_code == 201, first.text
    assert (first.json()["connector_name"], first.json()["display_name"]) == (provider.connector_name, "Joint")
    assert come_back(client, provider, made["state"]).json()["id"] == first.json()["id"]
    assert client.get(first.headers["Location"]).json()["status"] == "active"
    assert len(client.get("/bank-connections/connections").json()["items"]) == 1


@every_provider
def test_a_connection_is_renewed_in_place(client, provider):
    connection_id = come_back(client, provider, begin(client, provider)["state"]).json()["id"]
    again = begin(client, provider, connection_id=connection_id)
    renewed = {"code": "code-2"} if "code" in RETURNS[provider.connector_name] else {}
    answer = come_back(client, provider, again["state"], **renewed)
    assert (answer.status_code, answer.json()["id"]) == (201, connection_id)


@pytest.mark.parametrize("provider", ["gocardless"], indirect=True)
def test_a_request_that_waits_asks_for_the_first_import_alone(client, provider, sessions):
    made = begin(client, provider)
    waits = {"connector_name": "gocardless", "state": made["state"]}
    linked = client.post(f"{LINKS}/complete?wait=1", json=waits).json()
    assert (linked["accounts"], linked["first_run_id"] is None) == ([], False)
    with sessions() as session:
        user_id = session.execute(text("DELETE FROM bank_import_runs RETURNING user_id")).scalar()
        sync_accounts(session, uuid.UUID(linked["id"]), user_id, [Account(external_id="a", name="Joint")], ask=False)
    again = begin(client, provider, connection_id=linked["id"])["state"]
    renewed = client.post(f"{LINKS}/complete?wait=1", json=waits | {"state": again}).json()
    assert ([one["name"] for one in renewed["accounts"]], renewed["first_run_id"]) == (["Joint"], None)


@every_provider
def test_what_one_user_began_is_nothing_to_another(app, client, provider, other_user_id):
    made = begin(client, provider)
    connection_id = come_back(client, provider, made["state"]).json()["id"]
    open_one = begin(client, provider)["state"]
    stranger = TestClient(app, headers={"Authorization": f"Bearer {token(other_user_id)}"})
    for state in (made["state"], open_one):
        answer = come_back(stranger, provider, state)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
        assert state not in answer.text
        gone = stranger.post(f"{LINKS}/abandon", json={"connector_name": provider.connector_name, "state": state})
        assert gone.status_code == 422
    renewing = stranger.post(LINKS, json=STARTS[provider.connector_name] | {"connection_id": connection_id})
    assert (renewing.status_code, renewing.json()["code"]) == (404, "not_found")
    assert stranger.get("/bank-connections/connections").json()["items"] == []
    assert come_back(client, provider, open_one, public_token="public-2", code="code-2").status_code == 201


@every_provider
def test_a_user_who_breaks_off_can_begin_again(client, provider):
    state = begin(client, provider)["state"]
    broken_off = {"connector_name": provider.connector_name, "state": state}
    assert client.post(f"{LINKS}/abandon", json=broken_off).status_code == 204
    refused = come_back(client, provider, state)
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert come_back(client, provider, begin(client, provider)["state"]).status_code == 201


@pytest.mark.parametrize("provider", ["enablebanking", "gocardless"], indirect=True)
def test_banks_of_a_country_are_listed_as_the_start_wants_them(client, provider):
    asked = {"connector_name": provider.connector_name, "country": "FI"}
    listed = client.get(f"{LINKS}/banks", params=asked).json()["items"]
    assert STARTS[provider.connector_name]["bank"] in {bank["id"] for bank in listed}


@pytest.mark.parametrize("missing", ["bank", "country", "redirect_url"])
@pytest.mark.parametrize("provider", ["enablebanking"], indirect=True)
def test_what_a_provider_needs_is_asked_for_by_name(client, provider, missing):
    body = {name: value for name, value in STARTS[provider.connector_name].items() if name != missing}
    answer = client.post(LINKS, json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert missing in answer.json()["detail"]


@pytest.mark.parametrize("provider", ["enablebanking"], indirect=True)
def test_no_answer_and_no_row_repeats_a_secret(client, provider, sessions, caplog):
    made = begin(client, provider)
    answers = [come_back(client, provider, made["state"]), come_back(client, provider, "canary-state")]
    answers.append(client.post(f"{LINKS}/complete", json={"connector_name": "plaid", "state": ["canary-list"]}))
    answers.append(client.post(f"{LINKS}/complete", json={"connector_name": "plaid", "canary": "canary-field"}))
    told = "".join(answer.text for answer in answers) + caplog.text
    with sessions() as session:
        told += str(session.execute(text("SELECT t::text FROM bank_link_attempts t")).all())
    for secret in (made["state"], "code-1", "canary-", enablebanking_server.PRIVATE_KEY[60:90]):
        assert secret not in told.replace("canary: Extra", "")


@pytest.mark.parametrize("connector", CONNECTORS)
def test_without_an_application_of_the_operator_nothing_is_linked(client, connector):
    answer = client.post(LINKS, json=STARTS[connector])
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert "LINK_APPS" in answer.json()["detail"]


def test_applications_that_cannot_be_read_are_refused_without_being_repeated():
    with pytest.raises(ConfigurationError, match="LINK_APPS") as caught:
        read_link_apps(SecretStr('{"plaid": {"client_id": "c", "secret": 17, "sekret": "hunter2"}}'))
    assert "hunter2" not in str(caught.value)
    assert read_link_apps(None) == LinkApps()

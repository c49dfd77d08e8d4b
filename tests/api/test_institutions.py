"""How banks do, over HTTP: for their people, for operators, and in the connection itself."""

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import text

from worker.api.app import create_app
from worker.runtime import open_runtime

ROUTE = "/bank-connections/institutions"


@pytest.fixture
def known(sessions, connection_id):
    """The caller's bank and one with users enough are down; one of few others is, too."""
    with sessions() as session:
        session.execute(
            text("UPDATE bank_connections SET institution_name = 'Village Bank' WHERE id = :id"), {"id": connection_id}
        )
        session.execute(
            text(
                "INSERT INTO institution_weather (connector_name, institution, outage_since_at, users, connections)"
                " VALUES ('mock', 'Village Bank', now(), 2, 2), ('mock', 'Nordea', now(), 90, 99),"
                " ('mock', 'Somebody''s', now(), 1, 1)"
            )
        )
    return connection_id


def test_a_user_sees_the_own_bank_and_those_with_users_enough(client, known):
    listed = {one["institution"]: one for one in client.get(ROUTE).json()["items"]}
    assert set(listed) == {"Village Bank", "Nordea"}
    assert (listed["Nordea"]["connections"], listed["Village Bank"]["connections"]) == (99, None)
    assert "anybody" in listed["Nordea"]["sentence"]
    assert "anybody" not in listed["Village Bank"]["sentence"]
    assert client.get(ROUTE, params={"connector_name": "plaid"}).json()["items"] == []
    assert known


def test_a_connection_says_that_its_bank_answers_nobody(client, known):
    shown = client.get(f"/bank-connections/connections/{known}").json()
    assert shown["bank_outage"].endswith("nothing is wrong with your login.")
    assert client.get("/bank-connections/connections").json()["items"][0]["bank_outage"] == shown["bank_outage"]


def test_the_operator_has_a_page_of_banks(settings, known):
    configured = settings.model_copy(update={"ops_basic_auth": SecretStr("ada:a-password-of-many-letters")})
    with TestClient(create_app(open_runtime(configured, role="test"))) as opened:
        page = opened.get("/ops/institutions", auth=("ada", "a-password-of-many-letters"))
        assert (page.status_code, "Somebody&#39;s" in page.text) == (200, True)
        metrics = opened.get("/metrics").text
    assert 'finmind_institutions_down{connector="mock"} 3.0' in metrics
    assert known


def test_a_user_chooses_whether_mails_warn(client):
    route = "/bank-connections/preferences"
    assert client.get(route).json() == {"warn_by_mail": True}
    assert client.put(route, json={"warn_by_mail": False}).json() == {"warn_by_mail": False}
    assert client.get(route).json() == {"warn_by_mail": False}
    assert client.put(route, json={"warn_by_mail": "no"}).status_code == 422


def test_a_refresh_only_when_the_last_good_run_is_older(client, connection_id, sessions):
    route = f"/bank-connections/connections/{connection_id}/refresh"
    first = client.post(route).json()["id"]
    with sessions() as session:
        session.execute(text("UPDATE bank_import_runs SET status = 'succeeded', code = 'ok', finished_at = now()"))
        session.execute(text("UPDATE bank_connections SET last_good_at = now(), last_good_run_id = :id"), {"id": first})
    assert client.post(route, params={"if_older_than_s": 3600}).json()["id"] == first
    assert client.post(route, json={"if_older_than_s": 0}).json()["id"] != first

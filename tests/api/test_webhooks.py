"""Webhooks are managed over HTTP: subscriptions, secrets shown once, deliveries, replays. Files come in here too."""

import pytest

BASE = "/bank-connections/webhooks"
OFX = b"""OFXHEADER:100
DATA:OFXSGML
VERSION:102
ENCODING:UTF-8

<OFX><BANKMSGSRSV1><STMTTRNRS><STMTRS><CURDEF>EUR<BANKACCTFROM><BANKID>1<ACCTID>42<ACCTTYPE>CHECKING</BANKACCTFROM>
<BANKTRANLIST><DTSTART>20260101<DTEND>20260131<STMTTRN><TRNTYPE>DEBIT<DTPOSTED>20260102<TRNAMT>-4.50<FITID>a1<NAME>Coffee
</STMTTRN></BANKTRANLIST></STMTRS></STMTTRNRS></BANKMSGSRSV1></OFX>
"""


@pytest.fixture
def subscription(client):
    answer = client.post(BASE, json={"url": "https://hooks.example.com/x", "event_types": ["import.*"]})
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_subscription_is_made_changed_tested_and_removed(client, subscription):
    url = f"{BASE}/{subscription['subscription_id']}"
    assert subscription["secret"].startswith("whsec_")
    shown = client.get(url).json()
    assert (shown["event_types"], shown["status"]) == (["import.*"], "active")
    assert "secret" not in str(client.get(BASE).json())
    assert client.patch(url, json={"event_types": ["*"], "status": "paused"}).json()["status"] == "paused"
    assert client.post(f"{url}/test").status_code == 409
    assert client.patch(url, json={"status": "active"}).json()["event_types"] == ["*"]
    assert client.post(f"{url}/test").status_code == 202
    assert client.post(f"{url}/replay", json={"since": "2026-01-01T00:00:00Z"}).json() == {"queued": 0}
    assert client.post(f"{url}/replay", json={}).status_code == 422
    assert client.get(f"{BASE}/deliveries", params={"state": "dead"}).json() == {"items": [], "next": None}
    assert client.delete(url).status_code == 204
    assert client.get(url).status_code == 404


def test_a_secret_is_shown_once_even_under_an_idempotency_key(client, subscription):
    url = f"{BASE}/{subscription['subscription_id']}/rotate-secret"
    first, again = (client.post(url, json={"grace_s": 60}, headers={"Idempotency-Key": "r"}).json() for _ in range(2))
    assert first["secret"].startswith("whsec_")
    assert first["secret"] != subscription["secret"]
    assert again == {"subscription_id": subscription["subscription_id"], "secret": None}


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/", "https://10.0.0.1/", "https://localhost/", "https://h.example.com:22/"]
)
def test_webhooks_do_not_reach_into_the_network(client, url):
    answer = client.post(BASE, json={"url": url})
    assert (answer.status_code, answer.json()["code"]) == (422, "destination_not_allowed")


def test_a_statement_file_becomes_a_run_and_the_same_layout_one_connection(client, settings):
    answers = [
        client.post("/bank-connections/files", files={"file": ("../../January 2026.ofx", OFX, "application/x-ofx")})
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [202, 202], answers[0].text
    assert answers[0].json()["connection_id"] == answers[1].json()["connection_id"]
    kept = [path for path in settings.statement_folder.rglob("*") if path.is_file()]
    assert [path.name.partition("-")[2] for path in kept] == ["January_2026.ofx"]
    assert client.get("/bank-connections/connections").json()["items"][0]["connector_name"] == "file"


def test_event_types_may_be_called_events_as_finminds_proposal_calls_them(client):
    answer = client.post(BASE, json={"url": "https://hooks.example.com/x", "events": ["import.*"]})
    assert answer.status_code == 201, answer.text
    url = f"{BASE}/{answer.json()['subscription_id']}"
    assert client.get(url).json()["event_types"] == ["import.*"]
    assert client.patch(url, json={"events": ["*"]}).json()["event_types"] == ["*"]
    both = {"url": "https://hooks.example.com/x", "event_types": ["*"], "events": ["*"]}
    assert client.post(BASE, json=both).status_code == 422

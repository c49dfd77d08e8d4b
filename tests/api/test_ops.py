"""The operator's page: closed without its password, true to the rows, safe against what banks and receivers write."""

import re
import uuid

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from tests.factories import make_connection
from worker.errors import ConfigurationError
from worker.runs.request import request_run
from worker.runs.states import RunKind, RunRequest
from worker.runtime import open_runtime
from worker.status.dashboard import DAYS, history

NASTY = "<script>alert(1)</script>"


@pytest.fixture
def page(settings):
    from worker.api.app import create_app

    configured = settings.model_copy(update={"ops_basic_auth": type(settings.redis_url)("ops:wonderful")})
    with TestClient(create_app(open_runtime(configured)), follow_redirects=False) as client:
        client.auth = ("ops", "wonderful")
        yield client


@pytest.fixture
def run_id(sessions, user_id):
    with sessions() as session:
        connection_id = make_connection(session, user_id, display_name=NASTY)
        return request_run(session, RunRequest(connection_id=connection_id, kind=RunKind.REFRESH))


@pytest.mark.parametrize("given", [None, ("ops", "wrong"), ("", "")])
def test_nobody_comes_in_without_the_password(page, given):
    page.auth = given
    answer = page.get("/ops")
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, 'Basic realm="operators"')


@pytest.mark.parametrize(
    "header", [b"Basic \xe9\xe9", b"Basic abc", b"Basic", b"Bearer x", b"\xff", b"Basic " + b"A" * 4000]
)
def test_an_odd_header_is_refused_like_a_wrong_password(page, header):
    page.auth = None
    assert page.get("/ops", headers={"Authorization": header}).status_code == 401


@pytest.mark.parametrize("configured", ["", " ", ":", "ops:", ":wonderful"])
def test_a_setting_that_would_let_everybody_in_refuses_to_start(settings, configured):
    from worker.api.app import create_app

    opened = settings.model_copy(update={"ops_basic_auth": type(settings.redis_url)(configured)})
    with pytest.raises(ConfigurationError, match="OPS_BASIC_AUTH"):
        create_app(open_runtime(opened))


@pytest.mark.parametrize("origin", ["http://[", "null", "", "http://testserver.evil", "http://testserver@evil"])
def test_a_form_from_an_odd_origin_is_refused(page, origin):
    form = {"event_id": str(uuid.uuid4()), "subscription_id": str(uuid.uuid4())}
    assert page.post("/ops/dead-letters/replay", data=form, headers={"Origin": origin}).status_code == 403


def test_whose_run_an_operator_looks_at_is_in_the_audit_under_the_operators_name(page, run_id, sessions, user_id):
    for _ in range(3):
        page.get(f"/ops/runs/{run_id}")
    with sessions() as session:
        lines = session.execute(text("SELECT actor, action, row_id, user_id FROM credential_audit")).all()
    assert lines == [("ops:ops", "viewed", str(run_id), user_id)]


def test_without_a_password_configured_there_is_no_page(client):
    assert client.get("/ops", auth=("", "")).status_code == 404


def test_runs_connections_and_problems_are_shown_and_nothing_is_executed(page, run_id):
    answer = page.get("/ops")
    assert str(run_id)[:8] in answer.text
    assert "no sign of life from the workers of queue interactive" in answer.text
    assert NASTY not in answer.text
    assert "&lt;script&gt;" in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert 'http-equiv="refresh"' in answer.text
    assert page.get("/ops/style.css").headers["content-type"].startswith("text/css")


def test_on_a_phone_every_value_still_has_its_name(page, run_id):
    for path in ("/ops", f"/ops/runs/{run_id}"):
        for table in re.findall(r"<table>.*?</table>", page.get(path).text, re.DOTALL):
            heads = [re.sub(r"<[^>]+>", "", head) for head in re.findall(r"<th[^>]*>(.*?)</th>", table)]
            assert set(re.findall(r'data-label="([^"]+)"', table)) == {head for head in heads if head}


def test_a_run_tells_its_story(page, run_id, sessions):
    with sessions() as session:
        session.execute(
            text(
                "WITH a AS (INSERT INTO bank_connection_accounts (connection_id, user_id, external_id, name)"
                " SELECT connection_id, user_id, 'a', 'Giro' FROM bank_import_runs RETURNING id)"
                ", t AS (INSERT INTO bank_transactions (account_id, user_id, identity, content_key, fingerprint, state,"
                "   effective_on, amount, currency, description, expense_state, first_run_id, first_decision,"
                "   first_reason) SELECT a.id, r.user_id, '', '', '', 'posted', '2026-03-04', -5, 'EUR', 'Coffee',"
                "   'none', r.id, 'created', 'first_seen' FROM bank_import_runs r, a)"
                " INSERT INTO bank_transaction_changes (run_id, account_id, decision, reason)"
                " SELECT r.id, a.id, 'updated', 'new_row' FROM bank_import_runs r, a"
            )
        )
    story = page.get(f"/ops/runs/{run_id}").text
    assert "created" in story
    assert "new row" in story
    assert "first seen" in story
    assert "Coffee" in story
    assert "Giro" in story
    assert page.get("/ops/runs/00000000-0000-0000-0000-000000000001").status_code == 404


def test_a_dead_letter_is_sent_again_but_not_by_another_site(page, sessions, user_id):
    with sessions() as session:
        session.execute(
            text(
                "INSERT INTO webhook_subscriptions (id, user_id, url, event_types, api_version, secret_encrypted,"
                " secret_key_id) VALUES (gen_random_uuid(), :user, 'https://h.example.com/', '{*}', '2026-11-01',"
                " '', 'k')"
            ),
            {"user": user_id},
        )
        session.execute(
            text(
                "INSERT INTO webhook_events (user_id, type, api_version, data)"
                " VALUES (:user, 'import.failed', '2026-11-01', '{}')"
            ),
            {"user": user_id},
        )
        event_id, subscription_id = session.execute(
            text(
                "INSERT INTO webhook_deliveries (event_id, subscription_id, state, finished_at)"
                " SELECT e.id, s.id, 'dead', now() FROM webhook_events e, webhook_subscriptions s"
                " RETURNING event_id, subscription_id"
            )
        ).one()
    form = {"event_id": str(event_id), "subscription_id": str(subscription_id)}
    assert "Send again" in page.get("/ops").text
    evil = page.post("/ops/dead-letters/replay", data=form, headers={"Origin": "https://evil.example"})
    assert evil.status_code == 403
    sent = page.post("/ops/dead-letters/replay", data=form, headers={"Origin": "http://testserver"})
    assert (sent.status_code, sent.headers["Location"]) == (303, "/ops#dead-letters")
    with sessions() as session:
        audited = session.execute(text("SELECT actor, action, row_id, detail FROM credential_audit")).one()
    assert audited[:3] == ("ops:ops", "operated", str(subscription_id))
    assert audited.detail == {"command": "webhooks replay", "event_id": str(event_id)}
    assert "Send again" not in page.get("/ops").text
    again = page.post("/ops/dead-letters/replay", data=form, headers={"Origin": "http://testserver"})
    assert again.status_code == 404


def test_days_without_runs_are_zeros():
    shown = history([{"days_ago": 0, "rows_": 5, "seconds": 1.5, "failed": False}])
    assert len(shown) == DAYS
    assert (shown[-1]["rows"], shown[0]["rows"]) == (5, 0)

"""The operator's page: closed without its password, true to the rows, safe against what banks and receivers write."""

import base64
import json
import re
import uuid
from datetime import date
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from tests.api.conftest import token
from tests.api.ops_rows import fill
from tests.factories import make_connection, subscribe
from tests.leases import claim
from worker.api.ops import deliveries
from worker.cli.watching import fetched
from worker.connectors.base import Window
from worker.errors import ConfigurationError, NotFoundError
from worker.runs import fetch_progress
from worker.runs.request import request_run
from worker.runs.run_queries import run_of
from worker.runs.states import RunKind, RunRequest
from worker.runtime import open_runtime
from worker.status.connection_pages import DAYS, history
from worker.status.dead_letters import dead_letters

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
    assert str(run_id)[:13] in answer.text
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
    assert (sent.status_code, sent.headers["Location"]) == (303, "/ops/deliveries?done=send-again")
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


@pytest.fixture
def filled(sessions, user_id):
    with sessions() as session:
        return fill(session, user_id)


ORIGIN = {"Origin": "http://testserver"}


@pytest.mark.parametrize(
    ("query", "shown", "hidden"),
    [
        pytest.param("status=failed", "provider_unavailable", "rows_rejected", id="state"),
        pytest.param("code=rows_rejected", "rows_rejected", "provider_unavailable", id="code"),
        pytest.param("q=does+not+answer&range=all", "provider_unavailable", "rows_rejected", id="words of an error"),
        pytest.param("institution=blue&status=", "Blue Bank", "Red Bank", id="bank, and an empty field"),
        pytest.param("range=hour&status=succeeded&kind=import", "No run fits", "Blue Bank", id="nothing"),
        pytest.param("from=2026-01-01T00:00&until=2026-01-02", "No run fits", "Blue Bank", id="days without a run"),
    ],
)
@pytest.mark.usefixtures("filled")
def test_runs_are_filtered(page, query, shown, hidden):
    answer = page.get(f"/ops/runs?{query}")
    assert answer.status_code == 200, answer.text
    assert shown in answer.text
    assert hidden not in answer.text


@pytest.mark.usefixtures("filled")
def test_several_states_are_shown_at_once_and_stay_chosen_in_the_form_and_in_what_is_done_for_all(page):
    runs = page.get("/ops/runs?status=partial&status=failed&range=all").text
    assert set(re.findall(r'class="badge (\w+)"', runs)) == {"partial", "failed"}
    assert set(re.findall(r'value="(\w+)" checked', runs)) == {"partial", "failed"}
    assert "/ops/runs/bulk/retry?status=partial&amp;status=failed&amp;range=all" in runs
    connections = page.get("/ops/connections?status=needs_user&status=error").text
    assert set(re.findall(r'value="(\w+)" checked', connections)) == {"needs_user", "error"}
    assert "Locked Bank" in connections
    assert "Blue Bank" not in connections


def cursor(value):
    place = ["2026-06-01T12:00:00+00:00", str(uuid.UUID(int=7)), value]
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


@pytest.mark.parametrize(
    "path",
    ["/ops/runs?status=odd", "/ops/runs?user=x", "/ops/runs?from=yesterday", "/ops/runs?after=!", "/ops/runs?q=%00",
     "/ops/runs?range=year", "/ops/runs/no-id", "/ops/connections?status=odd", "/ops/runs?connection=1",
     f"/ops/connections?sort=name&after={cursor(chr(0xD800))}", f"/ops/runs?sort=longest&after={cursor(10**400)}"],
)  # fmt: skip
@pytest.mark.usefixtures("filled")
def test_what_an_operator_types_wrong_is_said_on_a_page(page, path):
    answer = page.get(path)
    assert answer.status_code == 422
    assert answer.headers["content-type"].startswith("text/html")
    assert "<h1>" in answer.text


def test_an_address_that_is_none_is_a_page_for_operators_alone(page):
    answer = page.get("/ops/nowhere/at-all")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "there is no such page" in answer.text
    assert page.get("/ops/nowhere", auth=("ops", "wrong")).status_code == 401
    assert page.get("/ops//runs/", follow_redirects=False).headers["Location"] == "/ops/runs"


def test_more_banks_than_a_page_has_are_found_by_their_name(page, sessions):
    with sessions() as session:
        session.execute(
            text(
                "INSERT INTO institution_weather (connector_name, institution, connections)"
                " SELECT 'mock', 'Bank ' || n || '%', 1000 - n FROM generate_series(1, 501) n"
            )
        )
    shown = page.get("/ops/institutions").text
    assert "There are more banks than these 500" in shown
    assert "Bank 501%" not in shown
    found = page.get("/ops/institutions?q=bank+501%25").text
    assert "Bank 501%" in found
    assert found.count('data-label="Bank"') == 1
    assert "No bank fits" in page.get("/ops/institutions?q=bank_5").text
    assert "No bank fits" in page.get("/ops/institutions?connector=file").text


ODD_BANK = "A&B/Bank? #1=ü "


@pytest.mark.usefixtures("filled")
def test_a_bank_has_a_page_that_every_place_with_its_name_leads_to(page, sessions, user_id):
    with sessions() as session:
        removed = {"status": "disconnected", "config_encrypted": None, "config_key_id": None}
        make_connection(session, user_id, display_name="Old Red Bank", consecutive_failures=3, **removed)
        session.execute(
            text("UPDATE bank_connections SET institution_name = :odd WHERE display_name <> 'Blue Bank'"),
            {"odd": ODD_BANK},
        )
        session.execute(
            text(
                "INSERT INTO bank_connector_circuits (connector_name, scope, state, consecutive_failures, open_until,"
                " last_code) VALUES ('mock', :odd, 'open', 5, now() + INTERVAL '1 minute', 'bank_down'),"
                " ('mock', 'Blue Bank AG', 'open', 7, now() + INTERVAL '1 minute', 'bank_down')"
            ),
            {"odd": ODD_BANK},
        )
        session.execute(
            text("INSERT INTO institution_weather (connector_name, institution) VALUES ('mock', :odd)"),
            {"odd": ODD_BANK},
        )
        red, run_id = session.execute(
            text(
                "SELECT c.id, r.id FROM bank_connections c JOIN bank_import_runs r ON r.connection_id = c.id"
                " WHERE c.display_name = 'Red Bank' AND r.status = 'failed' LIMIT 1"
            )
        ).one()
    address = f"/ops/institutions/one?connector=mock&amp;name={quote(ODD_BANK)}"
    leading = ["/ops", f"/ops/connections/{red}", f"/ops/runs/{run_id}", "/ops/institutions", "/ops/connections"]
    leading += ["/ops/connections?q=bank%3F", "/ops/runs?institution=a%26b", "/ops/institutions/one?connector=mock"]
    for path in leading:
        assert f'href="{address}"' in page.get(path).text, path
    for span in ("hour", "day", "month"):
        shown = page.get(f"{address.replace('&amp;', '&')}&span={span}").text
        assert "<h1>A&amp;B/Bank? #1=ü </h1>" in shown
        assert re.findall(r"<span>(needs user|active|fail now)</span> <strong>(\d+)", shown) == [
            ("active", "1"), ("needs user", "1"), ("fail now", "1"),
        ]  # fmt: skip
        assert "0 of 2 connections" in shown
        assert re.findall(r'data-label="Failures in a row">(\d+)', shown) == ["5"]
        assert set(re.findall(r'data-label="Connection"><a href="[^"]*">([^<]*)<', shown)) == {
            "Red Bank",
            "Locked Bank",
        }
        assert "Blue Bank" not in shown
        assert page.get(f"/ops/institutions/one?connector=mock&span={span}").status_code == 200
    assert "provider_unavailable" in shown
    for link in re.findall(r'href="(/ops/(?:runs|connections)\?[^"]*bank=[^"]*)"', shown):
        told = page.get(link.replace("&amp;", "&")).text
        assert "Red Bank" in told or "Locked Bank" in told, link
        assert "Blue Bank" not in told, link
    assert page.get("/ops/institutions/one?connector=mock&name=A%26B").status_code == 404
    assert page.get("/ops/institutions/one?connector=none").status_code == 404
    assert page.get("/ops/institutions/one").status_code == 422


@pytest.mark.parametrize("sort", ["newest", "oldest", "longest", "most_changed"])
@pytest.mark.usefixtures("filled")
def test_further_pages_lead_to_every_run_once(page, sort):
    found, path = [], f"/ops/runs?range=all&sort={sort}"
    while path:
        text_ = page.get(path).text
        found += re.findall(r'data-label="Run"><a href="/ops/runs/([0-9a-f-]+)"', text_)
        further = re.search(r'<a href="(/ops/runs\?[^"]*after=[^"]*)">Further runs', text_)
        path = further and further[1].replace("&amp;", "&")
    assert len(found) == len(set(found)) == 121


@pytest.mark.parametrize(("action", "status"), [("cancel", "deferred"), ("retry", "failed"), ("revert", "partial")])
def test_an_action_asks_first_and_is_then_done_under_the_operators_name(page, sessions, filled, action, status):
    with sessions() as session:
        session.execute(
            text("DELETE FROM bank_import_runs WHERE status = 'deferred' AND :keep = 0"),
            {"keep": int(action == "cancel")},
        )
        run_id = session.scalar(
            text("SELECT id FROM bank_import_runs WHERE status = :status AND connection_id = :id ORDER BY id LIMIT 1"),
            {"status": status, "id": filled},
        )
    path = f"/ops/runs/{run_id}/{action}"
    assert page.post(path, headers={"Origin": "https://evil.example"}).status_code == 403
    asked = page.post(path, headers=ORIGIN)
    assert "Please confirm" in asked.text
    with sessions() as session:
        assert session.scalar(text("SELECT count(*) FROM credential_audit WHERE action = 'operated'")) == 0
    done = page.post(path, data={"confirmed": "yes"}, headers=ORIGIN)
    assert (done.status_code, done.headers["Location"].rpartition("?")[2]) == (303, f"done={action}")
    with sessions() as session:
        line = session.execute(
            text("SELECT actor, row_id, detail ->> 'command' FROM credential_audit WHERE action = 'operated'")
        ).one()
    assert line == ("ops:ops", str(run_id), f"runs {action}")
    assert page.get(done.headers["Location"]).status_code == 200


@pytest.mark.usefixtures("filled")
def test_an_action_that_cannot_be_done_says_why(page, sessions):
    with sessions() as session:
        run_id = session.scalar(text("SELECT id FROM bank_import_runs WHERE status = 'succeeded' LIMIT 1"))
    answer = page.post(f"/ops/runs/{run_id}/cancel", data={"confirmed": "yes"}, headers=ORIGIN)
    assert answer.status_code == 409
    assert "has ended" in answer.text


def asked_for_all(page, path):
    """Ask for all of a filter; return the question, and how its form is confirmed."""
    asked = page.post(path, headers=ORIGIN).text
    fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', asked))
    return re.search(r"<p>(.*)</p>", asked)[1], fields | {"confirmed": "yes"}


OF_ALL = {
    "retry": (
        "status=failed",
        (
            "Ask again for 2 of the 10 runs of this filter? Each asks its bank for the same again."
            " Left alone: 8 behind another run of the same connection"
        ),
        "refresh",
    ),
    "revert": (
        "status=partial&institution=blue",
        (
            "Take back 1 of the 8 runs of this filter? They created 2, changed 1 and removed 0 rows."
            " What people edited since is left alone"
        ),
        "revert",
    ),
    "replay": (
        "kind=refresh",
        (
            "Try the rejected rows of 1 of the 120 runs of this filter again? They have 1 open rejected row;"
            " one that is refused again stays rejected. Left alone: 119 without an open rejected row"
        ),
        "replay",
    ),
}


@pytest.mark.parametrize("action", OF_ALL)
@pytest.mark.usefixtures("filled")
def test_what_is_done_for_all_of_a_filter_is_counted_first_and_audited_run_by_run(page, sessions, action):
    query, said, kind = OF_ALL[action]
    with sessions() as session:
        session.execute(text("DELETE FROM bank_import_runs WHERE status = 'deferred'"))
    path = f"/ops/runs/bulk/{action}?range=all&{query}"
    question, form = asked_for_all(page, path)
    assert question.startswith(said)
    assert page.post(path, data=form).status_code == 403
    done = page.post(path, data=form, headers=ORIGIN)
    with sessions() as session:
        asked = session.execute(
            text("SELECT kind, connection_id, target_run_id FROM bank_import_runs WHERE status = 'queued'")
        ).all()
        audited = session.execute(
            text("SELECT actor, row_id, detail ->> 'command' FROM credential_audit WHERE action = 'operated'")
        ).all()
    assert {run.kind for run in asked} == {kind}
    assert len(asked) == len({run.connection_id for run in asked}) == len(audited)
    assert {line.actor for line in audited} == {"ops:ops"}
    if kind != "refresh":
        assert [line.row_id for line in audited] == [str(run.target_run_id) for run in asked]
    told = page.get(done.headers["Location"]).text
    assert f"Done for {len(asked)}. What has changed meanwhile was left alone: 0." in told
    page.post(path, data=form, headers=ORIGIN)  # joins what waits
    cancel = "/ops/runs/bulk/cancel?status=queued&range=all"
    question, form = asked_for_all(page, cancel)
    assert f"{len(asked)} that wait end at once, 0 at the next step" in question
    page.post(cancel, data=form, headers=ORIGIN)
    assert asked_for_all(page, cancel)[0].startswith("Of the 0 runs of this filter there is none")


@pytest.mark.usefixtures("filled")
def test_a_run_asked_for_after_the_question_is_none_of_those_that_were_counted(page, sessions, user_id):
    path = "/ops/runs/bulk/cancel?status=queued&status=deferred&range=all"
    question, form = asked_for_all(page, path)
    assert question.startswith("Cancel 1 run of this filter?")
    for odd in ("2026-11-29T10:00:00", "0001-01-01T00:00:00Z"):
        assert page.post(f"{path}&until=2026-11-29", data={"asked_at": odd}, headers=ORIGIN).status_code == 422
    with sessions() as session:
        request_run(session, RunRequest(connection_id=make_connection(session, user_id), kind=RunKind.REFRESH))
    page.post(path, data=form, headers=ORIGIN)
    with sessions() as session:
        left = session.scalars(text("SELECT status FROM bank_import_runs WHERE finished_at IS NULL")).all()
    assert left == ["queued"]


@pytest.mark.parametrize(
    ("action", "before", "after"),
    [("pause", "active", "paused"), ("resume", "paused", "active"), ("refresh", "active", "active")],
)
def test_a_connection_is_paused_resumed_and_refreshed(page, sessions, user_id, action, before, after):
    with sessions() as session:
        connection_id = make_connection(session, user_id, status=before)
    path = f"/ops/connections/{connection_id}"
    assert f"{action.capitalize()} …" in page.get(path).text
    assert "Please confirm" in page.post(f"{path}/{action}", headers=ORIGIN).text
    done = page.post(f"{path}/{action}", data={"confirmed": "yes"}, headers=ORIGIN)
    assert done.status_code == 303
    with sessions() as session:
        status, runs = session.execute(
            text("SELECT status, (SELECT count(*) FROM bank_import_runs) FROM bank_connections")
        ).one()
    assert (status, runs) == (after, int(action == "refresh"))


@pytest.mark.usefixtures("filled")
def test_dead_letters_are_sent_again_all_at_once_and_each_once(page, sessions, user_id, monkeypatch):
    monkeypatch.setattr(deliveries, "BULK_LIMIT", 3)
    with sessions() as session:
        paused = subscribe(session, user_id, status="paused")
        session.execute(
            text(
                "INSERT INTO webhook_deliveries (event_id, subscription_id, state, finished_at, attempt, last_code)"
                " SELECT event_id, :paused, 'dead', now(), 9, 'timeout' FROM webhook_deliveries ORDER BY id"
            ),
            {"paused": paused},
        )
    question, form = asked_for_all(page, "/ops/dead-letters/replay-all")
    assert question.startswith("Send 3 dead letters again, to 1 receiver?")
    assert "Left alone: 3 to a subscription that is paused" in question
    with sessions() as session:
        seen_before = dead_letters(session, sendable=True)
    page.post("/ops/dead-letters/replay-all", data=form, headers=ORIGIN)
    with sessions() as session:
        with pytest.raises(NotFoundError, match="not a dead letter any more"):
            deliveries._item(seen_before[0]).do(session)
        assert session.scalar(text("SELECT count(*) FROM webhook_deliveries WHERE state = 'pending'")) == 3
        sent = session.scalars(text("SELECT detail ->> 'event_id' FROM credential_audit WHERE action = 'operated'"))
        assert len(set(sent)) == 3
    assert "3" in re.search(r'data-label="Waiting">(\d+)', page.get("/ops/deliveries").text)[1]


@pytest.mark.parametrize(
    "path",
    [
        "/ops",
        "/ops?span=hour",
        "/ops?span=month",
        "/ops/connections",
        "/ops/connections?view=trouble",
        "/ops/deliveries",
        "/ops/work",
    ],
)
@pytest.mark.usefixtures("filled")
def test_every_page_says_something_with_and_without_rows(page, sessions, path):
    shown = page.get(path).text
    assert re.search("Blue Bank|Red Bank|import.failed", shown)
    with sessions() as session:
        session.execute(text("DELETE FROM users"))
    assert page.get(path).status_code == 200


@pytest.mark.usefixtures("filled")
def test_the_figures_of_questions_and_rejected_rows_lead_to_their_connections(page, sessions):
    with sessions() as session:
        session.execute(
            text(
                "WITH a AS (INSERT INTO bank_connection_accounts (connection_id, user_id, external_id, name)"
                " SELECT id, user_id, 'n', 'New' FROM bank_connections WHERE display_name = 'Red Bank'"
                " RETURNING id, user_id)"
                " INSERT INTO bank_match_suggestions (user_id, kind, account_id, reason)"
                " SELECT user_id, 'account', id, 'similar' FROM a"
            )
        )
        session.execute(
            text(
                "INSERT INTO bank_match_suggestions (user_id, kind, transaction_id, reason)"
                " SELECT user_id, 'category', id, 'likely' FROM bank_transactions"
            )
        )
    named = {}
    for view in ("questions", "rejections"):
        assert f'<a href="/ops/connections?view={view}"><span>' in page.get("/ops").text
        shown = page.get(f"/ops/connections?view={view}").text
        named[view] = sorted(re.findall(r'href="/ops/connections/[^"]+">([^<]+)<', shown))
    assert named == {"questions": ["Blue Bank", "Red Bank"], "rejections": ["Blue Bank"]}
    assert page.get("/ops/connections?view=odd").status_code == 422


def test_an_account_has_a_calendar_of_its_months_and_a_button_that_asks_for_a_gap(page, sessions, run_id, user_id):
    with sessions() as session:
        account_id, source_id = session.execute(
            text(
                "WITH p AS (INSERT INTO bank_accounts (user_id, name) VALUES (:user, 'Giro') RETURNING id)"
                " INSERT INTO bank_connection_accounts (connection_id, user_id, external_id, name, bank_account_id,"
                "   history_from_on, watermark_on) SELECT r.connection_id, :user, 'a', 'Giro', p.id,"
                "   CURRENT_DATE - 200, CURRENT_DATE - 100 FROM bank_import_runs r, p WHERE r.id = :run"
                " RETURNING bank_account_id, id"
            ),
            {"user": user_id, "run": run_id},
        ).one()
    shown = page.get(f"/ops/accounts/{account_id}").text
    assert "<svg" in shown
    assert "missing" in shown
    assert "Refetch" in shown
    form = {"source_id": source_id, "from_on": "2026-01-01", "to_on": "2026-01-31"}
    path = f"/ops/accounts/{account_id}/refetch"
    headers = {"Origin": "http://testserver"}
    assert "2026-01-01 to 2026-01-31" in page.post(path, data=form, headers=headers).text
    assert page.get("/ops/accounts/999").status_code == 404


@pytest.fixture
def account_with_a_gap(sessions, run_id, user_id):
    with sessions() as session:
        return session.execute(
            text(
                "WITH p AS (INSERT INTO bank_accounts (user_id, name, currency, anchors)"
                "   VALUES (:user, 'Giro', 'EUR', ARRAY['iban:DE02120300000000202051']) RETURNING id)"
                " INSERT INTO bank_connection_accounts (connection_id, user_id, external_id, name, bank_account_id,"
                "   history_from_on, watermark_on, included) SELECT r.connection_id, :user, 'a', 'Giro', p.id,"
                "   CURRENT_DATE - 200, CURRENT_DATE - 100, FALSE FROM bank_import_runs r, p WHERE r.id = :run"
                " RETURNING bank_account_id"
            ),
            {"user": user_id, "run": run_id},
        ).scalar_one()


STATEMENT = {"file": ("march.csv", b"Date,Description,Amount\n2026-03-02,Coffee,-3.50\n")}


def test_a_gap_that_no_bank_closes_has_a_form_for_its_statement(page, sessions, settings, account_with_a_gap, user_id):
    path = f"/ops/accounts/{account_with_a_gap}"
    assert f'action="{path}/statements" enctype="multipart/form-data"' in page.get(path).text
    answer = page.post(f"{path}/statements", files=STATEMENT, headers={"Origin": "http://testserver"})
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/ops/runs/")
    [kept] = settings.statement_folder.glob(f"user-{user_id}/*/*.csv")
    assert kept.read_bytes() == STATEMENT["file"][1]
    with sessions() as session:
        audited = session.execute(text("SELECT actor, row_id FROM credential_audit WHERE action = 'operated'")).all()
    assert ("ops:ops", str(account_with_a_gap)) in [tuple(row) for row in audited]


def test_a_statement_form_of_another_site_or_of_no_account_keeps_nothing(page, settings, account_with_a_gap):
    path = f"/ops/accounts/{account_with_a_gap}/statements"
    assert page.post(path, files=STATEMENT, headers={"Origin": "https://evil.test"}).status_code == 403
    assert page.post(path, files=STATEMENT, headers={"Origin": "http://testserver"}, auth=None).status_code == 401
    assert (
        page.post(
            "/ops/accounts/999999/statements", files=STATEMENT, headers={"Origin": "http://testserver"}
        ).status_code
        == 404
    )
    assert (
        page.post(path, files={"file": ("a.csv", b"no statement")}, headers={"Origin": "http://testserver"}).status_code
        == 422
    )
    assert not list(settings.statement_folder.glob("*/*/*"))


def test_what_a_slow_bank_sent_is_shown_while_more_arrives(page, run_id, user_id, sessions, monkeypatch):
    monkeypatch.setattr(fetch_progress, "WRITE_EVERY_S", 0)
    with sessions() as session:
        lease = claim(session, run_id, worker_name="w", lease_s=60)
    progress = fetch_progress.FetchProgressWriter(sessions, lease)
    person = {"Authorization": f"Bearer {token(user_id)}"}
    streamed = f"/bank-connections/import-runs/{run_id}"
    for pages, from_on in ((1, date(2026, 10, 1)), (3, date(2026, 7, 1))):
        progress.note(pages, 100 * pages, Window(from_on=from_on, to_on=date(2026, 11, 20)))
        run = page.get(streamed, headers=person, auth=None).json()  # each change of it is an event of the stream
        assert (run["pages"], run["fetched"], run["read_from_on"]) == (pages, 100 * pages, str(from_on))
        assert f"{pages} pages back to {from_on}" in page.get("/ops/runs?range=all").text
        with sessions() as session:
            waited_for = fetched(run_of(session, run_id))
        assert waited_for == f", {100 * pages} rows of {from_on} to 2026-11-20 on {pages} pages"


def test_a_row_has_a_page_with_its_story_and_a_button_that_takes_its_match_back(page, sessions, run_id, user_id):
    with sessions() as session:
        transaction_id = session.execute(
            text(
                "WITH a AS (INSERT INTO bank_connection_accounts (connection_id, user_id, external_id, name)"
                "   SELECT connection_id, :user, 'row', 'Giro' FROM bank_import_runs WHERE id = :run RETURNING id),"
                " e AS (INSERT INTO expenses (user_id, amount, currency, notes, spent_at)"
                "   VALUES (:user, 4.20, 'EUR', 'typed', CURRENT_DATE) RETURNING id)"
                " INSERT INTO bank_transactions (account_id, user_id, identity, content_key, fingerprint, state,"
                "   effective_on, amount, currency, description, expense_state, expense_id, base_amount, base_currency,"
                "   base_type, base_spent_on, first_run_id, first_decision, first_reason)"
                " SELECT a.id, :user, '\\x01', '\\x01', '\\x01', 'posted', CURRENT_DATE, -4.20, 'EUR', 'Cafe Central',"
                "   'linked', e.id, 4.20, 'EUR', 'EXPENSE', CURRENT_DATE, :run, 'linked', 'same_expense' FROM a, e"
                " RETURNING id"
            ),
            {"user": user_id, "run": run_id},
        ).scalar_one()
    path = f"/ops/transactions/{transaction_id}"
    shown = page.get(path).text
    assert "Cafe Central" in shown
    assert "Unmatch expense" in shown
    headers, form = {"Origin": "http://testserver"}, {"match": "expense"}
    assert "Take back" in page.post(f"{path}/unmatch", data=form, headers=headers).text
    assert page.post(f"{path}/unmatch", data=form | {"confirmed": "yes"}, headers=headers).status_code == 303
    assert "Unmatch" not in page.get(path).text
    with sessions() as session:
        acts = session.execute(
            text("SELECT count(*) FROM credential_audit WHERE row_id = :id"), {"id": str(transaction_id)}
        )
        assert acts.scalar_one() >= 2
    assert page.get("/ops/transactions/999999").status_code == 404


@pytest.mark.usefixtures("filled")
def test_rejected_rows_of_one_reason_are_left_out_after_a_question_and_the_operator_is_named(page, sessions):
    with sessions() as session:
        connection_id = session.scalar(text("SELECT connection_id FROM bank_import_rejections"))
    path = f"/ops/connections/{connection_id}"
    assert "bad_amount" in page.get(path).text
    sent = {"code": "bad_amount", "account": "giro", "why": "never mended"}
    assert page.post(f"{path}/rejections/dismiss", data=sent | {"why": " "}, headers=ORIGIN).status_code == 422
    assert page.post(f"{path}/rejections/dismiss", data=sent | {"confirmed": "yes"}).status_code == 403
    assert "of its account giro" in page.post(f"{path}/rejections/dismiss", data=sent, headers=ORIGIN).text
    of_none = {name: value for name, value in sent.items() if name != "account"}
    assert "of no account" in page.post(f"{path}/rejections/dismiss", data=of_none, headers=ORIGIN).text
    refused = page.post(f"{path}/rejections/dismiss", data=of_none | {"confirmed": "yes"}, headers=ORIGIN)
    assert refused.status_code == 404  # the rows of the account are others
    answer = page.post(f"{path}/rejections/dismiss", data=sent | {"confirmed": "yes"}, headers=ORIGIN)
    assert "are left out" in page.get(answer.headers["location"]).text
    with sessions() as session:
        by, why = session.execute(text("SELECT dismissed_by, dismissed_why FROM bank_import_rejections")).one()
        audited = text("SELECT count(*) FROM credential_audit WHERE detail ->> 'command' = 'rejections dismiss'")
        assert session.scalar(audited) == 1
    assert (by.split(":")[0], why) == ("ops", "never mended")
    page.post(f"{path}/rejections/reopen", data=sent | {"confirmed": "yes"}, headers=ORIGIN)
    with sessions() as session:
        assert session.scalar(text("SELECT dismissed_at FROM bank_import_rejections")) is None

"""The door: who may come in, what is answered, and that nothing secret is repeated."""

import uuid
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import text

from tests.api.conftest import JWT_SECRET, token
from tests.leases import claim
from worker.api.app import create_app
from worker.api.auth import TokenPolicy, UnauthenticatedError, read_user_id, token_policy
from worker.errors import ConfigurationError
from worker.runs.ending import close
from worker.runs.states import Outcome, RunStatus
from worker.runtime import open_runtime

BASE = "/bank-connections"


def problem(answer, status, code):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == code
    assert answer.json()["status"] == status
    return answer.json()


def test_a_connection_is_added_shown_changed_and_removed(client, connection_id):
    url = f"{BASE}/connections/{connection_id}"
    change = {"display_name": "Joint", "options": {"import_pending": "hide"}, "refresh_interval_s": 3600}
    changed = client.patch(url, json=change).json()
    assert (changed["display_name"], changed["options"], changed["refresh_interval_s"]) == (
        "Joint",
        {"import_pending": "hide"},
        3600,
    )
    assert client.patch(url, json={"status": "paused"}).json()["status"] == "paused"
    assert client.patch(url, json={"status": "active"}).json()["status"] == "active"
    assert client.post(f"{url}/refresh-auth", json={"config": {}}).status_code == 200
    assert client.get(f"{url}/accounts").json()["items"] == []
    assert client.delete(url).json() == {"id": connection_id, "revoked_at_provider": False, "expenses_deleted": 0}
    assert client.get(url).json()["status"] == "disconnected"
    problem(client.patch(url, json={"status": "paused"}), 409, "conflict")


def test_a_user_is_not_refreshed_more_often_than_every_quarter_of_an_hour(client, connection_id):
    for seconds, status in ((899, 422), (900, 200)):
        answer = client.patch(f"{BASE}/connections/{connection_id}", json={"refresh_interval_s": seconds})
        assert answer.status_code == status, answer.text


def test_a_run_is_accepted_with_its_place_and_the_same_request_is_the_same_run(client, connection_id):
    url = f"{BASE}/connections/{connection_id}"
    first = client.post(f"{url}/import", json={"dry_run": True, "from_date": "2026-01-01"})
    assert first.status_code == 202
    run = client.get(first.headers["Location"]).json()
    assert (run["status"], run["dry_run"], run["from_on"]) == ("queued", True, "2026-01-01")
    again = client.post(f"{url}/import", json={"dry_run": True, "from_date": "2026-01-01"})
    assert again.json()["id"] == run["id"]
    problem(client.post(f"{url}/refresh"), 409, "conflict")
    assert [one["id"] for one in client.get(f"{url}/import-runs").json()["items"]] == [run["id"]]
    assert client.post(f"{BASE}/import-runs/{run['id']}/cancel").json()["status"] == "cancelled"
    assert client.post(f"{BASE}/import-runs/{run['id']}/retry").status_code == 202


def test_no_request_waits_for_the_broker(settings, user_id):
    from worker.api.app import create_app
    from worker.runtime import open_runtime

    down = settings.model_copy(update={"redis_url": type(settings.redis_url)("redis://127.0.0.1:9/0")})
    with TestClient(create_app(open_runtime(down)), headers={"Authorization": f"Bearer {token(user_id)}"}) as client:
        made = client.post(f"{BASE}/connections", json={"connector_name": "mock", "config": {}}).json()
        assert client.post(f"{BASE}/connections/{made['id']}/refresh").status_code == 202


@pytest.mark.parametrize(
    ("header", "stored"),
    [
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",) * 2,
        ("00-nothing of this kind", None),
    ],
    ids=["a trace", "nonsense"],
)
def test_the_trace_of_a_request_goes_into_its_run(client, connection_id, sessions, header, stored):
    answer = client.post(f"{BASE}/connections/{connection_id}/refresh", headers={"traceparent": header})
    assert answer.status_code == 202
    with sessions() as session:
        assert session.scalar(text("SELECT trace_context FROM bank_import_runs")) == stored


def test_runs_are_paged(client, connection_id):
    url = f"{BASE}/connections/{connection_id}"
    made = []
    for _ in range(3):
        made.append(client.post(f"{url}/refresh").json()["id"])
        client.post(f"{BASE}/import-runs/{made[-1]}/cancel")
    seen, cursor = [], None
    while True:
        page = client.get(f"{url}/import-runs", params={"limit": 1} | ({"cursor": cursor} if cursor else {})).json()
        seen += [run["id"] for run in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == made[::-1]
    problem(client.get(f"{url}/import-runs", params={"cursor": "nonsense"}), 422, "invalid_request")


def test_progress_is_streamed_until_the_run_ends(client, connection_id, sessions):
    run_id = client.post(f"{BASE}/connections/{connection_id}/refresh").json()["id"]
    with sessions() as session:
        lease = claim(session, uuid.UUID(run_id), worker_name="w", lease_s=60)
        close(session, lease, Outcome(status=RunStatus.SUCCEEDED, code="nothing_new"))
    answer = client.get(f"{BASE}/import-runs/{run_id}/progress")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert [line for line in answer.text.splitlines() if line.startswith("event:")] == ["event: progress", "event: end"]
    assert '"status":"succeeded"' in answer.text.replace(" ", "")


@pytest.mark.parametrize(
    "body",
    [
        {"connector_name": "mock", "config": "hunter2"},
        {"connector_name": "mock", "config": {"password": "hunter2"}},
        {"connector_name": "mock", "config": {"mode": "hunter2"}},
        {"connector_name": "mock", "config": {}, "password": "hunter2"},
        {"config": {"password": "hunter2"}},
        b'{"config": {"password": "hunter2"}',
    ],
    ids=["wrong type", "unknown secret", "wrong value", "unknown field", "missing field", "broken JSON"],
)
def test_a_refusal_never_repeats_what_was_sent(client, body):
    sent = {"content": body} if isinstance(body, bytes) else {"json": body}
    answer = client.post(f"{BASE}/connections", headers={"Content-Type": "application/json"}, **sent)
    problem(answer, 422, "invalid_request")
    assert "hunter2" not in answer.text


def test_a_body_that_is_too_large_is_refused(client):
    answer = client.post(f"{BASE}/connections", json={"connector_name": "mock", "config": {"a": "x" * 70_000}})
    problem(answer, 413, "content_too_large")


def test_the_config_of_connectors_is_served_with_its_secrets_marked(client):
    listed = {one["name"]: one for one in client.get(f"{BASE}/connectors").json()["items"]}
    secrets = [
        field for field in listed["simplefin"]["config_schema"]["properties"].values() if "writeOnly" in str(field)
    ]
    assert secrets
    assert "mock" in listed


# --- who may come in -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        None,
        "Bearer nonsense",
        "Basic YWRhOng=",
        f"Bearer {token(1, secret='another-secret-of-thirty-two-bytes')}",
        f"Bearer {token(1, exp=datetime.now(UTC) - timedelta(minutes=1))}",
        f"Bearer {token(1, type='refresh')}",
        f"Bearer {token('ada')}",
        f"Bearer {token(0)}",
        f"Bearer {token(2**40)}",
        f"Bearer {jwt.encode({'sub': '1', 'exp': 2**33}, '', algorithm='none')}",
        f"Bearer {jwt.encode({'sub': '1'}, JWT_SECRET, algorithm='HS256')}",
    ],
    ids=[
        "none",
        "no token",
        "basic",
        "foreign",
        "expired",
        "refresh",
        "word",
        "zero",
        "too large",
        "alg none",
        "no exp",
    ],
)
def test_without_a_valid_token_nobody_comes_in(app, header):
    with TestClient(app, headers={"Authorization": header} if header else {}) as client:
        answer = client.get(f"{BASE}/connections")
    problem(answer, 401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_token_as_flask_jwt_extended_issues_it_is_accepted(user_id):
    from flask import Flask
    from flask_jwt_extended import JWTManager, create_access_token, create_refresh_token

    flask = Flask("finmind")
    flask.config["JWT_SECRET_KEY"] = JWT_SECRET
    JWTManager(flask)
    with flask.app_context():
        access, refresh = create_access_token(identity=str(user_id)), create_refresh_token(identity=str(user_id))
    policy = TokenPolicy(secret=JWT_SECRET)
    assert read_user_id(access, policy) == user_id
    with pytest.raises(UnauthenticatedError):
        read_user_id(refresh, policy)


def test_eddsa_tokens_are_verified_by_published_keys(settings, tmp_path):
    key = Ed25519PrivateKey.generate()
    jwk = jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": "k1", "alg": "EdDSA"}
    file = tmp_path / "jwks.json"
    file.write_text(__import__("json").dumps({"keys": [jwk]}))
    given = {"jwt_secret": None, "jwt_jwks_file": file, "jwt_audience": "bank-worker", "jwt_issuer": "finmind"}
    policy = token_policy(settings.model_copy(update=given))
    claims = {"sub": "7", "exp": datetime.now(UTC) + timedelta(minutes=1), "aud": "bank-worker", "iss": "finmind"}

    def signed(by=key, **changes):
        return jwt.encode(claims | changes, by, algorithm="EdDSA", headers={"kid": "k1"})

    assert read_user_id(signed(), policy) == 7
    for refused in (signed(aud="other"), signed(iss="other"), signed(by=Ed25519PrivateKey.generate()), token(7)):
        with pytest.raises(UnauthenticatedError):
            read_user_id(refused, policy)


def test_an_api_that_could_let_nobody_in_does_not_start(settings):
    with pytest.raises(ConfigurationError, match="JWT_SECRET"):
        token_policy(settings.model_copy(update={"jwt_secret": None}))


@pytest.mark.parametrize("subject", ["9" * 5000, "-1", "1.0", "\u0661", " 1", "1\n", "", "0"])
def test_an_odd_subject_is_refused(client, subject):
    answer = client.get(f"{BASE}/connections", headers={"Authorization": f"Bearer {token(subject)}"})
    problem(answer, 401, "unauthenticated")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1.evil.test/jwks",
        "http://127.0.0.1@evil.test/jwks",
        "https://user:word@finmind.test/jwks",
        "http://localhost.evil.test/",
        "http://finmind.test/jwks",
        "ftp://127.0.0.1/jwks",
        "https://",
        "https://[",
        "http://127.0.0.1:port/",
        "jwks",
    ],
)
def test_keys_are_fetched_over_https_or_from_this_machine(settings, url):
    with pytest.raises(ConfigurationError, match="JWT_JWKS_URL"):
        token_policy(settings.model_copy(update={"jwt_jwks_url": url}))


@pytest.mark.parametrize("url", ["https://finmind.test/jwks", "http://127.0.0.1:8000/jwks", "http://[::1]/jwks"])
def test_such_an_address_of_keys_is_taken(settings, url):
    assert token_policy(settings.model_copy(update={"jwt_jwks_url": url})).find_key is not None


@pytest.mark.parametrize("secret", ["s", "a" * 40, "change-me-change-me-change-me-change-me"])
def test_a_weak_secret_refuses_to_start(settings, secret):
    with pytest.raises(ConfigurationError, match="JWT_SECRET"):
        create_app(open_runtime(settings.model_copy(update={"jwt_secret": SecretStr(secret)})))


def test_a_signing_secret_that_is_also_the_password_of_the_broker_refuses_to_start(settings):
    broker = SecretStr(f"redis://:{JWT_SECRET}@127.0.0.1:1/0")
    with pytest.raises(ConfigurationError, match="JWT_SECRET and REDIS_URL"):
        create_app(open_runtime(settings.model_copy(update={"redis_url": broker})))


def test_a_failure_of_ours_names_the_request(app, user_id, monkeypatch):
    monkeypatch.setattr("worker.api.connections.connection_queries.list_connections", lambda *_a, **_k: 1 / 0)
    with TestClient(app, raise_server_exceptions=False) as client:
        headers = {"Authorization": f"Bearer {token(user_id)}", "X-Request-ID": "r-1"}
        answer = client.get(f"{BASE}/connections", headers=headers)
    assert problem(answer, 500, "internal")["request_id"] == "r-1"
    assert answer.headers["X-Request-ID"] == "r-1"


# --- once ------------------------------------------------------------------------------------------------------------


def test_a_repeated_request_links_one_bank(client, sessions):
    sent = {"json": {"connector_name": "mock", "config": {}}, "headers": {"Idempotency-Key": "k-1"}}
    first, second = (client.post(f"{BASE}/connections", **sent) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert second.headers["Idempotent-Replayed"] == "true"
    assert first.headers["Location"] == second.headers["Location"]
    with sessions() as session:
        assert session.scalar(text("SELECT count(*) FROM bank_connections")) == 1


def test_a_key_belongs_to_one_request(client, connection_id):
    headers = {"Idempotency-Key": "k-2"}
    url = f"{BASE}/connections/{connection_id}/import"
    assert client.post(url, json={"dry_run": True}, headers=headers).status_code == 202
    problem(client.post(url, json={"dry_run": False}, headers=headers), 422, "idempotency_key_reused")


def test_a_key_whose_request_is_under_way_is_refused_for_now(client, connection_id, sessions):
    headers = {"Idempotency-Key": "k-3"}
    url = f"{BASE}/connections/{connection_id}/refresh"
    assert client.post(url, headers=headers).status_code == 202
    with sessions() as session:
        session.execute(text("UPDATE idempotency_keys SET status_code = NULL"))
    problem(client.post(url, headers=headers), 409, "idempotency_in_progress")
    with sessions() as session:
        session.execute(text("UPDATE idempotency_keys SET created_at = now() - interval '1 hour'"))
    assert client.post(url, headers=headers).status_code == 202


def test_a_request_that_failed_may_be_repeated_with_its_key(client):
    headers = {"Idempotency-Key": "k-4"}
    problem(
        client.post(f"{BASE}/connections", json={"connector_name": "none", "config": {}}, headers=headers),
        422,
        "connector_not_found",
    )
    sent = {"connector_name": "mock", "config": {}}
    assert client.post(f"{BASE}/connections", json=sent, headers=headers).status_code == 201


# --- one user's door leads to nobody else's rows ---------------------------------------------------------------------


def _suggestion(sessions):
    with sessions() as session:
        return session.scalar(
            text(
                "INSERT INTO bank_match_suggestions (user_id, kind, account_id, reason)"
                " SELECT user_id, 'account', id, 'looks_like' FROM bank_connection_accounts RETURNING id"
            )
        )


def test_a_suggestion_is_listed_and_declined_once(client, connection_id, sessions):
    with sessions() as session:
        session.execute(
            text(
                "INSERT INTO bank_connection_accounts (connection_id, user_id, external_id, name)"
                " SELECT id, user_id, 'a', 'A' FROM bank_connections WHERE id = :id"
            ),
            {"id": connection_id},
        )
    suggestion_id = _suggestion(sessions)
    (asked,) = client.get(f"{BASE}/suggestions", params={"limit": 1}).json()["items"]
    assert asked["bank"] | {"account": "A", "connection_id": connection_id, "connection": "Mock bank"} == asked["bank"]
    assert (asked["id"], asked["run_id"]) == (suggestion_id, None)
    assert client.get(f"{BASE}/suggestions", params={"after": suggestion_id}).json() == {"items": [], "next": None}
    assert client.post(f"{BASE}/suggestions/{suggestion_id}/decline").status_code == 204
    assert client.get(f"{BASE}/suggestions").json()["items"] == []
    problem(client.post(f"{BASE}/suggestions/{suggestion_id}/accept"), 409, "conflict")


def _delivery(sessions):
    with sessions() as session:
        event = "INSERT INTO webhook_events (user_id, type, api_version, data)"
        session.execute(
            text(f"{event} SELECT user_id, 'webhook.test', '2026-11-01', '{{}}' FROM webhook_subscriptions")
        )
        return session.scalar(
            text(
                "INSERT INTO webhook_deliveries (event_id, subscription_id, state, finished_at)"
                " SELECT e.id, s.id, 'dead', now() FROM webhook_events e, webhook_subscriptions s RETURNING id"
            )
        )


def test_every_operation_treats_another_users_things_as_absent(app, client, connection_id, other_user_id, sessions):
    run_id = client.post(f"{BASE}/connections/{connection_id}/refresh").json()["id"]
    with sessions() as session:
        account_id = session.scalar(
            text(
                "INSERT INTO bank_connection_accounts (connection_id, user_id, external_id, name)"
                " SELECT id, user_id, 'a', 'A' FROM bank_connections RETURNING id"
            )
        )
        before = session.execute(text("SELECT * FROM bank_connections")).all()
    subscription_id = client.post(f"{BASE}/webhooks", json={"url": "https://hooks.example.com/x"}).json()
    ids = {
        "connection_id": connection_id,
        "run_id": run_id,
        "account_id": account_id,
        "subscription_id": subscription_id["subscription_id"],
        "delivery_id": _delivery(sessions),
        "suggestion_id": _suggestion(sessions),
        "transaction_id": 1,
        "bank_account_id": 1,
        "source_id": account_id,
        "rejection_id": _rejections(sessions, connection_id)[0],
    }
    stranger = TestClient(app, headers={"Authorization": f"Bearer {token(other_user_id)}"})
    bodies = {
        "refresh_auth": {"config": {}},
        "change_account": {"included": False},
        "change_connection": {"status": "paused"},
        "change_subscription": {"status": "paused"},
        "replay_deliveries": {"since": "2026-01-01T00:00:00Z"},
        "unmatch_transaction": {},
        "dismiss_rejection": {"why": "not mine"},
        "dismiss_rejections": {"code": "amount_invalid", "why": "not mine"},
        "reopen_rejections": {"code": "amount_invalid"},
        "move_bank_account": {"connection_id": "00000000-0000-0000-0000-000000000001"},
    }
    seen = 0
    for path, operations in app.openapi()["paths"].items():
        for method, operation in operations.items():
            if "{" not in path:
                continue
            body = bodies.get(operation["operationId"])
            answer = stranger.request(method, path.format(**ids), json=body)
            assert answer.status_code == 404, (method, path, answer.text)
            seen += 1
    assert seen >= 22
    for path in ("/connections", "/webhooks", "/webhooks/deliveries", "/suggestions"):
        assert stranger.get(BASE + path).json()["items"] == []
    with sessions() as session:
        assert session.execute(text("SELECT * FROM bank_connections")).all() == before


def test_no_body_and_an_empty_one_are_the_same_request(client, connection_id):
    url, headers = f"{BASE}/connections/{connection_id}/refresh", {"Idempotency-Key": "k-5"}
    first = client.post(url, headers=headers)
    for body in (b"{}", b" { } ", b"null"):
        again = client.post(url, headers=headers | {"Content-Type": "application/json"}, content=body)
        assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])


def test_the_key_belongs_to_the_query_as_well(client, connection_id):
    url, headers = f"{BASE}/connections/{connection_id}/refresh", {"Idempotency-Key": "k-6"}
    assert client.post(url, headers=headers).status_code == 202
    problem(client.post(f"{url}?account_id=A", headers=headers), 422, "idempotency_key_reused")


def test_a_key_of_a_user_who_is_gone_is_not_a_failure_of_ours(client):
    headers = {"Authorization": f"Bearer {token(2**30)}", "Idempotency-Key": "k-7"}
    wanted = {"url": "https://hooks.example.com/", "event_types": ["*"]}
    problem(client.post(f"{BASE}/webhooks", json=wanted, headers=headers), 404, "not_found")


def test_the_last_keys_of_a_user_are_known_and_older_ones_forgotten(client, sessions, user_id, connection_id):
    with sessions() as session:
        session.execute(
            text(
                "INSERT INTO idempotency_keys (user_id, key, fingerprint, created_at) SELECT :user, 'k' || n, '',"
                " now() - n * interval '1 second' FROM generate_series(1, 1200) AS n"
            ),
            {"user": user_id},
        )
    url = f"{BASE}/connections/{connection_id}/refresh"
    assert client.post(url, headers={"Idempotency-Key": "new"}).status_code == 202
    with sessions() as session:
        kept = set(session.scalars(text("SELECT key FROM idempotency_keys")))
    assert len(kept) == 1001
    assert {"new", "k1"} <= kept
    assert "k1100" not in kept


def test_a_list_has_items_and_what_follows_or_is_an_array_for_clients_of_before(client, connection_id):
    listed = client.get(f"{BASE}/connections")
    assert listed.json().keys() == {"items", "next"}
    bare = client.get(f"{BASE}/connections", headers={"Prefer": "list=array"})
    assert bare.json() == listed.json()["items"]
    assert bare.headers["Preference-Applied"] == "list=array"
    url = f"{BASE}/connections/{connection_id}"
    assert client.get(url, headers={"Prefer": "list=array"}).json() == client.get(url).json()


# --- rows that could not be imported ---------------------------------------------------------------------------------


def _rejections(sessions, connection_id, count=2):
    with sessions() as session:
        run_id = session.scalar(
            text(
                "INSERT INTO bank_import_runs (id, connection_id, user_id, kind, trigger, status, code, finished_at)"
                " SELECT gen_random_uuid(), id, user_id, 'refresh', 'user', 'partial', 'rows_rejected', now()"
                " FROM bank_connections WHERE id = :id RETURNING id"
            ),
            {"id": connection_id},
        )
        insert = text(
            "INSERT INTO bank_import_rejections (run_id, connection_id, identity, code, message, raw)"
            " SELECT :run_id, :id, n::text::bytea, 'amount_invalid', 'no number', '{}' FROM generate_series(1, :n) n"
            " RETURNING id"
        )
        return sorted(session.scalars(insert, {"run_id": run_id, "id": connection_id, "n": count}))


def test_a_rejected_row_is_left_out_and_opened_again(client, connection_id, sessions):
    first, second = _rejections(sessions, connection_id)
    problem(client.post(f"{BASE}/rejections/{first}/dismiss", json={"why": " "}), 422, "invalid_request")
    decided = client.post(f"{BASE}/rejections/{first}/dismiss", json={"why": "closed card"}).json()
    assert (decided["rejections"], decided["open"]) == (1, 1)
    [left_out] = client.get(f"{BASE}/rejections", params={"state": "dismissed"}).json()["items"]
    assert (left_out["id"], left_out["dismissed_why"]) == (first, "closed card")
    assert left_out["dismissed_by"].startswith("api:user:")
    assert [row["id"] for row in client.get(f"{BASE}/rejections").json()["items"]] == [second]
    problem(client.post(f"{BASE}/rejections/{first}/dismiss", json={"why": "again"}), 409, "conflict")
    [run] = client.get(f"{BASE}/import-runs", params={"kind": "dismiss"}).json()["items"]
    assert run["id"] == decided["run_id"]
    problem(client.post(f"{BASE}/import-runs/{run['id']}/revert"), 409, "conflict")
    assert client.post(f"{BASE}/rejections/{first}/reopen").json()["open"] == 2


def test_all_rejected_rows_of_one_reason_are_left_out(client, connection_id, sessions):
    _rejections(sessions, connection_id, 3)
    path = f"{BASE}/connections/{connection_id}/rejections"
    problem(client.post(f"{path}/dismiss", json={"code": "date_missing", "why": "old"}), 404, "not_found")
    sent = {"code": "amount_invalid", "why": "old"}
    assert client.post(f"{path}/dismiss", json=sent).json()["rejections"] == 3
    [group] = client.get(path).json()["items"]
    assert (group["code"], group["open"], group["dismissed"]) == ("amount_invalid", 0, 3)
    assert client.post(f"{path}/reopen", json={"code": "amount_invalid"}).json()["open"] == 3


@pytest.mark.parametrize("kind", ["unmatch", "move", "dismiss"])
def test_runs_of_what_a_person_did_are_listed(client, connection_id, sessions, kind):
    with sessions() as session:
        session.execute(
            text(
                "INSERT INTO bank_import_runs (id, connection_id, user_id, kind, trigger, status, code, finished_at)"
                " SELECT gen_random_uuid(), id, user_id, :kind, 'user', 'succeeded', 'ok', now()"
                " FROM bank_connections WHERE id = :id"
            ),
            {"id": connection_id, "kind": kind},
        )
    [run] = client.get(f"{BASE}/import-runs", params={"kind": kind}).json()["items"]
    assert run["kind"] == kind

"""The blueprint for FinMind works in a Flask app with FinMind's own session, tokens and database."""

import importlib.util
import uuid
from pathlib import Path
from types import SimpleNamespace

import pytest
from flask import Flask
from flask_jwt_extended import JWTManager, create_access_token
from sqlalchemy.orm import scoped_session, sessionmaker

from tests.factories import make_connection

SOURCE = Path(__file__).resolve().parents[2] / "examples" / "finmind" / "bank_connections.py"


@pytest.fixture
def finmind(engine, redis_url):
    spec = importlib.util.spec_from_file_location("finmind_blueprint", SOURCE)
    blueprint = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(blueprint)
    app = Flask("finmind")
    app.config.update(JWT_SECRET_KEY="a-secret-that-is-long-enough-for-hs256", WORKER_REDIS_URL=redis_url)
    JWTManager(app)
    session = scoped_session(sessionmaker(engine))
    app.extensions["sqlalchemy"] = SimpleNamespace(session=session)
    app.teardown_appcontext(lambda _error: session.remove())
    app.register_blueprint(blueprint.bp, url_prefix="/bank-connections")
    yield app
    app.extensions.get("finmind_worker", SimpleNamespace(close=lambda: None)).close()


@pytest.fixture
def ask(finmind, user_id):
    with finmind.app_context():
        token = create_access_token(identity=str(user_id))
    client = finmind.test_client()
    return lambda method, path, **sent: client.open(
        f"/bank-connections{path}", method=method, headers={"Authorization": f"Bearer {token}"}, **sent
    )


def test_the_example_is_short():
    assert len(SOURCE.read_text().splitlines()) < 150


def test_a_person_asks_for_an_import_and_follows_it(ask, sessions, user_id):
    with sessions() as session:
        connection_id = make_connection(session, user_id)
    assert [one["id"] for one in ask("GET", "/connections").json] == [str(connection_id)]
    started = ask("POST", f"/connections/{connection_id}/import", json={"dry_run": True, "from_date": "2026-01-01"})
    assert started.status_code == 202
    run_id = started.json["run_id"]
    shown = ask("GET", f"/import-runs/{run_id}").json
    assert (shown["status"], shown["dry_run"], shown["decisions"]) == ("queued", True, [])
    assert ask("POST", f"/connections/{connection_id}/refresh").status_code == 409
    assert ask("POST", f"/import-runs/{run_id}/cancel").json["status"] == "cancelled"
    assert ask("POST", f"/connections/{connection_id}/refresh").status_code == 202
    assert len(ask("GET", f"/connections/{connection_id}/import-runs").json) == 2
    assert ask("POST", f"/connections/{connection_id}/import", json={"from_date": "soon"}).status_code == 422


def test_what_belongs_to_somebody_else_is_not_there(ask):
    for method, path in (
        ("POST", "/connections/{}/refresh"),
        ("GET", "/import-runs/{}"),
        ("POST", "/import-runs/{}/cancel"),
    ):
        assert ask(method, path.format(uuid.uuid4())).status_code == 404

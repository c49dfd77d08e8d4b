"""What FinMind adds works with its tables, its session, its tokens and its form of errors, over a real API."""

import importlib.util
import io
import json
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pytest
from flask import Flask, jsonify, request
from flask_jwt_extended import JWTManager, create_access_token, get_jwt_identity, jwt_required
from sqlalchemy import func, select, text
from sqlalchemy.orm import scoped_session, sessionmaker

from tests.api.conftest import JWT_SECRET
from tests.api.serving import serving
from worker.models import BankConnection, BankImportRun, Expense, User

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "finmind"


def load(name):
    spec = importlib.util.spec_from_file_location(f"finmind_{name}", EXAMPLE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


bank_connections, bank_events = load("bank_connections"), load("bank_events")


@pytest.fixture
def finmind(app, engine):
    """FinMind's application as far as it matters: session, tokens, routes that write expenses and delete users."""
    backend = Flask("finmind")
    backend.config.update(JWT_SECRET_KEY=JWT_SECRET)
    JWTManager(backend)
    session = scoped_session(sessionmaker(engine))
    db = SimpleNamespace(session=session)
    backend.teardown_appcontext(lambda _error: session.remove())
    backend.register_blueprint(bank_connections.bp, url_prefix="/bank-connections")

    @backend.post("/expenses")
    @jwt_required()
    def add_expense():
        given = request.json
        expense = Expense(
            user_id=int(get_jwt_identity()),
            amount=Decimal(given["amount"]),
            currency="EUR",
            expense_type="EXPENSE",
            notes=given["description"],
            spent_at=date.fromisoformat(given["date"]),
        )
        db.session.add(expense)
        db.session.flush()
        bank_events.expense_changed(db.session, "created", expense)
        if request.json["amount"] == "13":
            db.session.rollback()
            return jsonify(error="unlucky"), 400
        db.session.commit()
        return jsonify(id=expense.id), 201

    @backend.get("/dashboard/summary")
    @jwt_required()
    def show_dashboard():
        bank_events.refresh_banks(db.session, int(get_jwt_identity()))
        db.session.commit()
        return jsonify(ok=True)

    @backend.delete("/users/me")
    @jwt_required()
    def delete_user():
        if left := bank_events.leave_banks():
            return jsonify(error=f"log in to {', '.join(left)} and revoke the access"), 409
        db.session.execute(text("DELETE FROM users WHERE id = :id"), {"id": int(get_jwt_identity())})
        db.session.commit()
        return jsonify(message="deleted")

    with serving(app) as port:
        backend.config["BANK_WORKER_URL"] = f"http://127.0.0.1:{port}"
        yield backend


@pytest.fixture
def ask(finmind, user_id):
    with finmind.app_context():
        token = create_access_token(identity=str(user_id))
    client = finmind.test_client()
    return lambda method, path, **sent: client.open(
        path, method=method, headers={"Authorization": f"Bearer {token}"}, **sent
    )


@pytest.fixture
def connection_id(ask):
    made = ask("POST", "/bank-connections/connections", json={"connector_name": "mock", "config": {}})
    assert made.status_code == 201, made.text
    return made.json["id"]


def test_the_worker_answers_under_finminds_own_prefix(ask, connection_id):
    listed = ask("GET", "/bank-connections/connections").json
    assert [one["id"] for one in listed["items"]] == [connection_id]
    place = f"/bank-connections/connections/{connection_id}"
    tried = ask("POST", f"{place}/import?dry_run=true&from_date=2026-01-01")
    assert (tried.status_code, tried.json["dry_run"], tried.json["from_on"]) == (202, True, "2026-01-01")
    assert tried.headers["Location"].endswith(tried.json["id"])
    cancelled = ask("POST", f"/bank-connections/import-runs/{tried.json['id']}/cancel")
    assert cancelled.status_code == 202
    followed = ask("GET", f"/bank-connections/import-runs/{tried.json['id']}/progress")
    assert followed.mimetype == "text/event-stream"
    assert json.loads(followed.text.rpartition("data: ")[2])["status"] == "cancelled"


def test_a_file_is_sent_through_it(ask):
    sent = {"file": (io.BytesIO(b"Date,Description,Amount,Currency\n2026-01-02,Cafe,-4.20,EUR\n"), "may.csv")}
    answer = ask("POST", "/bank-connections/files/inspections", data=sent, content_type="multipart/form-data")
    assert answer.status_code == 200, answer.text
    assert answer.json["files"]


def test_what_goes_wrong_has_finminds_form_of_errors(ask, finmind, connection_id):
    refused = ask("POST", f"/bank-connections/connections/{connection_id}/import?dryrun=1")
    assert (refused.status_code, isinstance(refused.json["error"], str)) == (422, True)
    assert ask("GET", f"/bank-connections/import-runs/{connection_id}").status_code == 404
    assert finmind.test_client().get("/bank-connections/connections").status_code == 401
    finmind.config["BANK_WORKER_URL"] = "http://127.0.0.1:1"
    away = ask("GET", "/bank-connections/connections")
    assert (away.status_code, away.json) == (503, {"error": "banks cannot be reached at the moment"})


def test_an_expense_that_finmind_writes_is_announced_if_it_is_committed(ask, sessions, user_id):
    with sessions() as session:
        session.execute(
            text(
                "INSERT INTO webhook_subscriptions"
                " (id, user_id, url, secret_encrypted, secret_key_id, event_types, api_version)"
                " VALUES (gen_random_uuid(), :id, 'https://example.test', 'x', 'k', '{expense.*}', '2026-11')"
            ),
            {"id": user_id},
        )
    written = {"amount": "4.20", "description": "Cafe", "date": "2026-11-02"}
    assert ask("POST", "/expenses", json=written | {"amount": "13"}).status_code == 400
    made = ask("POST", "/expenses", json=written)
    with sessions() as session:
        (data,) = session.scalars(text("SELECT data FROM webhook_events WHERE type = 'expense.created'"))
    assert (data["id"], data["amount"], data["date"]) == (made.json["id"], "4.20", "2026-11-02")


def test_a_person_who_opens_the_app_has_the_banks_refreshed_once(ask, connection_id, sessions):
    for _ in range(2):
        assert ask("GET", "/dashboard/summary").status_code == 200
    with sessions() as session:
        asked = session.execute(select(BankImportRun.connection_id, BankImportRun.kind)).all()
    assert [(str(one.connection_id), one.kind) for one in asked if one.kind == "refresh"] == [
        (connection_id, "refresh")
    ]


@pytest.mark.usefixtures("connection_id")
def test_a_user_who_goes_leaves_the_banks_first(ask, sessions):
    assert ask("DELETE", "/users/me").json == {"message": "deleted"}
    with sessions() as session:
        left = (session.scalar(select(func.count()).select_from(table)) for table in (User, BankConnection))
        assert tuple(left) == (0, 0)


def test_the_pieces_are_short_and_need_only_what_finmind_has():
    for name in ("bank_connections", "bank_events"):
        source = (EXAMPLE / f"{name}.py").read_text()
        assert len(source.splitlines()) < 120
        imported = {
            line.split()[1].partition(".")[0] for line in source.splitlines() if line.startswith(("import", "from"))
        }
        assert imported - set(sys.stdlib_module_names) <= {"flask", "requests", "sqlalchemy", "worker"}

"""Values of a later version, which a rollback leaves in the tables, are shown as they are: nothing fails over one.

A later version has more kinds, states and reasons. Its constraints allow them, and then it is taken back.
"""

import re
import uuid

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from tests.api.conftest import token
from tests.api.ops_rows import fill
from tests.api.serving import routes_of
from worker.api.app import create_app
from worker.app import app as celery
from worker.celery_hooks.beat_schedule import beat_entries
from worker.cli import environment
from worker.cli.main import run
from worker.runtime import close_process_runtime, open_runtime

LATER = "later"
KINDS = re.compile(r"(?:^|_)(?:kind|trigger|code|reason|decision|result|action|type|class)$")
"""The names of columns that hold one of some words."""

STANDINGS = re.compile(r"(?:^|_)(?:status|state)$")
"""Those by which most lists choose: changed last, because then few rows are found."""

LISTS = {"/import-runs", "/connections", "/suggestions", "/ops/runs", "/ops/connections", "/import-runs/{run_id}"}

MORE_ROWS = """
INSERT INTO bank_match_suggestions (user_id, run_id, transaction_id, kind, reason)
  SELECT user_id, first_run_id, id, 'expense', 'x' FROM bank_transactions;
INSERT INTO bank_transaction_changes (run_id, transaction_id, decision, reason)
  SELECT first_run_id, id, 'updated', 'x' FROM bank_transactions;
INSERT INTO bank_quota_usage (connector_name, connection_id, endpoint, window_s, window_started_at, window_ends_at,
  calls_limit) SELECT 'mock', id, 'x', 60, now(), now() + INTERVAL '1 minute', 4 FROM bank_connections;
INSERT INTO bank_connector_circuits (connector_name, scope, state, open_until) VALUES ('mock', 'x', 'open', now());
INSERT INTO institution_weather (connector_name, institution, failing_since_at, last_code)
  VALUES ('mock', 'Blue Bank AG', now(), 'x');
INSERT INTO connection_warnings (connection_id, user_id, kind, cause)
  SELECT id, user_id, 'needs_user', 'x' FROM bank_connections;
INSERT INTO webhook_attempts (delivery_id, attempt, code) SELECT id, 1, 'x' FROM webhook_deliveries;
INSERT INTO webhook_deliveries (event_id, subscription_id, replay, next_attempt_at)
  SELECT event_id, subscription_id, 1, now() FROM webhook_deliveries LIMIT 1;
INSERT INTO bank_import_runs (id, connection_id, user_id, kind, trigger) SELECT id, id, user_id, 'refresh', 'schedule'
  FROM bank_connections WHERE display_name <> 'Blue Bank';
INSERT INTO bank_link_attempts (id, user_id, connector_name, state_hash, expires_at)
  SELECT id, user_id, 'mock', id::text::bytea, now() FROM bank_connections;
INSERT INTO provider_notices (connector_name, login_ref, action, code, delivery_digest, issued_at)
  VALUES ('plaid', 'x', 'refresh', 'x', '', now())
"""


@pytest.fixture
def ids(sessions, user_id):
    """Rows of everything that is listed, and the ids by which addresses and commands name them."""
    with sessions() as session:
        connection_id = fill(session, user_id, runs=12)
        for statement in MORE_ROWS.split(";\n"):
            session.execute(text(statement))
        return {
            "connection_id": connection_id,
            "run_id": session.scalar(text("SELECT run_id FROM bank_import_run_accounts")),
            "bank_account_id": session.scalar(text("SELECT id FROM bank_accounts")),
            "account_id": session.scalar(text("SELECT id FROM bank_connection_accounts")),
            "transaction_id": session.scalar(text("SELECT max(id) FROM bank_transactions")),
            "subscription_id": session.scalar(text("SELECT id FROM webhook_subscriptions")),
            "delivery_id": session.scalar(text("SELECT min(id) FROM webhook_deliveries")),
            "attempt_id": session.scalar(text("SELECT id FROM bank_link_attempts LIMIT 1")),
            "rest": "nowhere",
        }


def write_later_values(session, names):
    """Put a value of a later version into the columns of these names, in every row."""
    for table, name in session.execute(
        text(
            "SELECT conrelid::regclass::text, conname FROM pg_constraint"
            " WHERE contype = 'c' AND connamespace = current_schema::regnamespace"
        )
    ).all():
        session.execute(text(f"ALTER TABLE {table} DROP CONSTRAINT {name}"))
    columns = session.execute(
        text(
            "SELECT c.table_name, c.column_name FROM information_schema.columns c JOIN information_schema.tables t"
            " USING (table_schema, table_name) WHERE table_schema = current_schema AND data_type = 'character varying'"
            " AND t.table_type = 'BASE TABLE' AND table_name NOT IN ('credential_audit', 'users', 'bills', 'reminders')"
        )
    ).all()
    chosen = [(table, column) for table, column in columns if names.search(column)]
    assert len(chosen) > len("many")
    for table, column in chosen:
        session.execute(text(f"UPDATE {table} SET {column} = '{LATER}' WHERE {column} IS NOT NULL"))


def answers_of(client, ids):
    """Yield the address and the status of everything that can be read, by users and by operators."""
    paths = {path for path, route in routes_of(client.app.router) if "GET" in route.methods} - {"/ops/live"}
    for path in sorted(paths):
        address = re.sub(r"{(\w+)[^}]*}", lambda name: str(ids.get(name[1], uuid.UUID(int=0))), path)
        operator = {"auth": ("ops", "wonderful")} if path.startswith("/ops") else {}
        answer = client.get(address if operator else f"/bank-connections{address}", **operator)
        yield path, answer.status_code, answer.text


def commands_of(user_id, ids):
    """Return the commands that list or show something."""
    user = ["--user", str(user_id)]
    return [
        ["status"], ["runs", "list"], ["runs", "show", ids["run_id"]], ["connections", "list"],
        ["connections", "show", ids["connection_id"]], ["suggestions", "list", *user], ["institutions"],
        ["rejections", "list", *user], ["accounts", "list", *user],
        ["transactions", "show", ids["transaction_id"], *user], ["webhooks", "list", *user],
        ["webhooks", "deliveries"], ["users", "list"],
    ]  # fmt: skip


def commands_that_fail(user_id, ids, capsys):
    """Yield the commands that did not do what they should, with what they said."""
    for command in commands_of(user_id, ids):
        code = run([str(part) for part in command])
        said = capsys.readouterr().err
        if "unexpected" in said or (code != 0 and command != ["status"]):
            yield command, said


@pytest.fixture
def environment_of_test(settings, monkeypatch):
    for name in ("credential_keys", "database_url", "redis_url"):
        monkeypatch.setenv(name.upper(), getattr(settings, name).get_secret_value())
    celery.loader.import_default_modules()
    environment.settings.cache_clear()
    yield
    environment.settings.cache_clear()
    close_process_runtime()


@pytest.fixture
def client(settings, user_id):
    configured = settings.model_copy(update={"ops_basic_auth": type(settings.redis_url)("ops:wonderful")})
    mine = {"Authorization": f"Bearer {token(user_id)}"}
    application = create_app(open_runtime(configured, role="test"))
    with TestClient(application, headers=mine, raise_server_exceptions=False) as opened:
        yield opened


@pytest.mark.usefixtures("environment_of_test")
def test_nothing_fails_over_a_value_of_a_later_version(settings, sessions, client, user_id, ids, capsys):
    for names in (KINDS, STANDINGS):
        with sessions() as session:
            write_later_values(session, names)
        answers = list(answers_of(client, ids))
        assert [(path, body[-800:]) for path, status, body in answers if status >= 500] == []
        assert {path for path, status, _body in answers if status == 200} >= LISTS
        assert list(commands_that_fail(user_id, ids, capsys)) == []
        for order in (
            "suggestions/1/accept",
            f"import-runs/{ids['run_id']}/retry",
            f"import-runs/{ids['run_id']}/revert",
        ):
            assert client.post(f"/bank-connections/{order}").status_code == 409
        for entry in beat_entries(settings):  # what it sends goes on past rows that it does not know
            celery.tasks[entry.task].apply(args=(entry.queue.value,) if "canary" in entry.task else (), throw=True)

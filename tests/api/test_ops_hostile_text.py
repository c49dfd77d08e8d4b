"""What people, banks and receivers wrote stands on every operator's page as text: no page and no terminal obeys it."""

import unicodedata
from html.parser import HTMLParser

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from tests.api.ops_rows import fill
from tests.api.serving import routes_of
from worker.api import ops
from worker.api.app import create_app
from worker.runtime import open_runtime

HOSTILE = (
    "<b>\x1b\u202e]0;me\x07\x9b31m\u2028\r\nerror: all is lost</title><script>alert(1)</script>\"'><img onerror=a>"
)
WRITTEN = {
    "bank_connections": (
        "display_name", "institution_name", "status_code", "status_message", "last_failure_code", "rate_limit_code",
        "problem_code", "problem_message",
    ),
    "bank_accounts": ("name", "institution_name", "mask", "currency"),
    "bank_connection_accounts": ("external_id", "name", "mask", "currency", "status_code", "problem_code",
                                 "problem_message"),
    "bank_import_runs": ("code", "message", "worker_name"),
    "bank_import_run_accounts": ("code", "message"),
    "bank_transactions": ("description", "counterparty", "currency", "first_reason"),
    "bank_import_rejections": ("code", "external_id", "message"),
    "bank_quota_usage": ("endpoint",),
    "bank_connector_circuits": ("scope",),
    "institution_weather": ("institution", "last_code"),
    "worker_heartbeats": ("component",),
    "webhook_subscriptions": ("url", "status_code"),
    "webhook_events": ("type",),
    "webhook_deliveries": ("last_code",),
}  # fmt: skip
"""The columns that hold what somebody else wrote, which a page shows."""

MORE_ROWS = """
UPDATE bank_import_runs SET status = 'running', finished_at = NULL, lease_token = gen_random_uuid(),
  lease_expires_at = now(), heartbeat_at = now()
WHERE id = (SELECT max(id::text)::uuid FROM bank_import_runs WHERE status = 'succeeded');
UPDATE bank_connections SET problem_code = 'x', problem_since_at = now(), next_refresh_at = now() - INTERVAL '1 day',
  rate_limited_until = now() + INTERVAL '1 hour';
UPDATE bank_connection_accounts SET problem_code = 'x', problem_since_at = now();
INSERT INTO bank_quota_usage (connector_name, connection_id, endpoint, window_s, window_started_at, window_ends_at,
  calls_limit) SELECT 'mock', id, 'x', 60, now(), now() + INTERVAL '1 minute', 4 FROM bank_connections;
INSERT INTO bank_connector_circuits (connector_name, scope, state, open_until) VALUES ('mock', 'x', 'open', now());
INSERT INTO institution_weather (connector_name, institution, failing_since_at) VALUES ('mock', 'x', now());
INSERT INTO worker_heartbeats (component) VALUES ('x');
INSERT INTO webhook_deliveries (event_id, subscription_id, replay, next_attempt_at)
  SELECT event_id, subscription_id, 1, now() FROM webhook_deliveries LIMIT 1
"""
FILES = {"/ops/style.css", "/ops/live.js", "/ops/live", "/ops/recordings/{run_id}"}
"""What is asked for at `/ops` and is no page."""
SEARCHED = ("runs", "connections", "institutions")
"""The pages with a form that searches."""


class Markup(HTMLParser):
    """The elements of a page and their attributes, as a browser sees them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))


def obeyed(page: str) -> list[object]:
    """What a browser or a terminal would do because of the hostile text."""
    acting = {"Cc", "Cf", "Zl", "Zp"}
    found: list[object] = [hex(ord(one)) for one in page if one != "\n" and unicodedata.category(one) in acting]
    for tag, attributes in Markup(page).elements:
        if tag in {"b", "img"} or any(name.startswith("on") for name in attributes):
            found.append((tag, attributes))
        if tag == "script" and attributes != {"src": "/ops/live.js", "defer": None}:
            found.append((tag, attributes))
    return found


def mark(table: str, column: str) -> str:
    """A text of three characters that tells what a column holds from what the others hold."""
    columns = [(name, one) for name, several in WRITTEN.items() for one in several]
    return f"¤{columns.index((table, column)):02}"


def overwrite(session, table: str, column: str) -> None:
    longest = session.scalar(
        text(
            "SELECT character_maximum_length FROM information_schema.columns WHERE table_schema = current_schema"
            " AND table_name = :table AND column_name = :column"
        ),
        {"table": table, "column": column},
    )
    written = (mark(table, column) + HOSTILE)[: longest or 1000]
    session.execute(text(f"UPDATE {table} SET {column} = :written"), {"written": written})


@pytest.fixture
def places(sessions, user_id):
    """The parameters of addresses, after each of the columns was overwritten."""
    with sessions() as session:
        connection_id = fill(session, user_id, runs=12)
        for statement in MORE_ROWS.split(";\n"):
            session.execute(text(statement))
        for table, columns in WRITTEN.items():
            for column in columns:
                overwrite(session, table, column)
        return {
            "connection_id": connection_id,
            "run_id": session.scalar(text("SELECT run_id FROM bank_import_run_accounts")),
            "bank_account_id": session.scalar(text("SELECT id FROM bank_accounts")),
            "transaction_id": session.scalar(text("SELECT max(id) FROM bank_transactions")),
            "rest": "nowhere",
        }


@pytest.fixture
def client(settings):
    configured = settings.model_copy(update={"ops_basic_auth": type(settings.redis_url)("ops:wonderful")})
    with TestClient(create_app(open_runtime(configured))) as opened:
        opened.auth = ("ops", "wonderful")
        opened.headers["Origin"] = "http://testserver"
        yield opened


def test_no_page_of_operators_obeys_what_somebody_wrote_and_all_of_it_can_be_read(client, places):
    pages = {path for path, route in routes_of(ops.router) if "GET" in route.methods} - FILES
    asked = [path.replace(":path", "").format(**places) for path in sorted(pages)]
    typed = {"q": HOSTILE[:90], "institution": HOSTILE[:90], "code": HOSTILE[:40], "status": HOSTILE, "user": HOSTILE}
    connection, run = f"/ops/connections/{places['connection_id']}", f"/ops/runs/{places['run_id']}"
    forms = {
        f"{connection}/pause": {},
        f"{connection}/rejections/dismiss": {"code": "x", "account": HOSTILE, "why": HOSTILE[:150]},
        f"{connection}/rejections/reopen": {"code": HOSTILE},
        f"{run}/retry": {},
        f"/ops/transactions/{places['transaction_id']}/unmatch": {"match": HOSTILE},
        "/ops/dead-letters/replay-all": {"subscription_id": HOSTILE},
    }
    answers = [client.get(path) for path in [*asked, "/ops/runs?range=all"]]
    answers += [client.get(f"/ops/{page}", params={name: value}) for name, value in typed.items() for page in SEARCHED]
    answers += [client.post(path, data=form) for path, form in forms.items()]
    bank = (mark("bank_connections", "institution_name") + HOSTILE)[:200]
    answers.append(client.get("/ops/institutions/one", params={"connector": "mock", "name": bank}))
    assert answers[-1].status_code == 200
    assert {answer.status_code for answer in answers} == {200, 404, 422}
    assert [(str(answer.url), acts) for answer in answers if (acts := obeyed(answer.text))] == []
    shown = "".join(answer.text for answer in answers)
    columns = [(table, column) for table, several in WRITTEN.items() for column in several]
    assert [column for column in columns if f"{mark(*column)}&lt;b&gt;" not in shown] == []

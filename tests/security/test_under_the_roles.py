"""A whole day of the product with the log-ins of its roles: API, imports, a revert, webhooks, everything beat sends."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, make_url, text

import worker
from tests import roles
from tests.api.conftest import JWT_SECRET, token
from tests.factories import make_connection
from worker.app import app as celery
from worker.celery_hooks.beat_schedule import beat_entries
from worker.credentials import generate_key
from worker.db.engine import Sessions
from worker.local.redis import free_port
from worker.runtime import close_process_runtime, open_runtime, runtime
from worker.schema.partitions import PartitionGroup, partition
from worker.schema.roles import DatabaseRole, LogIn, apply_roles
from worker.settings import Settings
from worker.tasks.execution import execute_run


@pytest.fixture
def settings_of(database_url: str, redis_url: str, engine: Engine, tmp_path) -> Iterator[dict[DatabaseRole, Settings]]:
    """Settings per role, each with the address of a log-in of its own."""
    made = {
        role: LogIn(role=role, name=f"{role}_{uuid.uuid4().hex[:8]}", password="x")
        for role in (DatabaseRole.WORKER, DatabaseRole.API)
    }
    apply_roles(engine, list(made.values()))
    shared = {
        "_env_file": None,
        "redis_url": redis_url,
        "credential_keys": generate_key(),
        "jwt_secret": JWT_SECRET,
        "statement_folder": tmp_path / "statements",
        "connectors_enabled": "all",
        "webhook_allow_loopback": True,
    }
    url = make_url(database_url)
    yield {
        role: Settings(
            database_url=url.set(username=login.name, password="x").render_as_string(hide_password=False), **shared
        )
        for role, login in made.items()
    }
    with engine.begin() as connection:
        for login in made.values():
            connection.exec_driver_sql(f"DROP ROLE {login.name}")


@pytest.fixture(params=["whole tables", "partitions"])
def _both_forms(request, engine: Engine) -> None:
    for group in PartitionGroup if request.param == "partitions" else ():
        partition(engine, group)


@pytest.fixture
def api(settings_of, user_id: int) -> Iterator[TestClient]:
    from worker.api.app import create_app

    application = create_app(open_runtime(settings_of[DatabaseRole.API], role="api"))
    with TestClient(application, headers={"Authorization": f"Bearer {token(user_id)}"}) as client:
        yield client


@pytest.fixture
def execute(settings_of):
    """Execute a run as a worker would."""

    def run(run_id: str) -> None:
        with runtime(settings_of[DatabaseRole.WORKER]) as opened:
            execute_run(opened, uuid.UUID(run_id), worker_name="test", soft_limit_s=240)

    return run


@pytest.mark.usefixtures("settings_of", "_both_forms")
def test_a_connection_is_made_imported_reverted_and_removed(api: TestClient, execute, sessions: Sessions) -> None:
    made = api.post("/bank-connections/connections", json={"connector_name": "mock", "config": {"rows": 30}})
    assert made.status_code == 201, made.text
    place = f"/bank-connections/connections/{made.json()['id']}"
    hook = {"url": f"http://127.0.0.1:{free_port()}/", "event_types": ["*"]}
    assert api.post("/bank-connections/webhooks", json=hook).status_code == 201
    run_id = api.post(f"{place}/import", json={}, headers={"Idempotency-Key": "once"}).json()["id"]
    execute(run_id)
    shown = api.get(f"/bank-connections/import-runs/{run_id}").json()
    assert (shown["status"], shown["code"]) == ("succeeded", "ok"), shown
    for page in ("connections", "suggestions", "webhooks", "connectors"):
        assert api.get(f"/bank-connections/{page}").status_code == 200
    execute(api.post(f"{place}/refresh", json={}).json()["id"])
    reverted = api.post(f"/bank-connections/import-runs/{run_id}/revert", json={})
    assert reverted.status_code in (200, 202), reverted.text
    execute(reverted.json()["id"])
    again = api.post(f"{place}/import", json={}).json()["id"]
    execute(again)
    assert api.delete(f"{place}?delete_expenses=true").status_code == 200
    with sessions() as session:
        assert session.scalar(text("SELECT count(*) FROM expenses")) == 0


@pytest.mark.usefixtures("settings_of", "_both_forms")
def test_everything_that_beat_sends_runs_with_the_workers_role(
    settings_of, redis_url: str, monkeypatch, sessions: Sessions, user_id: int
) -> None:
    settings = settings_of[DatabaseRole.WORKER]
    with sessions() as session:
        session.execute(text("INSERT INTO credential_audit (at, actor, action, table_name, row_id, user_id)"
                             " VALUES (now() - interval '1 year', 'x', 'opened', 't', 'r', :id),"
                             " (now(), 'x', 'sealed', 't', 'r', 999), (now(), 'x', 'sealed', 't', 'r', :id)"),
                        {"id": user_id})  # fmt: skip
        session.execute(
            text(
                "INSERT INTO bills (user_id, name, amount, next_due_date, cadence)"
                " VALUES (:id, 'Rent', 1, now(), 'ONCE')"
            ),
            {"id": user_id},
        )
    monkeypatch.setenv("DATABASE_URL", settings.database_url.get_secret_value())
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("CREDENTIAL_KEYS", settings.credential_keys.get_secret_value())
    celery.loader.import_default_modules()
    try:
        for entry in beat_entries(settings):
            celery.tasks[entry.task].apply(args=(entry.queue.value,) if "canary" in entry.task else (), throw=True)
    finally:
        close_process_runtime()
    with sessions() as session:
        left = session.execute(text("SELECT action, user_id, detail FROM credential_audit ORDER BY id")).all()
    assert [tuple(line) for line in left] == [
        ("sealed", user_id, {}),
        ("operated", None, {"command": "users erase", "lines": {"sealed": 1}}),
    ]


@pytest.fixture
def as_worker(settings_of, redis_url: str, monkeypatch) -> Iterator[None]:
    """Let commands of this test run with the worker's log-in."""
    from worker.cli import environment

    settings = settings_of[DatabaseRole.WORKER]
    monkeypatch.setenv("DATABASE_URL", settings.database_url.get_secret_value())
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("CREDENTIAL_KEYS", settings.credential_keys.get_secret_value())
    environment.settings.cache_clear()
    yield
    environment.settings.cache_clear()


@pytest.mark.usefixtures("as_worker")
def test_the_workers_log_in_erases_all_but_the_user_and_says_so(sessions: Sessions, capsys, user_id: int) -> None:
    from worker.cli.main import run

    with sessions() as session:
        make_connection(session, user_id)
    assert run(["users", "erase", str(user_id), "--yes"]) == 3
    assert "this log-in may not delete from `users`" in capsys.readouterr().out
    with sessions() as session:
        assert session.scalar(text("SELECT count(*) FROM bank_connections")) == 0
        assert session.scalars(text("SELECT id FROM users")).all() == [user_id]


@pytest.mark.parametrize(
    ("module", "role"), [("runs/a.py", "finmind_worker"), ("api/a.py", "finmind_api"), ("schema/a.py", None)]
)
def test_the_suite_can_send_what_the_package_sends_with_the_role_of_its_process(
    engine: Engine, module: str, role: str | None
) -> None:
    """`make test-roles` stands on this."""
    apply_roles(engine, [])
    roles.watch(engine)
    code = compile("asked = connection.scalar(query)", str(Path(worker.__file__).parent / module), "exec")
    with engine.connect() as connection:
        found = {"connection": connection, "query": text("SELECT current_user")}
        exec(code, found)
        assert found["asked"] == (role or connection.scalar(text("SELECT session_user")))


def test_the_command_line_of_the_api_gives_a_token_for_a_user_that_exists(
    settings_of, redis_url: str, monkeypatch, capsys, user_id: int
) -> None:
    from worker.cli.main import run

    settings = settings_of[DatabaseRole.API]
    monkeypatch.setenv("DATABASE_URL", settings.database_url.get_secret_value())
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("CREDENTIAL_KEYS", settings.credential_keys.get_secret_value())
    monkeypatch.setenv("JWT_SECRET", JWT_SECRET)
    assert run(["token", "--user", str(user_id)]) == 0
    assert run(["token", "--user", "999999"]) != 0
    assert "no user 999999" in capsys.readouterr().err

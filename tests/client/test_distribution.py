"""The distribution for the web app needs SQLAlchemy alone, and what is requested with it starts at once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from client.modules import MODULES
from tests.supply.environments import PYTHON, link
from tests.waiting import PATIENCE_S, until
from tools.release import CLIENT, build
from worker.process import heartbeat_files

pytestmark = pytest.mark.processes

ROOT = Path(__file__).resolve().parents[2]

IMPORTED = """
import sys, worker.client
print(*(module.__file__ for name, module in sys.modules.items() if name.startswith("worker")))
"""
REQUESTS = """
import os, sys, time
from sqlalchemy import create_engine
from sqlalchemy.orm import Session
from worker.client import WorkerClient, run_status
from worker.models import BankImportRun

client = WorkerClient()
engine = create_engine(os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg2://"))
with Session(engine) as session:
    for _ in range(int(sys.argv[2])):
        run_id = client.request_refresh(session, sys.argv[1])
        session.commit()
        run = session.get(BankImportRun, run_id)
        while run.finished_at is None:
            time.sleep(0.01)
            session.rollback()
        print(run.status)
        session.rollback()
"""


@pytest.fixture(scope="module")
def web_app(tmp_path_factory):
    """An environment of the built wheel, what it requires, and the driver of Postgres."""
    wheel = build(tmp_path_factory.mktemp("dist"), CLIENT)[1]
    roots = {"finmind-worker-client": "", "psycopg2-binary": ""}
    return link(tmp_path_factory.mktemp("web-app"), wheel, roots) / "python"


@pytest.fixture
def worker_that_never_ticks(tmp_path, database_url, redis_url, settings, monkeypatch):
    monkeypatch.setenv("FINMIND_HEALTH_DIR", str(tmp_path / "health"))
    environment = os.environ | {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "CREDENTIAL_KEYS": settings.credential_keys.get_secret_value(),
        "TICK_S": "86400",
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "celery", "-A", "worker.app", "worker", "-n", "one@here", "-c", "2"]
    with (tmp_path / "output").open("ab") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=tmp_path)
    until(lambda: b"requests.heard" in (tmp_path / "output").read_bytes())
    until(lambda: heartbeat_files.problem("worker") is None)
    yield
    process.terminate()
    assert process.wait(PATIENCE_S) == 0


def test_it_holds_what_it_imports_and_nothing_else(web_app):
    packages = web_app.parent.parent / "lib" / PYTHON / "site-packages"
    command = [web_app, "-I", "-W", "error", "-c", IMPORTED]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    imported = {str(Path(file).relative_to(packages)) for file in printed.split()}
    needed = {module for module in MODULES if not module.endswith(".typed")}
    assert {next((module for module in needed if file.startswith(module)), file) for file in imported} == needed
    installed = {found.name for found in packages.iterdir()}
    assert not installed & {"celery", "kombu", "redis", "pydantic", "structlog", "cryptography"}


@pytest.mark.usefixtures("worker_that_never_ticks")
def test_what_is_requested_without_a_broker_starts_at_once(web_app, database_url, connect_mock):
    connection_id = connect_mock(history_days=3, accounts=1)
    given = {"DATABASE_URL": database_url, "PATH": os.defpath}
    command = [web_app, "-I", "-c", REQUESTS, str(connection_id), "3"]
    ended = subprocess.run(command, env=given, capture_output=True, text=True, check=True, timeout=PATIENCE_S)
    assert ended.stdout.split() == ["succeeded"] * 3

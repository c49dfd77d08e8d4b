"""An import of a bank that needs five times as long as a run may, in a real worker that is told to stop every 2 s."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from sqlalchemy import Row, text

from tests.factories import make_sealed_connection
from tests.waiting import until
from worker.broker import EXECUTE
from worker.connectors.mock import MockConfig
from worker.models import BankImportRun
from worker.runs.request import request_run
from worker.runs.states import RunKind, RunRequest

pytestmark = pytest.mark.processes

PAGE_S = 0.25
# A run hands itself back after 2 s.
APP = """
from worker import broker

broker.TIME_LIMITS[broker.Queue.INTERACTIVE] = broker.TimeLimit(soft_s=22, hard_s=60)

from worker.app import app
"""


@pytest.fixture
def worker(tmp_path, settings):
    environment = os.environ | {
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "REDIS_URL": settings.redis_url.get_secret_value(),
        "CREDENTIAL_KEYS": settings.credential_keys.get_secret_value(),
        "FINMIND_HEALTH_DIR": str(tmp_path / "health"),
        "PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[2]}",
    }
    (tmp_path / "short_app.py").write_text(APP)
    arguments = ("worker", "-n", "slow@here", "-P", "threads", "-c", "2", "-Q", "interactive", "--without-mingle")
    with (tmp_path / "output").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "short_app", *arguments],
            env=environment,
            stdout=log,
            stderr=log,
            cwd=tmp_path,
            start_new_session=True,
        )
    yield process
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture
def publish(settings):
    app = Celery("outsider", broker=settings.redis_url.get_secret_value(), set_as_current=False)
    yield lambda run_id: app.send_task(EXECUTE, args=[str(run_id)], queue="interactive")
    app.close()


@pytest.fixture
def connection_id(opened, user_id):
    slow = MockConfig(mode="slow", delay_s=PAGE_S, accounts=1, page_size=4, history_days=150)
    return make_sealed_connection(opened.sessions, opened.vault, user_id, slow)


TOLD = """
CREATE TABLE told (was text, status text, attempt int, pages int, fetched int);
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
  INSERT INTO told VALUES (OLD.status, NEW.status, NEW.attempt, NEW.pages, NEW.fetched);
  RETURN NULL;
END $$;
CREATE TRIGGER tell AFTER UPDATE ON bank_import_runs FOR EACH ROW EXECUTE FUNCTION tell()
"""
"""Keeps every state of the run, for who only looks now and then may miss one."""


@pytest.mark.long
@pytest.mark.usefixtures("worker")
def test_an_import_that_needs_five_deadlines_arrives_once_and_spends_no_attempt(sessions, connection_id, publish):
    with sessions() as session:
        session.execute(text(TOLD))
        run_id = request_run(session, RunRequest(connection_id=connection_id, kind=RunKind.IMPORT))

    def told(status: str) -> list[Row[Any]]:
        with sessions() as session:
            query = text("SELECT attempt, pages, fetched FROM told WHERE was = 'running' AND status = :status")
            return list(session.execute(query, {"status": status}).all())

    def read() -> BankImportRun:
        with sessions() as session:
            return session.get_one(BankImportRun, run_id)

    while (run := read()).finished_at is None:
        handed_back = len(told("queued"))
        publish(run_id)
        until(lambda before=handed_back: len(told("queued")) > before or read().finished_at, every_s=0.05)
    assert (run.status, run.code) == ("succeeded", "ok")
    assert len(told("queued")) >= 4, "the bank needs several deadlines"
    assert {attempt for attempt, _, _ in told("queued")} == {0}
    assert len({(pages, fetched) for _, pages, fetched in told("running")}) > 10, "both move while they arrive"
    assert run.read_to_on is not None
    with sessions() as session:
        rows, distinct, expenses = session.execute(
            text(
                "SELECT count(*), count(DISTINCT external_id), count(expense_id) FROM bank_transactions"
                " WHERE state <> 'removed'"
            )
        ).one()
    assert rows == distinct == expenses == run.created
    assert run.fetched == rows

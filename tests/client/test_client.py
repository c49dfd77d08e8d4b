"""The web app asks for runs through Postgres or a broker, and a dead broker does not cost it a request."""

import os
import signal
import uuid
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from runpy import run_path
from select import select as select_readable
from types import SimpleNamespace

import pytest
import redis
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.factories import make_connection
from tests.importer.bank import TODAY, Harness
from worker.client import WorkerClient, imported_expenses, run_status
from worker.errors import NotFoundError
from worker.local.redis import EmbeddedRedis
from worker.models import BankImportRun
from worker.runs.wake_up import CHANNEL

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "finmind" / "bank_events.py"


@pytest.fixture
def connection_id(sessions, user_id):
    with sessions() as session:
        return make_connection(session, user_id)


def waiting(redis_url: str, queue: str = "interactive") -> int:
    with redis.Redis.from_url(redis_url) as client:
        return client.llen(queue)


def test_the_message_follows_the_commit(engine, redis_url, connection_id):
    client = WorkerClient(redis_url)
    with Session(engine) as session:
        run_id = client.request_refresh(session, connection_id)
        assert waiting(redis_url) == 0
        session.commit()
        assert waiting(redis_url) == 1
        assert run_status(session, run_id) == "queued"
        session.commit()
        assert waiting(redis_url) == 1
    client.close()


def test_a_rollback_takes_the_request_and_the_message_with_it(engine, redis_url, connection_id):
    client = WorkerClient(redis_url)
    with Session(engine) as session:
        client.request_import(session, str(connection_id), dry_run=True)
        session.rollback()
        session.commit()
        assert session.scalar(select(BankImportRun.id)) is None
    assert waiting(redis_url) == 0
    client.close()


def test_a_savepoint_is_no_commit(engine, redis_url, connection_id):
    client = WorkerClient(redis_url)
    with Session(engine) as session:
        with session.begin_nested():
            client.request_refresh(session, connection_id)
        assert waiting(redis_url) == 0
        session.commit()
        assert waiting(redis_url) == 1
    client.close()


def test_asking_twice_is_one_run(engine, redis_url, connection_id):
    client = WorkerClient(redis_url)
    with Session(engine) as session:
        assert client.request_refresh(session, connection_id) == client.request_refresh(session, connection_id)
        session.commit()
    client.close()


def test_an_unknown_connection_is_refused(engine, redis_url):
    client = WorkerClient(redis_url)
    with Session(engine) as session, pytest.raises(NotFoundError):
        client.request_refresh(session, uuid.uuid4())
    client.close()


def test_a_broker_that_is_down_loses_nothing(engine, connection_id):
    client = WorkerClient("redis://127.0.0.1:1/0")
    with Session(engine) as session:
        run_id = client.request_refresh(session, connection_id)
        session.commit()
        assert run_status(session, run_id) == "queued"
    assert client.nudge(run_id) is False
    client.close()


def test_a_frozen_broker_neither_hangs_nor_loses_the_request(engine, connection_id, tmp_path):
    server = EmbeddedRedis(tmp_path)
    client = WorkerClient(server.url, timeout_s=0.3)
    os.kill(server.pid, signal.SIGSTOP)
    try:
        with Session(engine) as session:
            run_id = client.request_refresh(session, connection_id)
            session.commit()  # hangs for ever without the bound on each socket operation
            assert run_status(session, run_id) == "queued"
    finally:
        os.kill(server.pid, signal.SIGCONT)
        client.close()
        server.stop()


def test_without_a_broker_the_request_itself_wakes_the_dispatcher(engine, connection_id):
    client = WorkerClient()
    with engine.connect() as listening, Session(engine) as session:
        driver = listening.connection.dbapi_connection
        driver.autocommit = True
        driver.cursor().execute(f"LISTEN {CHANNEL}")
        client.request_refresh(session, connection_id)
        session.rollback()
        run_id = client.request_refresh(session, connection_id)
        assert client.nudge(run_id) is False
        driver.poll()
        assert driver.notifies == []
        session.commit()
        select_readable([driver], [], [], 60)
        driver.poll()
        assert [found.channel for found in driver.notifies] == [CHANNEL]
    client.close()


def test_the_cause_of_a_message_that_cannot_be_sent_is_logged_once(engine, connection_id, caplog, monkeypatch):
    monkeypatch.setattr("worker.client.HOLD_OFF_S", 0.0)
    caplog.set_level("WARNING", logger="worker.client")
    client = WorkerClient("redis://127.0.0.1:1/0")
    with Session(engine) as session:
        for _ in range(3):
            client.request_refresh(session, connection_id)
            session.commit()
    client.close()
    told = [record.getMessage() for record in caplog.records if record.name == "worker.client"]
    assert len(told) == 1
    assert "Error 111 connecting to 127.0.0.1:1" in told[0]


def test_the_web_app_can_ask_whether_an_expense_was_imported_before_it_writes_it(sessions, user_id):
    harness = Harness(sessions, user_id)
    harness.bank.buy("-4.20", "Cafe Central", external_id="1")
    harness.bank.buy("-4.20", "Cafe Central", external_id="2", booking_on=TODAY - timedelta(days=2))
    harness.bank.buy("-4.20", "Cafe Central", external_id="3", booking_on=TODAY - timedelta(days=9))
    harness.bank.buy("4.20", "Refund", external_id="4")
    harness.refresh()
    asked = {"user_id": user_id, "currency": "EUR", "expense_type": "EXPENSE", "spent_on": TODAY}
    with sessions() as session:
        found = imported_expenses(session, amount=Decimal("4.20"), **asked)
        assert imported_expenses(session, amount=Decimal("4.21"), **asked) == []
        typed = SimpleNamespace(amount=Decimal("4.20"), spent_at=TODAY, **asked)
        assert run_path(str(EXAMPLE))["imported_twin"](session, typed) == found[0].expense_id
    assert [(one.spent_on, one.notes) for one in found] == [
        (TODAY, "Cafe Central"),
        (TODAY - timedelta(days=2), "Cafe Central"),
    ]

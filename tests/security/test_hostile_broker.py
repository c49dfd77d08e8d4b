"""Whoever can write to Redis causes work that is due anyway, and nothing more."""

import base64
import bz2
import json
import os
import signal
import subprocess
import sys
import uuid
import zlib
from pathlib import Path

import pytest
import redis
from celery import Celery
from sqlalchemy import text

from tests.factories import make_connection
from tests.waiting import PATIENCE_S, until
from worker import broker
from worker.connections.credentials import new_config_values
from worker.connectors.mock import MockConfig
from worker.credentials import LocalKeyring, generate_key
from worker.credentials.envelope import EnvelopeVault
from worker.credentials.local import parse_keys
from worker.runs.dispatching.dispatch import take_due_runs
from worker.runs.dispatching.dispatch_order import DispatchLimits
from worker.runs.request import request_run
from worker.runs.states import RunKind, RunRequest

ENTRY = generate_key()
TASKS = [getattr(broker, name) for name in dir(broker) if str(getattr(broker, name)).startswith("worker.tasks.")]
QUEUES = [*(queue.value for queue in broker.Queue), "celery"]
FORGED = {"id": 1, "amount": "1000000.00", "currency": "EUR", "expense_type": "EXPENSE", "date": "2026-01-01"}
DEEP = json.dumps([[None], {}, {}]).replace("null", "[" * 900 + "]" * 900)
NAMES_A_TYPE = b'{"__type__": "decimal", "__value__": "x"}'
GARBAGE = [b"", b"x", b"{}", b"[]", b"null", b"1", b'{"body": 1}', b"[" * 50_000, b"\xff\xfe", b'{"properties": {}}']
GARBAGE += [NAMES_A_TYPE]
LIMITS = DispatchLimits(ahead=10, per_user=10, per_connector=10, redispatch_s=60)


def envelope(task: object, args: object, *, embed: object = None, body: object = None, **headers: object) -> bytes:
    """Return a message as kombu puts it into Redis, with whatever a writer likes to say."""
    content = json.dumps([args, {}, embed or {}]) if body is None else body
    tag = str(uuid.uuid4())
    return json.dumps(
        {
            "body": base64.b64encode(str(content).encode()).decode(),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {"lang": "py", "task": task, "id": tag} | headers,
            "properties": {
                "correlation_id": tag,
                "delivery_mode": 2,
                "delivery_info": {"exchange": "", "routing_key": "interactive"},
                "priority": 0,
                "body_encoding": "base64",
                "delivery_tag": tag,
            },
        }
    ).encode()


def messages(connection_id: str, run_id: str, user_id: int) -> list[bytes]:
    """Return every task with every kind of argument, and messages of no kind at all."""
    given: list[object] = [
        [], [run_id], [connection_id], [connection_id, None, "1900-01-01", "9999-12-31", True], [None], [{}], [[]],
        ["x" * 1000], [-1], [user_id, "expense.created", FORGED, None], [user_id, "expense.created", FORGED, "k"],
        ["interactive"], ["\x1b[2J\nforged line"], "text", 7, {"a": 1}, None,
    ]  # fmt: skip
    headers: list[dict[str, object]] = [
        {}, {"timelimit": [0.01, 0.01]}, {"eta": "2099-01-01T00:00:00+00:00"}, {"expires": "nonsense"}, {"expires": {}},
        {"id": {"a": 1}}, {"id": run_id}, {"task": {}}, {"task": "celery.map"}, {"is_eager": True}, {"retries": "x"},
        {"called_directly": True}, {"shadow": "\x1b[31m"},
    ]  # fmt: skip
    tasks = [*TASKS, "celery.map", "celery.chord_unlock", "os.system", None]
    made = [envelope(task, args) for task in tasks for args in given]
    made += [envelope(**{"task": task, "args": [run_id]} | header) for task in tasks for header in headers]
    made += [envelope(broker.TICK, [], embed={"callbacks": [{"task": broker.PUBLISH_EVENT, "args": given[9]}]})]
    made += [envelope("celery.map", [{"task": broker.PUBLISH_EVENT}, [given[9]]])]
    made += [envelope(broker.EXECUTE, [], body=body) for body in (DEEP, "[" * 10_000, "")]
    return made + GARBAGE


@pytest.fixture
def worker(database_url, redis_url, tmp_path):
    log = (tmp_path / "worker.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "worker.celery_command", "worker", "-c", "1", "-l", "INFO", "-n", "hostile@%h",
         "-Q", ",".join(QUEUES)],
        env={
            **os.environ,
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "CREDENTIAL_KEYS": ENTRY,
            "LOG_FORMAT": "json",
            "FINMIND_HEALTH_DIR": str(tmp_path / "health"),
        },
        stdout=log,
        stderr=subprocess.STDOUT,
    )  # fmt: skip
    until(lambda: b"ready." in (tmp_path / "worker.log").read_bytes() or process.poll() is not None)
    yield process
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=PATIENCE_S)
    log.close()


@pytest.fixture
def connection_id(sessions, user_id):
    vault = EnvelopeVault([LocalKeyring(parse_keys(ENTRY, source="test"))], primary_key_id=ENTRY.partition(":")[0])
    row_id = uuid.uuid4()
    values = new_config_values(vault, MockConfig(), connection_id=row_id, user_id=user_id)
    with sessions() as session:
        make_connection(session, user_id, id=row_id, refresh_interval=None, next_refresh_at=None, **values)
        session.execute(
            text(
                "INSERT INTO webhook_subscriptions (id, user_id, url, event_types, api_version, secret_encrypted,"
                " secret_key_id) VALUES (gen_random_uuid(), :user, 'https://h.example.com/', '{expense.*}',"
                " '2026-11-01', '', 'k')"
            ),
            {"user": user_id},
        )
    return row_id


def ledger(sessions):
    with sessions() as session:
        return (
            session.execute(text("SELECT id, amount, notes, spent_at FROM expenses ORDER BY id")).all(),
            # What waits as a batch becomes events at the next tick, which is due anyway.
            session.execute(
                text(
                    "SELECT type, data ->> 'id', data ->> 'amount' FROM webhook_events UNION ALL"
                    " SELECT type, item ->> 'id', item ->> 'amount' FROM webhook_event_batches,"
                    " jsonb_array_elements(items) AS item ORDER BY 1, 2"
                )
            ).all(),
        )


def publish(sessions, connection_id):
    """Ask for a run and publish it as the dispatcher does, all but the message: before that it is nobody's work."""
    with sessions() as session:
        run_id = request_run(session, RunRequest(connection_id=connection_id, kind=RunKind.REFRESH))
        take_due_runs(session, interactive=True, limits=LIMITS)
    return run_id


def wait_for_its_success(sessions, run_id):
    """Wait for the end of a run; return how often it was published."""

    def ended():
        with sessions() as session:
            query = text("SELECT status, dispatch_count FROM bank_import_runs WHERE id = :id")
            found = session.execute(query, {"id": run_id}).one()
        return found if found.status not in ("queued", "running") else None

    run = until(ended, every_s=0.1)
    assert run.status == "succeeded"
    return run.dispatch_count


def run_to_its_end(sessions, connection_id, redis_url):
    run_id = publish(sessions, connection_id)
    app = Celery(broker=redis_url)
    app.send_task(broker.EXECUTE, args=[str(run_id)], task_id=str(run_id), queue="interactive")
    app.close()
    wait_for_its_success(sessions, run_id)
    return run_id


@pytest.mark.processes
def test_a_flood_of_every_message_changes_neither_ledger_nor_events(
    worker, sessions, connection_id, redis_url, user_id
):
    run_id = run_to_its_end(sessions, connection_id, redis_url)
    before = ledger(sessions)
    assert before[0]
    with redis.Redis.from_url(redis_url) as writer:
        for queue in QUEUES:
            for position, message in enumerate(messages(str(connection_id), str(run_id), user_id)):
                if queue == QUEUES[position % len(QUEUES)] or position < 100:
                    writer.lpush(queue, message)
        for command in ({"method": "shutdown"}, {"method": "cancel_consumer", "arguments": {"queue": "interactive"}}):
            writer.publish("/0.celery.pidbox", envelope("", [], body=json.dumps(command)))
        until(lambda: not any(writer.llen(queue) for queue in QUEUES), every_s=0.2)
    run_to_its_end(sessions, connection_id, redis_url)
    assert worker.poll() is None
    assert ledger(sessions) == before
    with sessions() as session:
        asked = session.execute(text("SELECT count(*) FROM bank_import_runs")).scalar_one()
        signs = session.execute(text("SELECT component FROM worker_heartbeats")).scalars().all()
    assert asked <= 25
    assert set(signs) <= {f"queue:{queue.value}" for queue in broker.Queue} | {"dispatcher"}


@pytest.mark.processes
def test_no_run_waits_for_an_expired_message_or_behind_a_flood(worker, sessions, connection_id, redis_url):  # noqa: ARG001 - it runs
    with sessions() as session:
        run_id = request_run(session, RunRequest(connection_id=connection_id, kind=RunKind.REFRESH))
    with redis.Redis.from_url(redis_url) as writer:
        writer.lpush(
            "interactive", envelope(broker.EXECUTE, [str(run_id)], id=str(run_id), expires="2020-01-01T00:00:00Z")
        )
        wait_for_its_success(sessions, run_id)
        for task in (broker.EXECUTE, broker.REFRESH_CONNECTION):
            run_id = publish(sessions, connection_id)
            writer.lpush("interactive", envelope(task, [str(uuid.uuid4())]))
            assert wait_for_its_success(sessions, run_id) == 1, "the first message of a flood did its work"


@pytest.mark.processes
def test_no_entry_fills_the_memory_of_a_worker_and_no_key_ends_it(worker, sessions, connection_id, redis_url, tmp_path):
    packed = zlib.compress(b" " * 400_000_000)
    bomb = json.loads(envelope(broker.TICK, [], compression="zlib"))
    bomb["body"] = base64.b64encode(packed).decode()
    encoded = json.loads(envelope(broker.TICK, []))
    encoded |= {"content-type": "application/data", "content-encoding": "bz2_codec"}
    encoded["body"] = base64.b64encode(bz2.compress(bytes(45_000_000)) * 20).decode()
    with redis.Redis.from_url(redis_url) as writer:
        writer.lpush("interactive", json.dumps(bomb), json.dumps(encoded))
        writer.lpush("interactive", b"[" + b"{}," * (8 << 20) + b"{}]")
        until(lambda: not writer.llen("interactive"))
        writer.set("interactive", "not a list")
        until(lambda: writer.type("interactive") == b"none")
    run_to_its_end(sessions, connection_id, redis_url)
    assert worker.poll() is None
    assert _peak_mib(worker.pid) < 400
    assert b"mingle" not in (tmp_path / "worker.log").read_bytes()


def _peak_mib(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024

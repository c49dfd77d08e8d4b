"""Killed at the worst moments, flushed in between: every event arrives, duplicates under one id."""

import json
import os
import signal
import subprocess
import sys

import pytest
import redis

from tests.waiting import PATIENCE_S, until
from worker.credentials import generate_key, open_vault
from worker.settings import Settings

pytestmark = pytest.mark.processes

DELIVER = "from worker.tasks.webhooks import deliver; deliver()"
DELIVERED = "SELECT count(*) FROM webhook_deliveries WHERE state = 'delivered'"
LEASES_RUN_OUT = "UPDATE webhook_deliveries SET lease_expires_at = now() WHERE state = 'leased'"


@pytest.fixture
def environment(database_url, redis_url, tmp_path) -> dict[str, str]:
    return os.environ | {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "CREDENTIAL_KEYS": generate_key(),
        "WEBHOOK_ALLOW_LOOPBACK": "1",
        "FAULT_DIRECTORY": str(tmp_path),
        "FINMIND_STATE_DIR": str(tmp_path),
    }


@pytest.fixture
def vault(environment):
    settings = Settings(
        database_url="postgresql://unused",
        redis_url="redis://unused",
        credential_keys=environment["CREDENTIAL_KEYS"],
        _env_file=None,
    )
    return open_vault(settings)


def deliver(environment: dict[str, str]) -> int:
    return subprocess.run([sys.executable, "-c", DELIVER], env=environment, check=False, timeout=PATIENCE_S).returncode


@pytest.mark.parametrize(
    ("point", "sent_before"), [("webhook_after_claim", False), ("webhook_after_send", True)], ids=["claim", "send"]
)
def test_a_worker_killed_in_the_middle_loses_nothing(  # noqa: PLR0917 - fixtures
    environment, tmp_path, receiver, add_subscription, publish, execute, rows, point, sent_before
):
    add_subscription(receiver.url)
    for number in range(5):
        publish(id=number)
    (tmp_path / f"{point}.kill").touch()
    assert deliver(environment) == -signal.SIGKILL
    assert bool(receiver.received) is sent_before
    assert rows("SELECT count(*) FROM webhook_attempts WHERE finished_at IS NULL") == [(5,)]
    execute(LEASES_RUN_OUT)
    assert deliver(environment) == 0
    assert rows("SELECT DISTINCT state, attempt FROM webhook_deliveries") == [("delivered", 1)]
    bodies = {request.headers["x-webhook-id"]: set() for request in receiver.received}
    assert len(bodies) == 5
    for request in receiver.received:
        bodies[request.headers["x-webhook-id"]].add(request.body)
    assert all(len(same) == 1 for same in bodies.values())


def test_redis_flushed_at_any_moment_loses_nothing(  # noqa: PLR0917 - fixtures
    environment, redis_url, receiver, add_subscription, publish, rows, tmp_path
):
    add_subscription(receiver.url)
    command = [sys.executable, "-m", "celery", "-A", "worker.app", "worker", "--beat", "--queues", "webhooks"]
    options = ["--concurrency", "1", "--without-mingle", "--without-gossip", "--loglevel", "WARNING"]
    with (
        (tmp_path / "worker.log").open("wb") as log,
        subprocess.Popen([*command, *options], env=environment, stdout=log, stderr=log, cwd=tmp_path) as worker,
        redis.Redis.from_url(redis_url) as broker,
    ):
        try:
            for number in range(30):
                publish(id=number)
                broker.flushall()
            until(lambda: rows(DELIVERED) == [(30,)])
        finally:
            worker.terminate()
            worker.wait(PATIENCE_S)
    assert {json.loads(request.body)["data"]["id"] for request in receiver.received} == set(range(30))

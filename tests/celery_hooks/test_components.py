"""A worker whose broker is away is alive and says so; one that stands still does not."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from celery import Celery
from kombu import Connection
from redis import Redis

from tests.waiting import PATIENCE_S, until
from worker.broker import TICK
from worker.celery_hooks.components import UnwaitingEvents
from worker.credentials import generate_key
from worker.local.redis import EmbeddedRedis
from worker.process import heartbeat_files

pytestmark = pytest.mark.processes

PROBE_MAY_IMPORT = {
    "worker",
    "worker.__main__",
    "worker.process",
    "worker.process.heartbeat_files",
    "worker.process.state_directory",
}


@pytest.fixture
def redis(tmp_path):
    server = EmbeddedRedis(tmp_path / "redis")
    yield server
    server.stop()


@pytest.fixture
def environment(tmp_path, redis, database_url, monkeypatch):
    monkeypatch.setenv("FINMIND_HEALTH_DIR", str(tmp_path / "health"))
    return os.environ | {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis.url,
        "CREDENTIAL_KEYS": generate_key(),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }


@pytest.fixture
def start(tmp_path, environment):
    """Start one of Celery's programs in a session of its own; it is killed with all it started."""
    started = []

    def begin(*arguments, app="worker.app"):
        with (tmp_path / "output").open("ab") as log:
            program = [sys.executable, "-m", "celery", "-A", app, *arguments]
            process = subprocess.Popen(
                program, env=environment, stdout=log, stderr=log, cwd=tmp_path, start_new_session=True
            )
        started.append(process)
        return process

    yield begin
    for process in started:
        with suppress(ProcessLookupError):  # it ended by itself, with all it started
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


WORKER = ("worker", "-n", "one@here", "-c", "1", "--without-mingle", "--without-gossip")


def touched_after(name, moment):
    return lambda: (heartbeat_files.directory() / f"{name}.alive").stat().st_mtime > moment


def last_touch(name):
    return (heartbeat_files.directory() / f"{name}.alive").stat().st_mtime


def test_a_worker_that_waits_for_its_broker_is_alive_and_one_that_stands_still_is_not(start, redis, tmp_path):
    worker = start(*WORKER)
    until(lambda: heartbeat_files.problem("worker") is None)
    with Redis.from_url(redis.url) as operator:  # a failover: it answers, and takes no writes
        operator.execute_command("REPLICAOF", "127.0.0.1", "1")
        until(lambda: b"Redis takes no writes" in (tmp_path / "output").read_bytes())
    redis.stop()
    # The loop touches every 5 s at most; so many seconds later only the wait for the broker can have done it.
    since = last_touch("worker-one@here")
    until(touched_after("worker-one@here", since + 12))
    assert worker.poll() is None
    worker.send_signal(signal.SIGSTOP)
    until(lambda: heartbeat_files.age_s("worker-one@here") > 7)


def test_a_worker_and_beat_that_start_before_their_broker_are_alive_and_end_when_asked(start, redis):
    redis.stop()
    programs = [start(*WORKER), start("beat", "-s", "schedule", "--pidfile", "")]
    for name in ("worker", "beat"):
        until(lambda name=name: heartbeat_files.problem(name) is None)
    since = last_touch("beat")
    until(touched_after("beat", since + 3))
    for program in programs:
        program.terminate()
    assert [program.wait(timeout=PATIENCE_S) for program in programs] == [0, 0]


def test_a_worker_heartbeat_for_dashboards_does_not_wait_for_the_broker(redis):
    with Connection(redis.url) as connection, UnwaitingEvents(connection, app=Celery(set_as_current=False)) as events:
        events.send("worker-heartbeat", retry=True)
        redis.stop()
        events.send("worker-heartbeat", retry=True)  # Celery's own never returns


JUMPY_APP = """
from datetime import timedelta
from pathlib import Path

from worker.app import app

honest = app.now
app.now = lambda: honest() + timedelta(seconds=float(Path("jump_s").read_text()))
"""


@pytest.mark.parametrize("jump_s", [7200, -7200])
def test_beat_keeps_its_pace_when_the_clock_of_its_host_jumps(start, redis, environment, tmp_path, jump_s):
    def ticks():
        queued = broker.lrange("maintenance", 0, -1)
        return sum(json.loads(message)["headers"]["task"] == TICK for message in queued)

    environment["TICK_S"] = "1"
    (tmp_path / "jumpy.py").write_text(JUMPY_APP)
    (tmp_path / "jump_s").write_text("0")
    with Redis.from_url(redis.url) as broker:
        start("beat", app="jumpy")
        until(lambda: ticks() >= 2)
        (tmp_path / "jump_s").write_text(str(jump_s))
        jumped_s = time.monotonic()
        before = ticks()
        until(lambda: ticks() >= before + 4)
        assert ticks() - before <= time.monotonic() - jumped_s + 2


def test_a_sign_of_life_from_the_future_is_none(tmp_path, monkeypatch):
    monkeypatch.setenv("FINMIND_HEALTH_DIR", str(tmp_path))
    heartbeat_files.touch("beat")
    assert heartbeat_files.problem("beat") is None
    ahead = time.time() + 600
    os.utime(tmp_path / "beat.alive", (ahead, ahead))
    assert heartbeat_files.age_s("beat") == float("inf")
    assert "beat" in heartbeat_files.problem("beat")


def test_a_probe_loads_nothing_of_the_worker_but_the_age_of_a_file(environment):
    program = "import sys; sys.argv[1:] = ['healthcheck', 'worker']; import atexit;"
    program += "atexit.register(lambda: print(*sys.modules, file=sys.stderr)); import runpy;"
    program += "runpy.run_module('worker', run_name='__main__')"
    probe = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    loaded = probe.stderr.split()
    assert probe.stdout.startswith("no sign of life from worker")
    assert {name for name in loaded if name.split(".")[0] == "worker"} <= PROBE_MAY_IMPORT
    assert not {"typer", "celery", "sqlalchemy", "pydantic", "rich", "redis"} & set(loaded)

"""A worker whose broker is away is alive and says so; one that stands still does not."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import until
from worker import health
from worker.credentials import generate_key
from worker.local.redis import EmbeddedRedis

pytestmark = pytest.mark.processes

PROBE_MAY_IMPORT = {"worker", "worker.__main__", "worker.health"}


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

    def begin(*arguments):
        with (tmp_path / "output").open("ab") as log:
            program = [sys.executable, "-m", "celery", "-A", "worker.app", *arguments]
            process = subprocess.Popen(
                program, env=environment, stdout=log, stderr=log, cwd=tmp_path, start_new_session=True
            )
        started.append(process)
        return process

    yield begin
    for process in started:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


WORKER = ("worker", "-n", "one@here", "-c", "1", "--without-mingle", "--without-gossip")


def touched_after(name, moment):
    return lambda: (health.directory() / f"{name}.alive").stat().st_mtime > moment


def last_touch(name):
    return (health.directory() / f"{name}.alive").stat().st_mtime


def test_a_worker_that_waits_for_its_broker_is_alive_and_one_that_stands_still_is_not(start, redis):
    worker = start(*WORKER)
    until(lambda: health.problem("worker") is None, timeout_s=60)
    redis.stop()
    # The loop touches every 5 s at most; so many seconds later only the wait for the broker can have done it.
    since = last_touch("worker-one@here")
    until(touched_after("worker-one@here", since + 12), timeout_s=30)
    assert worker.poll() is None
    worker.send_signal(signal.SIGSTOP)
    until(lambda: health.age_s("worker-one@here") > 7, timeout_s=20)


def test_a_worker_and_beat_that_start_before_their_broker_say_that_they_are_alive(start, redis):
    redis.stop()
    start(*WORKER)
    start("beat", "-s", "schedule", "--pidfile", "")
    for name in ("worker", "beat"):
        until(lambda name=name: health.problem(name) is None, timeout_s=60)
    since = last_touch("beat")
    until(touched_after("beat", since + 3), timeout_s=30)


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

"""Workers measure how long things take; what a child counted outlives it, and a scrape adds everything up."""

import os
import signal
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from tests.waiting import until
from worker.client import WorkerClient
from worker.connections.lifecycle import NewConnection, add
from worker.credentials import generate_key
from worker.errors import ConfigurationError
from worker.local.child_processes import Program, start_child
from worker.local.redis import free_port
from worker.runtime import open_connection_service, runtime
from worker.settings import Settings
from worker.telemetry.latencies import LATENCIES, PROVIDER_REQUEST, is_measuring, observe, read_latencies
from worker.telemetry.latency_endpoint import parse_listen

SAFE_LABELS = {"outcome", "task", "state", "connector", "endpoint", "status", "operation"}


class Worker:
    """A real Celery worker that serves what it measures."""

    def __init__(self, directory: Path, environment: dict[str, str], *arguments: str) -> None:
        self.directory = directory
        self.port = free_port()
        own = {"METRICS_LISTEN": f"127.0.0.1:{self.port}", "FINMIND_HEALTH_DIR": str(directory)}
        command = [sys.executable, "-m", "worker.celery_command", "worker", "-n", "measured@here", *arguments]
        with (directory / "log").open("ab") as log:
            program = Program(command=command, directory=directory, environment={**os.environ, **environment, **own})
            self.process = start_child(program, output=log)
        until(lambda: b"ready." in (directory / "log").read_bytes())

    def count(self, name: str, **labels: str) -> float:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
            families = list(text_string_to_metric_families(answer.read().decode()))
        samples = [sample for family in families for sample in family.samples if sample.name == f"{name}_count"]
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())

    def files(self) -> list[str]:
        return [path.name for path in self.directory.rglob("histogram_*.db")]

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children()


@contextmanager
def worker(directory, environment, *arguments):
    started = Worker(directory, environment, *arguments)
    try:
        yield started
    finally:
        started.process.send_signal(signal.SIGTERM)
        try:
            started.process.wait(20)
        except subprocess.TimeoutExpired:
            started.process.kill()
            started.process.wait()


@pytest.fixture
def environment(database_url, redis_url):
    key = generate_key()
    return {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "CREDENTIAL_KEYS": key, "LOG_FORMAT": "json"}


@pytest.fixture
def refresh(environment, sessions, user_id):
    """Run one refresh through the broker, to its end."""
    settings = Settings(_env_file=None, **{name.lower(): value for name, value in environment.items()})
    with runtime(settings, role="test") as opened:
        mock = NewConnection(user_id=user_id, connector_name="mock", config={"history_days": 3})
        connection_id = add(open_connection_service(opened), mock)
    client = WorkerClient(environment["REDIS_URL"])

    def run():
        with sessions() as session:
            run_id = client.request_refresh(session, connection_id)
        query = text("SELECT status FROM bank_import_runs WHERE id = :id")

        def status():
            with sessions() as session:
                return session.scalar(query, {"id": run_id})

        until(lambda: status() in {"succeeded", "failed"})
        assert status() == "succeeded"

    yield run
    client.close()


@pytest.mark.processes
@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_nothing_counted_is_lost_with_a_child_and_files_do_not_pile_up(pool, environment, refresh, tmp_path):
    arguments = ("--pool", pool, "--concurrency", "2", "--max-tasks-per-child", "2")
    with worker(tmp_path, environment, *arguments) as measured:
        for _ in range(5):
            refresh()
        until(lambda: measured.count("finmind_run_seconds", outcome="succeeded") == 5)
        if pool == "prefork":
            before = {child.pid for child in measured.children()}
            for child in measured.children():
                child.send_signal(signal.SIGKILL)
            until(lambda: len(measured.children()) == 2 and not before & {child.pid for child in measured.children()})
            assert measured.count("finmind_run_seconds", outcome="succeeded") == 5
        refresh()
        until(lambda: measured.count("finmind_run_seconds", outcome="succeeded") == 6)
        # A run whose message comes twice is executed once, and both tasks end well.
        until(lambda: measured.count("finmind_task_seconds", task="worker.tasks.imports.execute", state="SUCCESS") >= 6)
        places = {"prefork": {"0", "1"}, "threads": {"here"}}[pool]
        assert {name.removesuffix(".db").rpartition("-")[2].rpartition("@")[2] for name in measured.files()} <= places


def test_labels_are_a_bounded_set():
    assert {label for measure in LATENCIES for label in measure.labels} <= SAFE_LABELS
    assert all(measure.name.startswith("finmind_") for measure in LATENCIES)


SPILL = """
import sys
from pathlib import Path
from worker.telemetry.latencies import PROVIDER_REQUEST, observe, start_measuring
start_measuring(Path(sys.argv[1]), "one/two")
for number in range(200):
    observe(PROVIDER_REQUEST, 0.2, "mock", f"endpoint-{number}", "200")
observe(PROVIDER_REQUEST, 0.2, "mock", "https://bank.example/accounts/DE89370400440532013000?token=x", "200")
"""


def test_a_label_that_grows_without_end_becomes_other(tmp_path):
    subprocess.run([sys.executable, "-c", SPILL, str(tmp_path)], check=True)
    (family,) = read_latencies(tmp_path)
    counts = {sample.labels["endpoint"]: sample.value for sample in family.samples if sample.name.endswith("_count")}
    assert len(counts) == 61
    assert counts["other"] == 141
    assert "DE89" not in str(counts)
    assert sum(counts.values()) == 201


THREADS = """
import sys, threading
from pathlib import Path
from worker.telemetry.latencies import TASK, observe, start_measuring
start_measuring(Path(sys.argv[1]), "one")
sys.setswitchinterval(1e-6)
together = threading.Barrier(8)
def first():
    together.wait()
    observe(TASK, 0.2, "worker.tasks.imports.execute", "SUCCESS")
threads = [threading.Thread(target=first) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def test_the_first_counts_of_threads_at_the_same_moment_are_all_kept(tmp_path):
    for round_number in range(3):
        folder = tmp_path / str(round_number)
        subprocess.run([sys.executable, "-c", THREADS, str(folder)], check=True)
        (family,) = read_latencies(folder)
        assert [sample.value for sample in family.samples if sample.name.endswith("_count")] == [8]


def test_a_file_that_is_being_made_does_not_spoil_a_scrape(tmp_path):
    (tmp_path / "histogram_w-0.db").touch()
    assert list(read_latencies(tmp_path)) == []


def test_a_process_that_does_not_measure_pays_nothing(tmp_path, monkeypatch):
    assert not is_measuring()
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    observe(PROVIDER_REQUEST, 1.0, "mock", "accounts", "200")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("listen", ["9808", ":9808", "0.0.0.0:", "0.0.0.0:x", "0.0.0.0:0", "0.0.0.0:65536"])
def test_an_address_that_cannot_be_listened_on_is_refused_by_name(listen):
    with pytest.raises(ConfigurationError, match="METRICS_LISTEN"):
        parse_listen(listen)


def test_an_ipv6_address_is_understood():
    assert parse_listen("[::]:9808") == ("::", 9808)

"""How many refreshes a second banks that are slow allow, what it costs in memory, and how long a person waits beside.

    python -m benchmarks.waiting [--connections 1000] [--delay-s 2] [--seconds 40] [--heavy-rows 0]

Starts the workers that `up` starts for runs, in front of a made-up bank that waits before each page, makes every
connection due again as soon as it was refreshed, and asks for an interactive refresh twice a second meanwhile. It
counts once every connection has been imported and refreshed, which is the state in which connections are. Memory is the
proportional set size of all worker processes.
"""

import argparse
import os
import subprocess
import sys
import threading
import time
import uuid
from datetime import UTC, datetime, timedelta

import psutil
from sqlalchemy import text

from benchmarks.results import print_and_keep
from benchmarks.servers import servers
from worker.client import WorkerClient
from worker.connections.credentials import new_config_values
from worker.connectors.mock import MockConfig
from worker.connectors.mock.config import MockMode
from worker.credentials import open_vault
from worker.db.engine import Sessions, open_engine, open_sessions
from worker.local.services import commands
from worker.models import BankConnection
from worker.settings import load_settings

WORKERS = ("interactive", "scheduled", "heavy")
OF_PEOPLE = 50
"""Connections that are refreshed only because somebody asks."""


def connect(sessions: Sessions, count: int, bank: MockConfig, *, due: bool) -> list[uuid.UUID]:
    """Write connections of as many users; they look as if they had been imported a while ago."""
    vault, ids = open_vault(load_settings()), []
    with sessions() as session:
        for _ in range(count):
            connection_id = uuid.uuid4()
            user_id = session.execute(
                text("INSERT INTO users (email, password_hash) VALUES (:email, 'x') RETURNING id"),
                {"email": f"{connection_id}@bench.test"},
            ).scalar_one()
            sealed = new_config_values(vault, bank, connection_id=connection_id, user_id=user_id)
            session.add(
                BankConnection(
                    id=connection_id, user_id=user_id, connector_name="mock", display_name="Mock",
                    refresh_interval=timedelta(minutes=1) if due else None,
                    next_refresh_at=datetime.now(UTC) if due else None, last_good_at=datetime.now(UTC), **sealed,
                )
            )  # fmt: skip
            ids.append(connection_id)
    return ids


def all_of(roots: list[subprocess.Popen[bytes]]) -> list[psutil.Process]:
    """Return processes with their children."""
    found = [psutil.Process(root.pid) for root in roots]
    return found + [child for process in found for child in process.children(recursive=True)]


def pss_mib(roots: list[subprocess.Popen[bytes]]) -> list[float]:
    """Return the memory of each of these processes with its children, shared pages counted once."""
    return [sum(process.memory_full_info().pss for process in all_of([root])) / 2**20 for root in roots]


def cpu_s(roots: list[subprocess.Popen[bytes]]) -> float:
    """Return the processor time that processes and their children have used (s)."""
    times = [process.cpu_times() for process in all_of(roots)]
    return sum(time.user + time.system for time in times)


class People:
    """Ask for a refresh twice a second, of one connection after another."""

    def __init__(self, sessions: Sessions, connections: list[uuid.UUID]) -> None:
        self._sessions, self._connections = sessions, connections
        self._client = WorkerClient(os.environ["REDIS_URL"])
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    def _ask(self) -> None:
        number = 0
        while not self._over.wait(0.5):
            with self._sessions() as session:
                self._client.request_refresh(session, self._connections[number % len(self._connections)])
            number += 1

    def stop(self) -> None:
        self._over.set()
        self._thread.join()
        self._client.close()


def make_due(sessions: Sessions) -> None:
    """Make every connection due again that was refreshed."""
    with sessions() as session:
        session.execute(text("UPDATE bank_connections SET next_refresh_at = now() WHERE next_refresh_at > now()"))


def warm_up(sessions: Sessions, longest_s: float) -> None:
    """Wait until all connections have been refreshed so often that they have nothing new."""
    unread = text("SELECT count(*) FROM bank_connections WHERE next_refresh_at IS NOT NULL AND answer_digest IS NULL")
    until_s = time.monotonic() + longest_s
    while time.monotonic() < until_s:
        time.sleep(2)
        make_due(sessions)
        with sessions() as session:
            if not session.execute(unread).scalar_one():
                return
    print("warm-up is not over: some of what is counted are first imports", file=sys.stderr)


def measure(
    options: argparse.Namespace, sessions: Sessions, workers: list[subprocess.Popen[bytes]]
) -> dict[str, object]:
    """Warm up, then count what ends within the time."""
    small = MockConfig(
        accounts=1, opened_on=datetime.now(UTC).date() - timedelta(days=10), history_days=10,
        mode=MockMode.SLOW, delay_s=options.delay_s,
    )  # fmt: skip
    connect(sessions, options.connections, small, due=True)
    people = People(sessions, connect(sessions, OF_PEOPLE, small, due=False))
    if options.heavy_rows:
        (large,) = connect(sessions, 1, MockConfig(mode=MockMode.LARGE, rows=options.heavy_rows, accounts=1), due=False)
        with sessions() as session:
            WorkerClient(os.environ["REDIS_URL"]).request_import(session, large)
    warm_up(sessions, options.warm_s)
    with sessions() as session:
        began_at = session.execute(text("SELECT now()")).scalar_one()
    used_s = cpu_s(workers)
    memory, until_s = [0.0], time.monotonic() + options.seconds
    while time.monotonic() < until_s:
        time.sleep(2)
        memory = max(memory, pss_mib(workers), key=sum)
        make_due(sessions)
    used_s = cpu_s(workers) - used_s
    people.stop()
    with sessions() as session:
        found = session.execute(
            text(
                "SELECT count(*) FILTER (WHERE trigger = 'schedule' AND status = 'succeeded') AS refreshes,"
                " count(*) FILTER (WHERE status NOT IN ('succeeded')) AS others,"
                " extract(epoch FROM now() - :began_at)::float AS seconds,"
                " percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM started_at - queued_at))"
                "   FILTER (WHERE trigger = 'user')::float AS start_p50_s,"
                " percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM started_at - queued_at))"
                "   FILTER (WHERE trigger = 'user')::float AS start_p99_s,"
                " count(*) FILTER (WHERE trigger = 'user') AS asked"
                " FROM bank_import_runs WHERE finished_at > :began_at AND kind = 'refresh'"
            ),
            {"began_at": began_at},
        ).one()
    return {
        "delay_s": options.delay_s,
        "connections": options.connections,
        "heavy_rows": options.heavy_rows,
        "refreshes_per_s": round(found.refreshes / found.seconds, 1),
        "cpu_ms_per_refresh": round(1000 * used_s / max(1, found.refreshes), 1),
        "not_succeeded": found.others,
        "pss_mib": round(sum(memory)),
        "pss_mib_by_worker": dict(zip(WORKERS, map(round, memory), strict=True)),
        "interactive_starts": found.asked,
        "interactive_start_p50_s": found.start_p50_s and round(found.start_p50_s, 3),
        "interactive_start_p99_s": found.start_p99_s and round(found.start_p99_s, 3),
    }


def main() -> None:
    """Start everything, measure, print and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--delay-s", type=float, default=2.0)
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--warm-s", type=float, default=240.0, help="How long to wait for that at most.")
    parser.add_argument("--heavy-rows", type=int, default=0, help="Rows of an import that goes on meanwhile.")
    options = parser.parse_args()
    with servers() as local:
        table = {line.name: line for line in commands(flower_port=None)}
        for name in (*WORKERS, "webhooks", "beat"):
            local.start(table[name].command, f"{name}.log", **table[name].environment)
        sessions = open_sessions(open_engine(local.postgres.url, role="bench"))
        result = measure(options, sessions, local.processes[: len(WORKERS)])
    print_and_keep("waiting", result)


if __name__ == "__main__":
    main()

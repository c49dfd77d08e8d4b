"""What a refresh with nothing new costs end to end, beside an empty Celery task on the same worker.

    python -m benchmarks.roundtrip [--refreshes 1000] [--connections 50] [--pool prefork]

A connection's first import and its first refresh, which is worked through, are not timed: what is measured is what goes
on every few hours from then on. Both kinds of task are published in one go and timed until the last is done. The memory
of the worker's child, or of the worker where it has threads, is read after each round:

    python -m benchmarks.roundtrip --refreshes 20000 --rounds 10 --empty 100 --pool threads --concurrency 20
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import psutil
import redis
from celery import Celery
from sqlalchemy import text

from benchmarks.empty_task import EMPTY
from benchmarks.results import print_and_keep
from benchmarks.servers import Servers, servers
from worker.broker import Nudge, Queue, publish
from worker.connections.credentials import new_config_values
from worker.connectors.mock import MockConfig
from worker.connectors.mock.config import MockMode
from worker.credentials import open_vault
from worker.db.engine import Sessions, open_engine, open_sessions
from worker.local.services import FEW_ARENAS
from worker.models import BankConnection
from worker.runs.request import request_run
from worker.runs.states import RunKind, RunRequest
from worker.settings import load_settings

LOOK_S = 0.01
"""How often it is asked whether the queue is drained: asking costs processor time that the worker needs."""


def connect(sessions: Sessions, number: int, delay_s: float) -> uuid.UUID:
    """Write one connection of a small mock bank that takes `delay_s` to answer."""
    opened_on = datetime.now(UTC).date() - timedelta(days=30)
    bank = MockConfig(
        accounts=1,
        opened_on=opened_on,
        history_days=30,
        mode=MockMode.SLOW if delay_s else MockMode.DEFAULT,
        delay_s=delay_s,
    )
    connection_id = uuid.uuid4()
    with sessions() as session:
        user_id = session.execute(
            text("INSERT INTO users (email, password_hash) VALUES (:email, 'x') RETURNING id"),
            {"email": f"{number}@bench.test"},
        ).scalar_one()
        sealed = new_config_values(open_vault(load_settings()), bank, connection_id=connection_id, user_id=user_id)
        session.add(
            BankConnection(
                id=connection_id, user_id=user_id, connector_name="mock", display_name="Mock",
                refresh_interval=None, **sealed,
            )
        )  # fmt: skip
    return connection_id


class Bench:
    """One worker and what it is measured by."""

    def __init__(self, sessions: Sessions, worker: subprocess.Popen[bytes], connections: int, delay_s: float) -> None:
        self.sessions = sessions
        self.worker = worker
        self.app = Celery("bench", broker=os.environ["REDIS_URL"], set_as_current=False)
        self.broker = redis.Redis.from_url(os.environ["REDIS_URL"])
        self.connections = [connect(sessions, number, delay_s) for number in range(connections)]

    def empty_per_s(self, tasks: int) -> float:
        """Tasks per second of a task that does nothing."""
        started_s = time.perf_counter()
        with self.app.producer_pool.acquire(block=True) as producer, producer.batch():  # type: ignore[attr-defined]  # newer than its stubs
            for number in range(tasks):
                self.app.send_task(EMPTY, args=[number], queue="interactive", producer=producer)
        self._wait_until_drained()
        return tasks / (time.perf_counter() - started_s)

    def refreshes_per_s(self, refreshes: int) -> float:
        """Runs per second, one per connection at a time, until so many are closed; asking for them is not timed."""
        took_s, done = 0.0, 0
        while done < refreshes:
            with self.sessions() as session:
                runs = [
                    request_run(session, RunRequest(connection_id=connection_id, kind=RunKind.REFRESH))
                    for connection_id in self.connections
                ]
            started_s = time.perf_counter()
            publish(self.app, [Nudge(run_id=run_id, queue=Queue.INTERACTIVE) for run_id in runs])
            self._wait_until_drained()
            self._wait_for(runs)
            took_s += time.perf_counter() - started_s
            done += len(runs)
        return done / took_s

    def _wait_until_drained(self) -> None:
        while self.broker.llen("interactive") or self.broker.hlen("unacked"):
            self._look_again()

    def _wait_for(self, runs: list[uuid.UUID]) -> None:
        query = text("SELECT count(*) FROM bank_import_runs WHERE id = ANY(:ids) AND finished_at IS NULL")
        while True:
            with self.sessions() as session:
                if session.scalar(query, {"ids": runs}) == 0:
                    return
            self._look_again()

    def _look_again(self) -> None:
        if self.worker.poll() is not None:
            raise SystemExit(f"the worker ended with status {self.worker.returncode}")
        time.sleep(LOOK_S)


def growth_bytes(memory_mib: Sequence[float], refreshes: int) -> int | None:
    """Return what each refresh adds to the memory, by the later half of the readings; None for fewer than four.

    Args:
        memory_mib: A reading after each round.
        refreshes: How many there are in a round.
    """
    later = memory_mib[len(memory_mib) // 2 :]
    if len(memory_mib) < 4:
        return None
    return round(statistics.linear_regression(range(len(later)), later).slope * 2**20 / refreshes)


def measure(options: argparse.Namespace, local: Servers) -> dict[str, object]:
    """Warm up, then time both, in turns."""
    sessions = open_sessions(open_engine(os.environ["DATABASE_URL"], role="bench"))
    program = [sys.executable, "-m", "celery", "-A", "benchmarks.empty_task", "worker", "-P", options.pool]
    program += ["--max-tasks-per-child", "1000000"]
    flags = ["-c", str(options.concurrency), "-Q", "interactive", "--without-gossip", "--without-mingle"]
    worker = local.start([*program, *flags], "worker.log", **FEW_ARENAS)
    bench = Bench(sessions, worker, options.connections, options.delay_s)
    bench.empty_per_s(20)
    bench.refreshes_per_s(2 * len(bench.connections))  # the first import, and the first time there is nothing new
    child = (psutil.Process(worker.pid).children() or [psutil.Process(worker.pid)])[0]
    memory, rounds = [], []
    for _ in range(options.rounds):
        cpu_before = child.cpu_times().user + child.cpu_times().system
        refreshes = bench.refreshes_per_s(options.refreshes // options.rounds)
        cpu_s = child.cpu_times().user + child.cpu_times().system - cpu_before
        cpu_ms = 1000 * cpu_s * options.rounds / options.refreshes
        rounds.append((bench.empty_per_s(options.empty), refreshes, cpu_ms))
        memory.append(round(child.memory_info().rss / 2**20, 1))
    with sessions() as session:
        codes = session.execute(text("SELECT code, count(*) FROM bank_import_runs GROUP BY 1")).all()
    empty, refreshed, child_ms = (sorted(column)[len(column) // 2] for column in zip(*rounds, strict=True))
    return {
        "pool": f"{options.pool} x {options.concurrency}",
        "bank_delay_s": options.delay_s,
        "empty_per_s": round(empty),
        "refreshes_per_s": round(refreshed, 1),
        "ratio": round(statistics.median(refreshed / empty for empty, refreshed, _ in rounds), 3),
        "child_cpu_ms_per_refresh": round(child_ms, 1),
        "rss_mib": memory,
        "growth_bytes_per_refresh": growth_bytes(memory, options.refreshes // options.rounds),
        "codes": {row.code: row.count for row in codes},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--refreshes", type=int, default=1000)
    parser.add_argument("--empty", type=int, default=1000, help="empty tasks per round")
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--delay-s", type=float, default=0.0, help="how long the bank takes for a page")
    parser.add_argument("--pool", default="prefork")
    parser.add_argument("--concurrency", type=int, default=1)
    options = parser.parse_args()
    with servers(RUNS_PER_CONNECTOR="1000", RUNS_PER_USER="1000") as local:
        figures = measure(options, local)
    print_and_keep("roundtrip", figures)


if __name__ == "__main__":
    main()

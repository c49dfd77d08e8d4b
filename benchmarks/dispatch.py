"""100,000 connections due at once, three dispatchers: how fast they are claimed and enqueued, and that each is, once.

    python -m benchmarks.dispatch [--connections 100000] [--dispatchers 3]

The floor is a loop of bare `apply_async` in one process, on the same Redis, in the same run.
"""

import argparse
import json
import os
import time
from collections import Counter
from multiprocessing import get_context

import redis
from sqlalchemy import text

from benchmarks.results import print_and_keep
from benchmarks.servers import servers
from worker import broker
from worker.db.engine import open_engine, open_sessions
from worker.runs.dispatching import dispatch_order
from worker.runtime import process_runtime
from worker.tasks import dispatch
from worker.tasks.imports import execute

USERS = 1000
FLOOR_MESSAGES = 10_000

_CONNECTIONS = """
    INSERT INTO users (email, password_hash) SELECT i || '@bench.test', 'x' FROM generate_series(1, :users) i;
    INSERT INTO bank_connections (id, user_id, connector_name, display_name, config_encrypted, config_key_id,
                                  next_refresh_at)
    SELECT gen_random_uuid(), 1 + i % :users, 'mock', 'Mock', 'x', 'bench', now() - interval '1 minute'
    FROM generate_series(1, :connections) i
"""


def floor_per_s() -> float:
    """Messages per second of a loop of `apply_async`."""
    started_s = time.perf_counter()
    for number in range(FLOOR_MESSAGES):
        execute.apply_async(args=(str(number),), queue="maintenance")
    return FLOOR_MESSAGES / (time.perf_counter() - started_s)


def dispatch_until_empty() -> None:
    """One dispatcher process: what beat's tick does, until nothing is left."""
    dispatch_order.PUBLISHED_AHEAD = broker.FULL_QUEUE = 1_000_000  # nobody consumes
    runtime = process_runtime()
    idle = 0
    while idle < 3:
        idle = 0 if dispatch.dispatch_once(runtime) else idle + 1
        time.sleep(0.05 if idle else 0)


def measure(connections: int, dispatchers: int) -> dict[str, float]:
    """Run the floor, then the dispatchers; check that every connection was enqueued exactly once."""
    sessions = open_sessions(open_engine(os.environ["DATABASE_URL"], role="bench"))
    with sessions() as session:
        for statement in _CONNECTIONS.split(";"):
            session.execute(text(statement), {"users": USERS, "connections": connections})
    with sessions() as session:
        session.execute(text("ANALYZE"))
    spawn = get_context("spawn")
    with spawn.Pool(1) as pool:
        floor = pool.apply(floor_per_s)
    workers = [spawn.Process(target=dispatch_until_empty) for _ in range(dispatchers)]
    started_s = time.perf_counter()
    for worker in workers:
        worker.start()
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as queues:
        while queues.llen("scheduled") < connections:
            time.sleep(0.05)
        elapsed_s = time.perf_counter() - started_s
        for worker in workers:
            worker.join()
        ids = [json.loads(message)["headers"]["id"] for message in queues.lrange("scheduled", 0, -1)]
    with sessions() as session:
        runs = session.execute(text("SELECT count(*), count(DISTINCT connection_id) FROM bank_import_runs")).one()
    most = max(Counter(ids).values())
    assert (len(ids), most, *runs) == (connections, 1, connections, connections), (len(ids), most, runs)
    return {
        "connections": connections,
        "dispatchers": dispatchers,
        "floor_per_s": round(floor),
        "dispatched_per_s": round(connections / elapsed_s),
        "ratio": round(connections / elapsed_s / floor, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=100_000)
    parser.add_argument("--dispatchers", type=int, default=3)
    options = parser.parse_args()
    with servers(RUNS_PER_USER="1000000", RUNS_PER_CONNECTOR="1000000"):
        figures = measure(options.connections, options.dispatchers)
    print_and_keep("dispatch", figures)


if __name__ == "__main__":
    main()

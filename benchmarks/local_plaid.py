"""The worker's app in front of a Plaid on this machine, and a task that says when it began."""

import os
import time

from worker.app import app
from worker.connectors.plaid import api
from worker.runtime import process_runtime

MARK = "worker.tasks.benchmark.mark"

api._HOSTS = dict.fromkeys(("production", "sandbox"), os.environ["BENCH_PLAID"])  # noqa: SLF001 - a benchmark


@app.task(name=MARK)
def mark(key: str) -> None:
    process_runtime().redis.set(f"mark:{key}", time.time())

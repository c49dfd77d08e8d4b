"""Threads are asked to hand their runs back before anybody waits for them, whichever signal ends the worker."""

import re
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from celery.concurrency import get_implementation
from celery.concurrency.prefork import TaskPool as ProcessPool
from celery.concurrency.thread import TaskPool as ThreadPool

import worker
from tests.waiting import PATIENCE_S
from worker.celery_hooks import pools
from worker.db.engine import open_engine
from worker.local.services import commands
from worker.process.stop_flag import STOP


@pytest.fixture
def chosen():
    """Return the pool that a worker with this option gets."""

    def choose(option):
        worker = SimpleNamespace(pool_cls=option)
        pools.take_stopping_threads(sender=worker)
        return get_implementation(worker.pool_cls)

    return choose


@pytest.mark.parametrize("option", ["threads", ThreadPool])
def test_what_runs_in_a_thread_learns_of_the_end_before_it_is_waited_for(chosen, option):
    STOP.clear()
    pool = chosen(option)(limit=1)
    pool.start()
    begun, ended = threading.Event(), threading.Event()

    def run():
        begun.set()
        for _ in range(1000):
            if STOP.is_set:
                ended.set()
                return
            time.sleep(0.01)

    pool.executor.submit(run)
    assert begun.wait(PATIENCE_S)
    try:
        pool.stop()
        assert ended.is_set()
    finally:
        STOP.set()
        pool.executor.shutdown()
        STOP.clear()


@pytest.mark.parametrize("option", ["prefork", ProcessPool])
def test_a_pool_of_processes_stays_as_it_is(chosen, option):
    assert chosen(option) is ProcessPool


def test_up_opens_as_many_sessions_of_postgres_as_the_page_of_operators_says():
    kept, of_a_process = 0, open_engine("postgresql://nobody@/nothing").pool.size()
    for line in commands(flower_port=None, api_port=1):
        options = dict(zip(line.command, line.command[1:], strict=False))
        places = int(options.get("--concurrency", 1))
        if options.get("--pool") == "threads":
            kept += pools.connections_for(places)
        elif line.name != "beat":
            kept += places * of_a_process
    page = (Path(worker.__file__).parent.parent / "docs/operator/scale.md").read_text("utf-8")
    assert re.findall(r"That is (\d+)\s+at most for what `up` starts", page) == [str(2 * kept + 1)]

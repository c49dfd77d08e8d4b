"""Threads are asked to hand their runs back before anybody waits for them, whichever signal ends the worker."""

import threading
import time
from types import SimpleNamespace

import pytest
from celery.concurrency import get_implementation
from celery.concurrency.prefork import TaskPool as ProcessPool
from celery.concurrency.thread import TaskPool as ThreadPool

from tests.waiting import PATIENCE_S
from worker.celery_hooks import pools
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

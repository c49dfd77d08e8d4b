"""Sets up a worker with a pool of threads, which is for light runs (docs/decisions/0013), unlike one of processes.

A pool of threads does not fork: the worker's own process starts tracing, and needs more connections to Postgres than a
child that executes one task at a time.
"""

import gc
from typing import Any

from celery import signals
from celery.concurrency import get_implementation
from celery.concurrency.thread import TaskPool as ThreadPool

from worker.process.stop_flag import STOP
from worker.runtime import close_process_runtime, size_process_runtime
from worker.telemetry.logs import get_logger
from worker.telemetry.tracing import start_tracing, stop_tracing

log = get_logger(__name__)

THREADS_PER_CONNECTION = 20
"""Threads per connection to Postgres: a refresh of some seconds uses one for some 5 ms."""
_FEWEST_CONNECTIONS = 4

_has_threads = False
_places = 0


class StoppingThreads(ThreadPool):
    """Celery's pool of threads, whose runs hand themselves back when it is stopped, however the worker was told to end.

    At QUIT, or a second Ctrl-C, Celery waits for the threads before it says that the worker shuts down.
    """

    def on_stop(self) -> None:
        """Ask the runs to stop, and wait for the threads."""
        STOP.set()
        super().on_stop()


def connect() -> None:
    """Connect the handlers of the worker's signals."""
    signals.worker_init.connect(take_stopping_threads)
    signals.celeryd_after_setup.connect(_begin)
    signals.worker_shutdown.connect(_end)


def connections_for(threads: int) -> int:
    """Return how many connections to Postgres a worker with so many threads keeps; at most it opens twice as many."""
    return max(_FEWEST_CONNECTIONS, threads // THREADS_PER_CONNECTION)


def has_threads() -> bool:
    """Say whether the tasks of this worker run in threads of one process."""
    return _has_threads


def places() -> int | None:
    """Return how many tasks this worker executes at once; None outside of a worker."""
    return _places or None


def take_stopping_threads(sender: Any, **_details: object) -> None:  # noqa: ANN401 - celery.worker.WorkController
    """Let a worker with a pool of threads have one that stops at once."""
    if get_implementation(sender.pool_cls) is ThreadPool:
        sender.pool_cls = StoppingThreads


def _begin(instance: Any, **_details: object) -> None:  # noqa: ANN401 - celery.worker.WorkController
    global _has_threads, _places  # noqa: PLW0603 - one worker per process
    _places = instance.concurrency
    _has_threads = issubclass(instance.pool_cls, ThreadPool)
    _keep_code_out_of_collections()
    if _has_threads:
        size_process_runtime(connections_for(instance.concurrency))
        start_tracing()


def _end(**_details: object) -> None:
    if _has_threads:
        stop_tracing()
        close_process_runtime()


def _keep_code_out_of_collections() -> None:
    """Leave what was imported to no further search for cycles.

    A search would touch every object, which takes time and makes each child a copy of its parent's memory.
    """
    gc.collect()
    gc.freeze()

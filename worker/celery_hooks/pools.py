"""What differs between a pool of processes and one of threads, which is for light runs (decision 0013).

A pool of threads never forks: its one process is the worker, it starts tracing itself, and needs more connections to
Postgres than a child that executes one task at a time.
"""

from typing import Any

from celery import signals
from celery.concurrency.thread import TaskPool as ThreadPool

from worker.runtime import close_process_runtime, size_process_runtime
from worker.telemetry.logs import get_logger
from worker.telemetry.tracing import start_tracing, stop_tracing

log = get_logger(__name__)

THREADS_PER_CONNECTION = 20
"""Threads that wait for banks share a connection to Postgres: a refresh uses one for some 5 ms of its seconds."""
_FEWEST_CONNECTIONS = 4

_has_threads = False


def connect() -> None:
    """Listen to the worker's signals."""
    signals.celeryd_after_setup.connect(_begin)
    signals.worker_shutdown.connect(_end)


def has_threads() -> bool:
    """Say whether the tasks of this worker run in threads of one process."""
    return _has_threads


def _begin(instance: Any, **_details: object) -> None:  # noqa: ANN401 - celery.worker.WorkController
    global _has_threads  # noqa: PLW0603 - one worker per process
    _has_threads = issubclass(instance.pool_cls, ThreadPool)
    if _has_threads:
        size_process_runtime(max(_FEWEST_CONNECTIONS, instance.concurrency // THREADS_PER_CONNECTION))
        start_tracing()


def _end(**_details: object) -> None:
    if _has_threads:
        stop_tracing()
        close_process_runtime()

"""Measures latencies of tasks through Celery's signals, and serves them from the worker's main process."""

import threading
import time
from pathlib import Path
from typing import Any

from billiard import current_process
from celery import signals

from worker.process import heartbeat_files
from worker.settings import load_settings
from worker.telemetry.latencies import TASK, forget_latencies, is_measuring, observe, start_measuring
from worker.telemetry.latency_endpoint import close_inherited_socket, parse_listen, serve_latencies
from worker.telemetry.logs import get_logger

log = get_logger(__name__)

_STATES = frozenset({"SUCCESS", "FAILURE", "RETRY", "REJECTED", "IGNORED"})
_worker_name = "worker"
# Of the task that a thread executes. Not by id: two messages of one run have the same and may be executed side by side.
_current = threading.local()


def connect() -> None:
    """Connect the handlers of the worker's signals; nothing is measured without METRICS_LISTEN or METRICS_DIR."""
    signals.worker_init.connect(_begin)
    signals.worker_process_init.connect(_begin_in_child)
    signals.worker_ready.connect(_serve)


def _begin(sender: Any, **_details: object) -> None:  # noqa: ANN401 - celery.worker.WorkController
    global _worker_name  # noqa: PLW0603 - one worker per process
    settings = load_settings()
    if settings.metrics_listen:
        parse_listen(settings.metrics_listen)
    if settings.metrics_listen or settings.metrics_dir:
        _worker_name = str(sender.hostname)
        folder = _folder()
        if settings.metrics_dir is None:
            forget_latencies(folder)
        start_measuring(folder, _worker_name)
        signals.task_prerun.connect(_note_start)
        signals.task_postrun.connect(_note_end)


def _begin_in_child(**_details: object) -> None:
    close_inherited_socket()
    index = getattr(current_process(), "index", None)
    if is_measuring() and index is not None:
        start_measuring(_folder(), f"{_worker_name}-{index}")


def _serve(**_details: object) -> None:
    listen = load_settings().metrics_listen
    if listen is None:
        return
    try:
        serve_latencies(_folder(), listen)
    except OSError as error:
        log.warning("latencies.not_served", listen=listen, reason=error.strerror)


def _note_start(**_details: object) -> None:
    _current.started_s = time.perf_counter()


def _note_end(task: Any, state: str | None, **_details: object) -> None:  # noqa: ANN401 - celery.Task
    seconds = time.perf_counter() - _current.started_s
    observe(TASK, seconds, str(task.name), state if state in _STATES else "other")


def _folder() -> Path:
    return load_settings().metrics_dir or heartbeat_files.directory() / "metrics" / _worker_name.replace("/", "-")

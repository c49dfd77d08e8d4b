"""The Celery app: its configuration, queues, beat schedule, and handlers of process start and stop.

Nothing is connected or read from the environment at import. docs/decisions/0010-celery-settings.md states the reasons
for its settings.
"""

import logging
import os
import signal
import socket
import sys
from typing import Any

from celery import Celery, bootsteps, signals
from kombu.exceptions import OperationalError

from worker.broker import (
    DEFAULT_QUEUE,
    DISPATCH_REQUESTS,
    REAP,
    TICK,
    Queue,
    celery_address,
    declared_queues,
    send_looks,
    tls_options,
    transport_options,
)
from worker.celery_hooks import pools, task_latencies
from worker.celery_hooks.beat_schedule import beat_entries, beat_setting
from worker.celery_hooks.components import HeartbeatFile
from worker.celery_hooks.queue_entries import check_queue_entries
from worker.celery_hooks.request_listener import RequestListener
from worker.errors import ConfigurationError
from worker.keys.startup_check import check_keys
from worker.process import heartbeat_files
from worker.process.core_dumps import forbid_core_dumps
from worker.process.stop_deadline import exit_when_overdue
from worker.process.stop_flag import STOP
from worker.runtime import check_broker, check_event_key, close_process_runtime, forget_process_runtime, runtime
from worker.settings import load_messaging_settings, load_settings
from worker.telemetry.logs import get_logger, setup_logging
from worker.telemetry.tracing import start_tracing, stop_tracing

log = get_logger(__name__)

_MISSED_TICKS = 4


def configuration() -> dict[str, Any]:
    """Return Celery's configuration from our settings, at the first use of the app. Raises: ConfigurationError."""
    settings = load_messaging_settings()
    return {
        "broker_url": celery_address(settings.messages_url),
        "broker_use_ssl": tls_options(settings.messages_url),
        "broker_transport_options": transport_options("worker", url=settings.messages_url),
        "task_queues": declared_queues(url=settings.messages_url),
        **_BROKER,
        **_TASKS,
        **_WORKER,
        "beat_schedule": {f"{entry.task}@{entry.queue}": beat_setting(entry) for entry in beat_entries(settings)},
        # Flower shows imports: what beat sends by the second is kept out of the events it listens to.
        "task_annotations": {
            task: {"send_events": False}
            for task in (DISPATCH_REQUESTS, *(entry.task for entry in beat_entries(settings)))
        },
        "beat_scheduler": "worker.celery_hooks.components:BeatScheduler",
        "worker_consumer": "worker.celery_hooks.components:CheckedConsumer",
        "beat_max_loop_interval": 5,
        "beat_enable_remote_control": False,
    }


_BROKER = {
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    "broker_pool_acquire_timeout": 5,
}
_TASKS = {
    "task_serializer": "json",
    "accept_content": ["json"],
    "task_ignore_result": True,
    "task_acks_late": True,
    "task_reject_on_worker_lost": False,
    "task_retry_on_worker_lost": False,
    "task_acks_on_failure": True,
    "task_acks_on_timeout": True,
    "task_soft_time_limit": 840,
    "task_time_limit": 900,
    "task_publish_retry_policy": {"max_retries": 2, "interval_start": 0.2, "interval_step": 0.2, "interval_max": 1},
    "task_send_sent_event": True,
    "task_default_queue": DEFAULT_QUEUE,
    "task_create_missing_queues": False,
}
_WORKER = {
    "worker_prefetch_multiplier": 1,
    "worker_max_tasks_per_child": 500,
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    "worker_soft_shutdown_timeout": 0,
    "worker_enable_soft_shutdown_on_idle": False,
    "worker_eta_task_limit": 100,
    "worker_send_task_events": True,
    "worker_hijack_root_logger": False,
    "worker_redirect_stdouts": False,
    "worker_proc_alive_timeout": 30,
    "worker_enable_remote_control": False,
}

app = Celery(
    "finmind-worker",
    include=[
        "worker.tasks.imports",
        "worker.tasks.dispatch",
        "worker.tasks.maintenance",
        "worker.tasks.notices",
        "worker.tasks.webhooks",
    ],
)
app.add_defaults(configuration)
app.events.dispatcher_cls = "worker.celery_hooks.components:UnwaitingEvents"


class MissedTickTimer(bootsteps.StartStopStep):
    """Sends a tick when there was none on this machine for a while, so that a dead beat only causes a delay."""

    requires = ("celery.worker.components:Timer",)
    _entry: Any = None

    def start(self, parent: Any) -> None:  # noqa: ANN401 - Celery's worker controller
        """Start the timer."""
        every_s = _MISSED_TICKS * load_messaging_settings().tick_s
        self._entry = parent.timer.call_repeatedly(every_s, _tick_if_silent, (every_s,))

    def stop(self, _parent: Any) -> None:  # noqa: ANN401 - Celery's worker controller
        """Stop the timer."""
        if self._entry is not None:
            self._entry.cancel()


def _tick_if_silent(silent_s: float) -> None:
    if heartbeat_files.age_s("dispatcher") < silent_s:
        return
    try:
        send_looks(app, TICK, REAP)
    except OperationalError:
        log.warning("tick.not_sent", reason="the broker does not answer")


class RequestListenerStep(bootsteps.StartStopStep):
    """Listens for requests that came without a message, in workers that execute the dispatcher's tasks."""

    requires = ("celery.worker.components:Timer",)
    _listener: RequestListener | None = None

    def include_if(self, parent: Any) -> bool:  # noqa: ANN401 - Celery's worker controller
        """Say whether this worker consumes the dispatcher's queue."""
        return Queue.MAINTENANCE.value in parent.app.amqp.queues.consume_from

    def start(self, parent: Any) -> None:  # noqa: ANN401, ARG002 - Celery's worker controller
        """Start to listen."""
        self._listener = RequestListener(load_settings().database_url.get_secret_value(), _dispatch_requests)
        self._listener.start()

    def stop(self, _parent: Any) -> None:  # noqa: ANN401 - Celery's worker controller
        """Stop to listen."""
        if self._listener is not None:
            self._listener.stop()
            self._listener = None


def _dispatch_requests() -> None:
    try:
        send_looks(app, DISPATCH_REQUESTS)
    except OperationalError:
        log.warning("requests.not_dispatched", reason="the broker does not answer; the tick finds them")


check_queue_entries()
app.steps["worker"].update((HeartbeatFile, RequestListenerStep, MissedTickTimer))
task_latencies.connect()
pools.connect()


@signals.setup_logging.connect
def _set_up_logging(**_details: object) -> None:
    settings = load_messaging_settings()
    setup_logging(level=settings.log_level, json=settings.log_json)


@app.on_after_configure.connect
def _set_up_logging_of_flower(**_details: object) -> None:
    # Celery asks workers and beat to set up logging, but not Flower, whose command is loaded by Celery's command line.
    if "flower.command" in sys.modules:
        forbid_core_dumps()
        _set_up_logging()
        logging.getLogger("kombu.mixins").setLevel(logging.INFO)  # logs when Flower begins to receive events


@signals.worker_init.connect
def _refuse_to_start_without_keys(**_details: object) -> None:
    forbid_core_dumps()
    try:
        with runtime(role="start") as opened:
            check_event_key(opened.settings)
            check_broker(opened.settings)
            check_keys(opened.sessions, opened.vault)
    except ConfigurationError as error:
        raise SystemExit(f"error: {error}") from None


@signals.worker_shutting_down.connect
def _ask_runs_to_stop(**_details: object) -> None:
    # Runs check it between pages, commit what they have, and hand the run back within seconds.
    STOP.set()
    exit_when_overdue()


@signals.worker_process_init.connect
def _after_fork(**_details: object) -> None:
    # Connections that were opened before the fork belong to the parent: children that share a socket mix up responses.
    forget_process_runtime()
    start_tracing()


@signals.worker_process_shutdown.connect
def _before_exit(**_details: object) -> None:
    stop_tracing()
    close_process_runtime()


@signals.beat_init.connect
def _begin_beat(sender: Any, **_details: object) -> None:  # noqa: ANN401 - celery.beat.Service
    # Celery's own handler raises SystemExit, which is swallowed during a socket read, so that beat goes on.
    def stop(*_signal: object) -> None:
        STOP.set()  # for the wait for a broker that is away
        sender.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    forbid_core_dumps()
    heartbeat_files.touch("beat")
    log.info("beat.started", host=socket.gethostname(), pid=os.getpid())

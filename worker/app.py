"""The Celery app: settings, queues, the table of beat, and what each process does when it starts and stops.

Nothing is connected or read from the environment at import. Settings follow docs/decisions/0010-celery-settings.md.
"""

import logging
import os
import signal
import socket
import sys
from dataclasses import dataclass
from typing import Any

from celery import Celery, bootsteps, signals
from celery.schedules import schedule
from kombu import Queue as KombuQueue
from kombu.exceptions import OperationalError

from worker import heartbeat_files
from worker.broker import (
    ANNOUNCE_BILLS,
    CANARY,
    CONSENT,
    DELIVER,
    PRUNE,
    PRUNE_EVENTS,
    REAP,
    SEND_REMINDERS,
    TICK,
    Queue,
    transport_options,
)
from worker.celery_hooks import pools, task_latencies
from worker.celery_hooks.components import HeartbeatFile, steady_now
from worker.celery_hooks.garbage import drop_garbage
from worker.credentials import forbid_core_dumps
from worker.errors import ConfigurationError
from worker.keys import check_keys
from worker.runtime import close_process_runtime, forget_process_runtime, runtime
from worker.settings import Settings, load_settings
from worker.stop_flag import STOP
from worker.telemetry.logs import get_logger, setup_logging
from worker.telemetry.tracing import start_tracing, stop_tracing

log = get_logger(__name__)

DEFAULT_QUEUE = "celery"
"""Tasks sent by name with nothing said about a queue land here; interactive workers consume it too."""

EXPIRES_S = 60.0
"""How long a tick is worth taking, at least: well beyond what the clocks of two hosts differ by."""

_DELIVERY_TICK_S = 1.0
_MISSED_TICKS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class BeatEntry:
    """One line of the schedule. A message that nobody took for a minute, or until the next one, is dropped."""

    task: str
    every_s: float
    queue: Queue = Queue.MAINTENANCE


def beat_entries(settings: Settings) -> tuple[BeatEntry, ...]:
    """Return everything that happens by the clock; each entry only looks for due rows, so two beats do no harm."""
    return (
        BeatEntry(task=TICK, every_s=settings.tick_s),
        BeatEntry(task=REAP, every_s=max(1, settings.lease_s / 4)),
        BeatEntry(task=PRUNE, every_s=3600),
        BeatEntry(task=DELIVER, every_s=_DELIVERY_TICK_S, queue=Queue.WEBHOOKS),
        BeatEntry(task=ANNOUNCE_BILLS, every_s=60),
        BeatEntry(task=SEND_REMINDERS, every_s=30, queue=Queue.WEBHOOKS),
        BeatEntry(task=PRUNE_EVENTS, every_s=3600),
        BeatEntry(task=CONSENT, every_s=3600),
        *(BeatEntry(task=CANARY, every_s=30, queue=queue) for queue in Queue),
    )


def configuration() -> dict[str, Any]:
    """Return Celery's settings from ours; called at the first use of the app. Raises: ConfigurationError."""
    settings = load_settings()
    return {
        "broker_url": settings.redis_url.get_secret_value(),
        **_BROKER,
        **_TASKS,
        **_WORKER,
        "beat_schedule": {f"{entry.task}@{entry.queue}": _schedule(entry) for entry in beat_entries(settings)},
        "beat_scheduler": "worker.celery_hooks.components:BeatScheduler",
        "worker_consumer": "worker.celery_hooks.components:PatientConsumer",
        "beat_max_loop_interval": 5,
        "beat_enable_remote_control": False,
    }


def _schedule(entry: BeatEntry) -> dict[str, Any]:
    return {
        "task": entry.task,
        "schedule": schedule(entry.every_s, nowfun=steady_now),
        "args": (entry.queue.value,) if entry.task == CANARY else (),
        # Whoever takes it judges `expires` by a clock of its own. The next tick is the retry: three tries on a frozen
        # Redis take longer than beat may be silent.
        "options": {"queue": entry.queue.value, "expires": max(entry.every_s, EXPIRES_S), "retry": False},
    }


_BROKER = {
    "broker_transport_options": transport_options("worker"),
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
    "task_queues": [KombuQueue(name, routing_key=name) for name in (*(queue.value for queue in Queue), DEFAULT_QUEUE)],
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
    include=["worker.tasks.imports", "worker.tasks.dispatch", "worker.tasks.maintenance", "worker.tasks.webhooks"],
)
app.add_defaults(configuration)


class Metronome(bootsteps.StartStopStep):
    """Sends a tick when nobody on this machine saw one for a while: a dead beat is a delay, not an end."""

    requires = ("celery.worker.components:Timer",)
    _entry: Any = None

    def start(self, parent: Any) -> None:  # noqa: ANN401 - Celery's worker controller
        """Begin to listen."""
        every_s = _MISSED_TICKS * load_settings().tick_s
        self._entry = parent.timer.call_repeatedly(every_s, _tick_if_silent, (every_s,))

    def stop(self, _parent: Any) -> None:  # noqa: ANN401 - Celery's worker controller
        """End."""
        if self._entry is not None:
            self._entry.cancel()


def _tick_if_silent(silent_s: float) -> None:
    if heartbeat_files.age_s("dispatcher") < silent_s:
        return
    try:
        for task in (TICK, REAP):
            app.send_task(task, queue=Queue.MAINTENANCE.value, expires=silent_s, retry=False)
    except OperationalError:
        log.warning("tick.not_sent", reason="the broker does not answer")


drop_garbage()
app.steps["worker"].update((HeartbeatFile, Metronome))
task_latencies.connect()
pools.connect()


@signals.setup_logging.connect
def _set_up_logging(**_details: object) -> None:
    settings = load_settings()
    setup_logging(level=settings.log_level, json=settings.log_json)


@app.on_after_configure.connect
def _set_up_logging_of_flower(**_details: object) -> None:
    # Celery asks workers and beat to set up logging, but not Flower, whose command is loaded by Celery's command line.
    if "flower.command" in sys.modules:
        _set_up_logging()
        logging.getLogger("kombu.mixins").setLevel(logging.INFO)  # says when Flower begins to hear of tasks


@signals.worker_init.connect
def _refuse_to_start_without_keys(**_details: object) -> None:
    forbid_core_dumps()
    try:
        with runtime(role="start") as opened:
            check_keys(opened.sessions, opened.vault)
    except ConfigurationError as error:
        raise SystemExit(f"error: {error}") from None


@signals.worker_shutting_down.connect
def _ask_runs_to_stop(**_details: object) -> None:
    # Runs see it between pages: they commit what they have and hand the run back within seconds.
    STOP.set()


@signals.worker_process_init.connect
def _after_fork(**_details: object) -> None:
    # Connections made before the fork belong to the parent: two children on one socket get each other's answers.
    forget_process_runtime()
    start_tracing()


@signals.worker_process_shutdown.connect
def _before_exit(**_details: object) -> None:
    stop_tracing()
    close_process_runtime()


@signals.beat_init.connect
def _begin_beat(sender: Any, **_details: object) -> None:  # noqa: ANN401 - celery.beat.Service
    # Celery's own handler raises SystemExit wherever beat is; inside a socket read it is lost, and beat goes on.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sender.stop())
    heartbeat_files.touch("beat")
    log.info("beat.started", host=socket.gethostname(), pid=os.getpid())

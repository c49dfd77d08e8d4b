"""How messages travel: queues, task names, Redis options, and publishing the ids of runs.

Imports nothing but celery, so that the web app can publish through the same few lines as the worker itself.
"""

import socket
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from celery import Celery

IMPORT_CONNECTION = "worker.tasks.imports.import_connection"
REFRESH_CONNECTION = "worker.tasks.imports.refresh_connection"
EXECUTE = "worker.tasks.imports.execute"
TICK = "worker.tasks.dispatch.tick"
REAP = "worker.tasks.maintenance.reap"
PRUNE = "worker.tasks.maintenance.prune"
CANARY = "worker.tasks.maintenance.canary"
PUBLISH_EVENT = "worker.tasks.webhooks.publish_event"
DELIVER = "worker.tasks.webhooks.deliver"
ANNOUNCE_BILLS = "worker.tasks.webhooks.announce_bills"
SEND_REMINDERS = "worker.tasks.webhooks.send_reminders"
PRUNE_EVENTS = "worker.tasks.webhooks.prune_events"
CONSENT = "worker.tasks.maintenance.warn_of_consents"


class Queue(StrEnum):
    """Where a message waits; each queue can have workers of its own."""

    INTERACTIVE = "interactive"
    SCHEDULED = "scheduled"
    HEAVY = "heavy"
    WEBHOOKS = "webhooks"
    MAINTENANCE = "maintenance"


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLimit:
    """Seconds after which a task is asked to stop (soft) and is killed (hard). The last resort behind the deadline.

    A pool of threads knows neither: a run ends by its deadline there, and loses its lease after `hard_s`.
    """

    soft_s: int
    hard_s: int


TIME_LIMITS = {
    Queue.INTERACTIVE: TimeLimit(soft_s=240, hard_s=300),
    Queue.SCHEDULED: TimeLimit(soft_s=840, hard_s=900),
    Queue.HEAVY: TimeLimit(soft_s=3540, hard_s=3600),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Nudge:
    """A message about one run that waits."""

    run_id: uuid.UUID
    queue: Queue


def run_queue(trigger: str) -> Queue:
    """Return the queue of a run: somebody is waiting for everything that the schedule did not start."""
    return Queue.SCHEDULED if trigger == "schedule" else Queue.INTERACTIVE


def transport_options(role: str, *, socket_timeout_s: float = 10, connect_timeout_s: float = 3) -> dict[str, Any]:
    """Return kombu's Redis options; each answers a measured failure (docs/decisions/0010-celery-settings.md)."""
    return {
        "visibility_timeout": 1800,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "socket_timeout": socket_timeout_s,
        "socket_connect_timeout": connect_timeout_s,
        "socket_keepalive": True,
        "health_check_interval": 25,
        "client_name": f"finmind-{role}-{socket.gethostname()}",
    }


def publish(app: Celery, nudges: Iterable[Nudge]) -> None:
    """Send one message per nudge, batched; the run id is the task id.

    Raises: kombu.exceptions.OperationalError when the broker does not take them; the rows stay and are sent again.
    """
    with app.producer_pool.acquire(block=True, timeout=5) as producer, producer.batch():  # type: ignore[attr-defined]  # new in kombu 5.7
        for nudge in nudges:
            limit = TIME_LIMITS[nudge.queue]
            app.send_task(
                EXECUTE,
                args=[str(nudge.run_id)],
                task_id=str(nudge.run_id),
                queue=nudge.queue.value,
                soft_time_limit=limit.soft_s,
                time_limit=limit.hard_s,
                producer=producer,
                retry=False,
            )

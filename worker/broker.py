"""Queues, task names and Redis options, and publishing of run ids.

Imports only celery and redis, so that the API and the command line publish with the same code as the workers.
"""

import socket
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from celery import Celery
from kombu import Producer
from kombu import Queue as KombuQueue
from kombu.exceptions import BatchPublishError, OperationalError  # type: ignore[attr-defined]  # new in kombu 5.7
from kombu.utils.url import parse_url

from worker.net.redis_address import names_sentinels, parse_sentinels

IMPORT_CONNECTION = "worker.tasks.imports.import_connection"
REFRESH_CONNECTION = "worker.tasks.imports.refresh_connection"
EXECUTE = "worker.tasks.imports.execute"
TICK = "worker.tasks.dispatch.tick"
DISPATCH_REQUESTS = "worker.tasks.dispatch.dispatch_requests"
REAP = "worker.tasks.maintenance.reap"
PRUNE = "worker.tasks.maintenance.prune"
CANARY = "worker.tasks.maintenance.canary"
PUBLISH_EVENT = "worker.tasks.webhooks.publish_event"
DELIVER = "worker.tasks.webhooks.deliver"
ANNOUNCE_BILLS = "worker.tasks.webhooks.announce_bills"
SEND_REMINDERS = "worker.tasks.webhooks.send_reminders"
OBSERVE_BANKS = "worker.tasks.maintenance.observe_banks"
FINISH_LINKS = "worker.tasks.notices.finish_links"
PRUNE_EVENTS = "worker.tasks.webhooks.prune_events"
REMOVE_FILES = "worker.tasks.maintenance.remove_files_of_gone_users"
CONSENT = "worker.tasks.maintenance.warn_of_consents"

FULL_QUEUE = 1_000
"""A queue that holds so many messages gets no more of those that are repeated: twice what the dispatcher sends ahead.

Redis removes none by itself, and a queue that nobody consumes for a week would fill its memory.
"""

DEFAULT_QUEUE = "celery"
"""Receives tasks that are sent by name without a queue; interactive workers consume it too."""


class Queue(StrEnum):
    """The queues; each can have workers of its own."""

    INTERACTIVE = "interactive"
    SCHEDULED = "scheduled"
    HEAVY = "heavy"
    WEBHOOKS = "webhooks"
    MAINTENANCE = "maintenance"


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLimit:
    """Celery's time limits of a task (s): interrupted at the soft one, killed at the hard one.

    Normally a run ends earlier, by its deadline. A pool of threads has no time limits: there a run loses its lease
    after `hard_s`.
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
    """A message that a run waits to be executed."""

    run_id: uuid.UUID
    queue: Queue


def run_queue(trigger: str) -> Queue:
    """Return the queue of a run: the scheduled one for scheduled runs, the interactive one for all others."""
    return Queue.SCHEDULED if trigger == "schedule" else Queue.INTERACTIVE


def is_rabbitmq(url: str) -> bool:
    """Say whether the address of a broker is that of RabbitMQ, not of Redis."""
    return url.startswith(("amqp://", "amqps://"))


def celery_address(url: str) -> str:
    """Return the address of a broker as Celery reads it."""
    return parse_sentinels(url).kombu_url if names_sentinels(url) else url


def tls_options(url: str) -> dict[str, Any] | bool:
    """Return what kombu is told of TLS to a broker, so that it refuses whom it cannot verify; False without TLS.

    By itself it takes any certificate for Redis, and for RabbitMQ that of any host. An address may name other options.
    """
    if names_sentinels(url):
        tls = parse_sentinels(url).tls
        return False if tls is None else {"ssl_cert_reqs": "required", **tls}
    if url.startswith("rediss://"):
        return {"ssl_cert_reqs": "required", **parse_url(url).get("ssl", {})}
    return _OwnHost(server_hostname=None) if url.startswith("amqps://") else False


class _OwnHost(dict[str, Any]):
    """Options by which each of several RabbitMQ servers must show the certificate of its own host.

    Without a name, kombu writes that of the first server into the options, and would ask the next ones for it too.
    """

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - any option
        return None if name == "server_hostname" else super().__getitem__(name)


def declared_queues(url: str) -> list[KombuQueue]:
    """Return the queues as the broker has to keep them: in RabbitMQ replicated, as quorum queues."""
    arguments = {"x-queue-type": "quorum"} if is_rabbitmq(url) else None
    names = (*(queue.value for queue in Queue), DEFAULT_QUEUE)
    return [KombuQueue(name, routing_key=name, queue_arguments=arguments) for name in names]


def transport_options(
    role: str, *, url: str, socket_timeout_s: float = 10, connect_timeout_s: float = 3
) -> dict[str, Any]:
    """Return kombu's options for a broker; docs/decisions/0010-celery-settings.md states the reason for each."""
    if is_rabbitmq(url):
        return {
            "confirm_publish": True,
            "connect_timeout": connect_timeout_s,
            "read_timeout": socket_timeout_s,
            "write_timeout": socket_timeout_s,
        }
    return {
        **_sentinel_options(url, socket_timeout_s=socket_timeout_s, connect_timeout_s=connect_timeout_s),
        "visibility_timeout": 1800,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "unacked_restore_limit": 1000,
        "socket_timeout": socket_timeout_s,
        "socket_connect_timeout": connect_timeout_s,
        "socket_keepalive": True,
        "health_check_interval": 25,
        "client_name": f"finmind-{role}-{socket.gethostname()}",
    }


def _sentinel_options(url: str, *, socket_timeout_s: float, connect_timeout_s: float) -> dict[str, Any]:
    if not names_sentinels(url):
        return {}
    address = parse_sentinels(url)
    return {
        "master_name": address.master_name,
        "sentinel_kwargs": address.sentinel_options(timeout_s=socket_timeout_s, connect_timeout_s=connect_timeout_s),
    }


def publish(app: Celery, nudges: Iterable[Nudge]) -> None:
    """Send one message per nudge, in one batch; the run id is the task id.

    Raises: kombu.exceptions.OperationalError when the broker does not accept them; the dispatcher sends them later.
    """
    try:
        with app.producer_pool.acquire(block=True, timeout=5) as producer, producer.batch():  # type: ignore[attr-defined]  # new in kombu 5.7
            for nudge in nudges:
                _send(app, producer, nudge)
    except BatchPublishError as error:  # the connection was lost, or Redis is full
        raise OperationalError(f"{error}: {error.__cause__}") from error


def _send(app: Celery, producer: Producer, nudge: Nudge) -> None:
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


def publish_tick(app: Celery) -> None:
    """Wake the dispatcher before its next tick. Raises: kombu.exceptions.OperationalError."""
    send_looks(app, TICK, FINISH_LINKS)


def send_looks(app: Celery, *tasks: str) -> None:
    """Send tasks of maintenance that only look for due rows, unless its queue is full because nobody consumes it.

    Raises: kombu.exceptions.OperationalError.
    """
    if has_room(app, Queue.MAINTENANCE):
        for task in tasks:
            app.send_task(task, queue=Queue.MAINTENANCE.value, retry=False)


def is_full(app: Celery, producer: Producer, queue: str) -> bool:
    """Say whether a queue holds `FULL_QUEUE` messages. Raises: what kombu raises when the broker does not answer."""
    channel: Any = producer.channel
    declared: Any = app.amqp.queues[queue](channel).queue_declare()  # kombu's stubs take the answer for a name
    return bool(declared.message_count >= FULL_QUEUE)


def has_room(app: Celery, queue: Queue) -> bool:
    """Say whether a queue takes messages that repeat what a row says. Raises: kombu.exceptions.OperationalError."""
    with app.producer_pool.acquire(block=True, timeout=5) as producer:
        connection: Any = producer.connection
        try:
            return not is_full(app, producer, queue.value)
        except (*connection.connection_errors, *connection.channel_errors) as error:
            raise OperationalError(str(error)) from error


class Messages:
    """Sends messages from a process that is no Celery worker; connects at the first one."""

    def __init__(self, url: str, *, timeout_s: float) -> None:
        """Create the Celery app that sends.

        Args:
            url: The broker's address.
            timeout_s: Bound of each socket operation.
        """
        self._app = Celery("finmind-client", broker=celery_address(url), set_as_current=False)
        self._app.conf.update(
            broker_use_ssl=tls_options(url),
            broker_transport_options=transport_options(
                "client", url=url, socket_timeout_s=timeout_s, connect_timeout_s=timeout_s
            ),
            broker_connection_timeout=timeout_s,
            broker_pool_acquire_timeout=timeout_s,
            task_publish_retry=False,
            task_queues=declared_queues(url),
        )

    def publish(self, run_ids: Iterable[uuid.UUID], trigger: str) -> None:
        """Send the messages of runs with this trigger. Raises: kombu.exceptions.OperationalError."""
        publish(self._app, [Nudge(run_id=run_id, queue=run_queue(trigger)) for run_id in run_ids])

    def publish_tick(self) -> None:
        """Wake the dispatcher. Raises: kombu.exceptions.OperationalError."""
        publish_tick(self._app)

    def close(self) -> None:
        """Close the connections of this process."""
        self._app.close()

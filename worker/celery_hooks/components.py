"""Celery's components with heartbeat files: the worker's main loop, its wait for the broker, and beat.

Each heartbeat is written by the thread that does the work, so that it stops when that thread is stuck.
"""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from celery import bootsteps
from celery.beat import Scheduler
from celery.events import EventDispatcher
from celery.worker.consumer import Consumer
from celery.worker.state import maybe_shutdown

from worker.broker import is_full
from worker.celery_hooks.messages import MessageFilter
from worker.celery_hooks.refusals import RefusalLog
from worker.process import heartbeat_files
from worker.process.stop_flag import STOP
from worker.telemetry.logs import get_logger

HEARTBEAT_S = 5.0

FIRST_TRY_AFTER_S = 0.5
LONGEST_TRY_AFTER_S = 3.0
"""Longest wait between two tries to reach the broker (s); Celery's default of 30 s delays runs once Redis is back."""

log = get_logger(__name__)


def _report_away(error: Exception, wait_s: float) -> None:
    log.warning("broker.away", reason=type(error).__name__, next_try_in_s=round(wait_s, 1))


def _connect(conn: Any, while_away: Callable[[], None]) -> Any:  # noqa: ANN401 - kombu's connection
    """Return the connection once the broker answers, however long that takes."""
    wait = {
        "interval_start": FIRST_TRY_AFTER_S,
        "interval_step": FIRST_TRY_AFTER_S,
        "interval_max": LONGEST_TRY_AFTER_S,
    }
    return conn.ensure_connection(_report_away, max_retries=None, callback=while_away, **wait)


def _sign_of(hostname: str) -> str:
    return f"worker-{hostname}"


class HeartbeatFile(bootsteps.StartStopStep):
    """Touches a file from the event loop of the worker's main process, which shows that the loop runs."""

    requires = ("celery.worker.components:Timer",)
    _entry: Any = None
    _name = ""

    def start(self, parent: Any) -> None:  # noqa: ANN401 - Celery's worker controller
        """Start the timer."""
        self._name = _sign_of(parent.hostname)
        heartbeat_files.touch(self._name)
        self._entry = parent.timer.call_repeatedly(HEARTBEAT_S, heartbeat_files.touch, (self._name,))

    def stop(self, _parent: Any) -> None:  # noqa: ANN401 - Celery's worker controller
        """Stop the timer and delete the file."""
        if self._entry is not None:
            self._entry.cancel()
        heartbeat_files.remove(self._name)


class UnwaitingEvents(EventDispatcher):
    """Celery's sender of events for dashboards, which keeps an event when the broker is away instead of waiting for it.

    Celery's own worker heartbeat waits without a limit, inside the loop: the worker would neither reconnect, nor stop
    when asked, nor touch its heartbeat file.
    """

    def send(self, *args: Any, **details: Any) -> None:  # noqa: ANN401 - as the base class
        """Send an event, or keep it until the broker is back."""
        super().send(*args, **{**details, "retry": False})


class CheckedConsumer(Consumer):
    """Celery's consumer with a heartbeat while the broker is away, quick reconnection, and checked messages.

    It accepts only messages that `MessageFilter` lets through. Mingle, gossip and remote control are off, whatever the
    command line says: through each of them, anybody who can write to Redis could revoke or start tasks.
    """

    class Blueprint(Consumer.Blueprint):  # type: ignore[misc, valid-type]  # Celery has no types for it
        """Celery's steps without gossip and remote control."""

        default_steps: ClassVar[list[str]] = [
            step for step in Consumer.Blueprint.default_steps if not step.endswith((":Gossip", ":Control"))
        ]

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - as the base class
        # An option and not a step left out, because the step that consumes tasks requires mingle and brings it back.
        options["worker_options"] = {**(options.get("worker_options") or {}), "without_mingle": True}
        super().__init__(*args, **options)

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:  # noqa: ANN401 - as the base class
        """Return the handler of messages, which filters them first."""
        handle = super().create_task_handler(*args, **kwargs)
        accepted = MessageFilter(self.app.tasks)
        refusals = RefusalLog(self.timer.call_after)

        def handle_accepted(message: Any) -> None:  # noqa: ANN401 - kombu's message
            try:
                accepted.clean(message)
                handle(message)
            except Exception as error:  # noqa: BLE001 - an unacknowledged message would block the queue
                refusals.note(error)
                message.ack_log_error(logging.getLogger("celery"), _errors_of(self))

        return handle_accepted

    def ensure_connected(self, conn: Any) -> Any:  # noqa: ANN401 - kombu's connection
        """Return the connection once the broker answers; the loop waits for it without a limit."""
        connected = _connect(conn, self._while_away)
        self.first_connection_attempt = False
        self._connected_s = time.monotonic()
        return connected

    def _while_away(self) -> None:
        maybe_shutdown()
        heartbeat_files.touch(_sign_of(self.hostname))

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Drop a lost connection and its unacknowledged messages; running tasks go on.

        A broker that answers and then refuses its work, such as a Redis that became a replica, is left alone a while.
        """
        lost: Any = self.connection
        for channel in getattr(lost.transport, "channels", ()):  # Redis'; RabbitMQ delivers again by itself
            _let_go(channel)
        super().on_connection_error_after_connected(exc)
        if time.monotonic() - self._connected_s < LONGEST_TRY_AFTER_S:
            self._while_away()
            time.sleep(LONGEST_TRY_AFTER_S)


def _errors_of(consumer: Any) -> tuple[type[Exception], ...]:  # noqa: ANN401 - Celery has no types for it
    errors: tuple[type[Exception], ...] = consumer.connection_errors
    return errors


def _let_go(channel: Any) -> None:  # noqa: ANN401 - kombu's channel
    """Neither reject nor acknowledge messages of a lost channel."""
    # Kombu 5.7.0 tries to, on a channel that is closed already, and the AttributeError ends the worker.
    # Redis delivers such a message again after its visibility timeout; by then the row of its run is closed.
    channel.do_restore = False
    channel.basic_ack = channel.basic_reject = _ignore


def _ignore(*_args: object, **_options: object) -> None:
    pass


def steady_now() -> datetime:
    """Return a moment (UTC) by the monotonic clock, which changes of the host's clock do not affect."""
    return _STARTED_AT + timedelta(seconds=time.monotonic() - _STARTED_S)


_STARTED_AT, _STARTED_S = datetime.now(UTC), time.monotonic()


class BeatScheduler(Scheduler):
    """Beat's scheduler with a heartbeat file. Its state is not persisted, because tasks only look for due rows.

    What it sends makes no events: a dashboard would show ticks instead of imports. A queue that nobody consumes gets
    no more once it is full.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as the base class
        super().__init__(*args, **kwargs)
        self.app.conf.task_send_sent_event = False

    def tick(self, *args: Any, **kwargs: Any) -> float:  # noqa: ANN401 - as the base class
        """Send what is due and touch the heartbeat file."""
        seconds: float = super().tick(*args, **kwargs)
        heartbeat_files.touch("beat")
        return seconds

    def apply_async(self, entry: Any, producer: Any = None, advance: bool = True, **kwargs: Any) -> Any:  # noqa: ANN401, FBT001, FBT002 - as the base class
        """Send an entry, unless its queue is full; after a failure the next one is sent through another connection."""
        try:
            if is_full(self.app, producer, entry.options["queue"]):
                return None
            return super().apply_async(entry, producer=producer, advance=advance, **kwargs)
        except Exception:
            self._leave_connection()
            raise

    def _leave_connection(self) -> None:
        """Forget the connection: kombu goes on with a channel of RabbitMQ that is closed, and would fail for ever."""
        self.__dict__.pop("producer", None)
        left = self.__dict__.pop("connection", None)
        if left is not None:
            with suppress(Exception):  # it is of no use, whatever is wrong with it
                left.collect()

    def _ensure_connected(self) -> Any:  # noqa: ANN401 - kombu's connection
        return _connect(self.connection, _while_beat_is_away)


def _while_beat_is_away() -> None:
    if STOP.is_set:
        raise SystemExit(0)
    heartbeat_files.touch("beat")

"""Celery's own parts, taught to say that they are alive: the worker's main loop, its wait for the broker, and beat.

A sign of life always comes from the thread that does the work, never from one beside it: what is stuck stays silent.
"""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, ClassVar

from celery import bootsteps
from celery.beat import Scheduler
from celery.worker.consumer import Consumer
from celery.worker.state import maybe_shutdown

from worker import heartbeat_files
from worker.celery_hooks.messages import MessageFilter, RefusedMessageError
from worker.telemetry.logs import get_logger

HEARTBEAT_S = 5.0

FIRST_TRY_AFTER_S = 0.5
LONGEST_TRY_AFTER_S = 3.0
"""Celery waits up to half a minute between two tries, and so would people once Redis is back."""

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
    """Touches a file from the event loop of the worker's main process: fresh = the loop turns."""

    requires = ("celery.worker.components:Timer",)
    _entry: Any = None
    _name = ""

    def start(self, parent: Any) -> None:  # noqa: ANN401 - Celery's worker controller
        """Begin to touch."""
        self._name = _sign_of(parent.hostname)
        heartbeat_files.touch(self._name)
        self._entry = parent.timer.call_repeatedly(HEARTBEAT_S, heartbeat_files.touch, (self._name,))

    def stop(self, _parent: Any) -> None:  # noqa: ANN401 - Celery's worker controller
        """End, and leave no stale file behind."""
        if self._entry is not None:
            self._entry.cancel()
        heartbeat_files.remove(self._name)


class PatientConsumer(Consumer):
    """Celery's consumer: alive while the broker is away, soon there when it is back, and not ended by its loss.

    It takes nothing but messages that `MessageFilter` lets through. It neither mingles nor gossips: both take orders
    (which tasks to drop, which to start) from anybody who can write to Redis.
    """

    class Blueprint(Consumer.Blueprint):  # type: ignore[misc, valid-type]  # Celery has no types for it
        """Celery's steps without those that obey other workers."""

        default_steps: ClassVar[list[str]] = [
            step for step in Consumer.Blueprint.default_steps if not step.endswith((":Mingle", ":Gossip", ":Control"))
        ]

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:  # noqa: ANN401 - as the base class
        """Return the handler of messages, behind the filter."""
        handle = super().create_task_handler(*args, **kwargs)
        accepted = MessageFilter(self.app.tasks)

        def handle_accepted(message: Any) -> None:  # noqa: ANN401 - kombu's message
            try:
                accepted.clean(message)
                handle(message)
            except Exception as error:  # noqa: BLE001 - a message that stayed unacknowledged would block the queue
                reason = str(error) if isinstance(error, RefusedMessageError) else type(error).__name__
                log.warning("message.refused", reason=reason)
                message.ack_log_error(logging.getLogger("celery"), _errors_of(self))

        return handle_accepted

    def ensure_connected(self, conn: Any) -> Any:  # noqa: ANN401 - kombu's connection
        """Return the connection once the broker answers, however long that takes; the loop stands still meanwhile."""
        connected = _connect(conn, self._while_away)
        self.first_connection_attempt = False
        return connected

    def _while_away(self) -> None:
        maybe_shutdown()
        heartbeat_files.touch(_sign_of(self.hostname))

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Drop a lost connection and let go of its messages; the tasks go on."""
        lost: Any = self.connection
        for channel in lost.transport.channels:
            _let_go(channel)
        super().on_connection_error_after_connected(exc)


def _errors_of(consumer: Any) -> tuple[type[Exception], ...]:  # noqa: ANN401 - Celery has no types for it
    errors: tuple[type[Exception], ...] = consumer.connection_errors
    return errors


def _let_go(channel: Any) -> None:  # noqa: ANN401 - kombu's channel
    """Neither hand back nor acknowledge what came through a lost channel."""
    # Kombu 5.7.0 would, through what it has taken apart already, and the AttributeError ends the whole worker.
    # Redis sends such a message again after its visibility timeout; its run is a row, and closed by then.
    channel.do_restore = False
    channel.basic_ack = channel.basic_reject = _ignore


def _ignore(*_args: object, **_options: object) -> None:
    pass


def steady_now() -> datetime:
    """Return a moment (UTC) that moves on evenly, whatever is done to the clock of the host."""
    return _STARTED_AT + timedelta(seconds=time.monotonic() - _STARTED_S)


_STARTED_AT, _STARTED_S = datetime.now(UTC), time.monotonic()


class BeatScheduler(Scheduler):
    """Beat's schedule in memory, with a heartbeat file: entries only look for due rows, so nothing is worth keeping."""

    def tick(self, *args: Any, **kwargs: Any) -> float:  # noqa: ANN401 - as the base class
        """Send what is due and say that beat is alive."""
        seconds: float = super().tick(*args, **kwargs)
        heartbeat_files.touch("beat")
        return seconds

    def _ensure_connected(self) -> Any:  # noqa: ANN401 - kombu's connection
        return _connect(self.connection, partial(heartbeat_files.touch, "beat"))

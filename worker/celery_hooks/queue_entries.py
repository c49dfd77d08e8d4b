"""Checks the entries of Redis lists before kombu reads them; those that are no messages of ours are dropped and logged.

Kombu's Redis transport would end the worker at one, or fill its memory: it parses an entry of any size, and unpacks a
compressed body before anything can look at it. It also believes an entry that names another queue than its own.
"""

from typing import Any

from kombu.transport import redis, virtual
from kombu.utils import json
from redis.exceptions import ResponseError

from worker.celery_hooks.messages import MAX_BODY_BYTES
from worker.telemetry.logs import get_logger

log = get_logger(__name__)

_UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""What kombu raises for invalid JSON or an envelope of another shape."""

LARGEST_ENTRY_BYTES = 2 * MAX_BODY_BYTES
"""A body in base64, with its envelope."""


class _PlainMessage(virtual.Message):
    def __init__(self, payload: Any, **options: Any) -> None:  # noqa: ANN401 - as the base class
        if payload["headers"].get("compression"):  # none of our programs compresses
            raise ValueError("a compressed body")
        super().__init__(payload, **options)


class _TolerantChannel(redis.Channel):
    Message = _PlainMessage

    def _brpop_read(self, **options: Any) -> Any:  # noqa: ANN401 - as the base class
        try:
            return super()._brpop_read(**options)  # type: ignore[misc]  # kombu's stubs leave it out
        except _UNREADABLE as error:
            log.warning("message.unreadable", reason=type(error).__name__)
            return True
        except ResponseError as error:
            log.warning("message.unreadable", reason=type(error).__name__)
            self._delete_what_is_no_queue()
            return True

    def _delete_what_is_no_queue(self) -> None:
        """Delete keys that have the name of a consumed queue and are no list; no queue could be read beside them."""
        with self.conn_or_acquire() as client:
            for queue in self.active_queues:
                for priority in self.priority_steps:
                    key = self._q_for_pri(queue, priority)  # type: ignore[attr-defined]  # kombu's stubs leave it out
                    if client.type(key) not in {b"list", b"none"}:
                        client.delete(key)


class _TolerantSentinelChannel(_TolerantChannel, redis.SentinelChannel):
    pass


def _bounded_loads(text: str) -> Any:  # noqa: ANN401 - as kombu's
    if len(text) > LARGEST_ENTRY_BYTES:
        raise ValueError("too large")
    return json.loads(text)


def _deliver(transport: Any, message: Any, queue: str) -> None:  # noqa: ANN401 - kombu's transport and envelope
    # Time limits and shares of users follow from the queue: the one it was taken from, not the one it names.
    message["properties"]["delivery_info"] = {"exchange": "", "routing_key": queue}
    virtual.Transport._deliver(transport, message, queue)  # noqa: SLF001 - as kombu's own transports


def check_queue_entries() -> None:
    """Make the Redis transports of this process check entries."""
    redis.Transport.Channel = _TolerantChannel
    redis.SentinelTransport.Channel = _TolerantSentinelChannel
    redis.Transport._deliver = _deliver  # type: ignore[method-assign, assignment]  # noqa: SLF001 - kombu has no other place for it
    redis.loads = _bounded_loads  # type: ignore[attr-defined]  # kombu's stubs leave it out

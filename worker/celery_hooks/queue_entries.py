"""Checks what is in Redis before kombu reads it; entries that are no messages of ours are dropped and logged.

Kombu's Redis transport would end the worker at one, or fill its memory: it parses an entry of any size, makes objects
of any type that an entry names, and unpacks a body by its compression or its encoding before anything can look at it.
It also believes an entry that names another queue than its own. The
same holds for the messages that it keeps until they are acknowledged, and for a key that is of another type than it
should be, at which every later message would be lost.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from kombu.transport import redis, virtual
from redis.exceptions import ResponseError

from worker.broker import DEFAULT_QUEUE, Queue
from worker.celery_hooks.messages import JSON, MAX_BODY_BYTES
from worker.celery_hooks.refusals import DroppedEntries
from worker.celery_hooks.refused_writes import leave_refusing_servers

Result = TypeVar("Result")

UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""What kombu raises for invalid JSON or an envelope of another shape."""

_KEPT_FOR_EVER = -1
"""What Redis answers for the time that a key without an end has left."""

_QUEUES = frozenset({*(queue.value for queue in Queue), DEFAULT_QUEUE})

_TAG = re.compile(r"[0-9a-f-]{36}")
"""Under which a message is kept until it is acknowledged."""

_dropped = DroppedEntries()

LARGEST_ENTRY_BYTES = 2 * MAX_BODY_BYTES
"""A body in base64, with its envelope."""


class _TolerantQoS(redis.QoS):
    """Keeps the messages that are not acknowledged yet, and gives back those of workers that are gone."""

    channel: Any

    def append(self, message: Any, delivery_tag: str) -> None:  # noqa: ANN401 - kombu's message
        self.channel.with_sound_keys(lambda: super(_TolerantQoS, self).append(message, delivery_tag))

    def ack(self, delivery_tag: str) -> None:
        self._end(delivery_tag, lambda: super(_TolerantQoS, self).ack(delivery_tag))

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:  # noqa: FBT001, FBT002 - as the base class
        self._end(delivery_tag, lambda: super(_TolerantQoS, self).reject(delivery_tag, requeue))

    def _end(self, delivery_tag: str, tell: Callable[[], None]) -> None:
        """Tell Redis that a message is done with; its place is free also where Redis refuses to hear it.

        Celery only logs that, and a worker whose places are all taken by such messages would take no other one, ever.
        Redis delivers them again after the visibility timeout, when their runs are closed.
        """
        try:
            self.channel.with_sound_keys(tell)
        finally:
            self._quick_ack(delivery_tag)  # type: ignore[attr-defined]  # kombu's stubs leave it out

    def restore_visible(self, start: int = 0, num: int = 10, interval: int = 10) -> None:
        with self.channel.conn_or_acquire() as client:
            left_s = client.ttl(self.unacked_mutex_key)
            if left_s == _KEPT_FOR_EVER or left_s > self.unacked_mutex_expire:
                client.delete(self.unacked_mutex_key)  # not kombu's, which would never be given back
        self.channel.with_sound_keys(lambda: super(_TolerantQoS, self).restore_visible(start, num, interval))

    def restore_by_tag(self, tag: str, client: Any = None, leftmost: bool = False) -> None:  # noqa: ANN401, FBT001, FBT002 - as the base class
        try:
            super().restore_by_tag(tag, client, leftmost)
        except UNREADABLE as error:
            _dropped.note(type(error).__name__)
            self._remove_from_indices(tag).execute()  # type: ignore[attr-defined]  # kombu's stubs leave it out


class _TolerantChannel(redis.Channel):
    QoS = _TolerantQoS

    def with_sound_keys(self, work: Callable[[], Result]) -> Result:
        """Return what `work` returns; when a key was of another type than kombu expects, delete it and try again."""
        try:
            return work()
        except ResponseError as error:
            if "WRONGTYPE" not in str(error):
                raise
            _dropped.note("a key of another type")
            self._delete_keys_of_other_types()
            return work()

    def _brpop_read(self, **options: Any) -> Any:  # noqa: ANN401 - as the base class
        try:
            return super()._brpop_read(**options)  # type: ignore[misc]  # kombu's stubs leave it out
        except UNREADABLE as error:
            _dropped.note(type(error).__name__)
            return True
        except ResponseError as error:
            _dropped.note(type(error).__name__)
            self._delete_keys_of_other_types()
            return True

    def _size(self, queue: str) -> int:
        return self.with_sound_keys(lambda: int(super(_TolerantChannel, self)._size(queue)))

    def _put(self, queue: str, message: Any, **options: Any) -> None:  # noqa: ANN401 - as the base class
        self.with_sound_keys(lambda: super(_TolerantChannel, self)._put(queue, message, **options))

    def _queue_bind(self, exchange: str, *args: Any) -> None:  # noqa: ANN401 - as the base class
        self.with_sound_keys(lambda: super(_TolerantChannel, self)._queue_bind(exchange, *args))  # type: ignore[misc]  # kombu's stubs leave it out

    def _do_restore_message(self, payload: Any, exchange: Any, routing_key: Any, *args: Any, **options: Any) -> None:  # noqa: ANN401 - as the base class
        if exchange or routing_key not in _QUEUES or not _has_the_shape_of_a_message(payload):
            raise ValueError("not a message of ours")
        super()._do_restore_message(payload, exchange, routing_key, *args, **options)  # type: ignore[misc]  # kombu's stubs leave it out

    def _delete_keys_of_other_types(self) -> None:
        """Delete keys that have a name of kombu's and another type: nothing could be read or kept beside them."""
        lists = [self._q_for_pri(queue, step) for queue in _QUEUES for step in self.priority_steps]  # type: ignore[attr-defined]  # kombu's stubs leave it out
        prefixes = self.keyprefix_queue, self.keyprefix_binding_permanent  # type: ignore[attr-defined]  # as above
        bindings = [prefix % DEFAULT_QUEUE for prefix in prefixes]
        expected = {
            **dict.fromkeys(lists, b"list"),
            **dict.fromkeys(bindings, b"set"),
            self.unacked_key: b"hash",
            self.unacked_index_key: b"zset",
        }
        with self.conn_or_acquire() as client:
            for key, kind in expected.items():
                if client.type(key) not in {kind, b"none"}:
                    client.delete(key)


def _has_the_shape_of_a_message(payload: Any) -> bool:  # noqa: ANN401 - any JSON
    if not isinstance(payload, Mapping) or not isinstance(payload.get("body"), str):
        return False
    headers, properties = payload.get("headers"), payload.get("properties")
    return (
        isinstance(headers, Mapping)
        and not headers.get("compression")
        and payload.get("content-type") == JSON  # kombu takes plain data whatever is accepted, and unpacks that too
        and isinstance(properties, Mapping)
        and isinstance(properties.get("priority"), int | None)
        and isinstance(properties.get("delivery_info"), Mapping)
        and isinstance(tag := properties.get("delivery_tag"), str)
        and _TAG.fullmatch(tag) is not None
    )


class _TolerantSentinelChannel(_TolerantChannel, redis.SentinelChannel):
    pass


def _bounded_loads(text: str) -> Any:  # noqa: ANN401 - as kombu's
    if len(text) > LARGEST_ENTRY_BYTES:
        raise ValueError("too large")
    return json.loads(text)  # not kombu's, which makes a decimal of what says that it is one, and may fail at it


def _deliver(transport: Any, message: Any, queue: str) -> None:  # noqa: ANN401 - kombu's transport and envelope
    if not _has_the_shape_of_a_message(message):
        raise ValueError("not a message of ours")
    # Time limits and shares of users follow from the queue: the one it was taken from, not the one it names.
    message["properties"]["delivery_info"] = {"exchange": "", "routing_key": queue}
    virtual.Transport._deliver(transport, message, queue)  # noqa: SLF001 - as kombu's own transports


def check_queue_entries() -> None:
    """Make the Redis transports of this process check entries, and leave a server that takes no writes."""
    leave_refusing_servers(_TolerantChannel, _TolerantSentinelChannel)
    redis.Transport.Channel = _TolerantChannel
    redis.SentinelTransport.Channel = _TolerantSentinelChannel
    redis.Transport._deliver = _deliver  # type: ignore[method-assign, assignment]  # noqa: SLF001 - kombu has no other place for it
    redis.loads = _bounded_loads  # type: ignore[attr-defined]  # kombu's stubs leave it out

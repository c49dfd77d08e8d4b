"""Checks messages from the broker: only the name of one of our tasks, an id and valid arguments are accepted.

Redis is not trusted. Limits, delays, callbacks and all other headers are replaced by our own; other tasks, such as
those of Celery's canvas, which can run anything, are refused; ticks that come faster than they are sent are dropped.
"""

import inspect
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from worker.broker import CANARY, DELIVER, DISPATCH_REQUESTS, PUBLISH_EVENT, REAP, TICK, TIME_LIMITS, Queue, TimeLimit

OURS = "worker.tasks."
JSON = "application/json"
MAX_BODY_BYTES = 256 * 1024
_MOST_LEVELS = 32
_DEFAULT_LIMIT = TIME_LIMITS[Queue.SCHEDULED]
_KEPT_HEADERS = ("lang", "origin")
_REPR_CHARS = 200
_SHORTEST_S: Mapping[str, float] = {TICK: 0.2, DISPATCH_REQUESTS: 0.05, DELIVER: 0.2, REAP: 0.5, CANARY: 1.0}
_SHORTEST_OTHERS_S = 5.0
_AT_ONCE = 5
"""Ticks of one name that may come together: that of beat, and those of processes that each just wrote a row. A dropped
one would leave such a row to the next tick of beat."""


class RefusedMessageError(Exception):
    """The message is not one that our programs send. The reason contains nothing of the message."""


class FloodError(RefusedMessageError):
    """More messages of this kind came at once than our programs send."""


class MessageFilter:
    """Checks messages before Celery looks at them.

    When a message expires is not looked at, neither here nor by Celery. That is a moment by the clock of its sender: on
    a host whose clock is ahead, all would be late. And Celery would remember the id of an expired one as revoked, and
    discard every later message of the same run. Ticks of before an outage come faster than they are sent.

    Args:
        now: A monotonic clock (s).
    """

    def __init__(self, tasks: Mapping[str, Any], now: Callable[[], float] = time.monotonic) -> None:
        self._tasks = tasks
        self._now = now
        self._free_at_s: dict[tuple[str, str], float] = {}

    def clean(self, message: Any) -> None:  # noqa: ANN401 - kombu's message
        """Remove everything from a message that is not accepted. Raises: RefusedMessageError."""
        headers = message.headers
        name = headers.get("task") if isinstance(headers, dict) else None
        if not isinstance(name, str) or not name.startswith(OURS) or name not in self._tasks:
            raise RefusedMessageError("not a task of ours")
        task_id = _id(headers.get("id"))
        args, kwargs = _arguments(message)
        try:
            bound = inspect.signature(self._tasks[name].run).bind(*args, **kwargs)
        except TypeError:
            raise RefusedMessageError("arguments that the task does not take") from None
        if not bound.arguments or name == CANARY:
            self._drop_a_flood(name, args)
        limit = _limit(message)
        message.headers = {
            **{header: _text(headers.get(header)) for header in _KEPT_HEADERS},
            "task": name,
            "id": task_id,
            "root_id": task_id,
            "timelimit": [limit.hard_s, limit.soft_s],
            "argsrepr": "()" if name == PUBLISH_EVENT else repr(tuple(args))[:_REPR_CHARS],
            "kwargsrepr": "{}" if name == PUBLISH_EVENT else repr(kwargs)[:_REPR_CHARS],
            "retries": 0,
        }

    def _drop_a_flood(self, name: str, args: list[Any]) -> None:
        key = (name, str(args)[:_REPR_CHARS] if name == CANARY else "")
        if name == CANARY and (not args or args[0] not in list(Queue)):
            raise RefusedMessageError("not a queue of ours")
        now_s = self._now()
        shortest_s = _SHORTEST_S.get(name, _SHORTEST_OTHERS_S)
        free_at_s = max(self._free_at_s.get(key, now_s), now_s)
        if free_at_s - now_s > (_AT_ONCE - 1) * shortest_s:
            raise FloodError("sooner than anybody sends it")
        self._free_at_s[key] = free_at_s + shortest_s


def _id(given: object) -> str:
    try:
        return str(uuid.UUID(given)) if isinstance(given, str) else str(uuid.UUID(int=given))  # type: ignore[arg-type]
    except (ValueError, TypeError, AttributeError):
        raise RefusedMessageError("an id that is not a UUID") from None


def _arguments(message: Any) -> tuple[list[Any], dict[str, Any]]:  # noqa: ANN401 - kombu's message
    if len(message.body) > MAX_BODY_BYTES:
        raise RefusedMessageError("too large")
    if message.content_type != JSON:  # kombu takes plain data whatever is accepted, and its encoding may be bzip2
        raise RefusedMessageError("not JSON")
    try:
        args, kwargs, embedded = message.payload
    except Exception:  # noqa: BLE001 - a decoder may raise anything for invalid bytes
        raise RefusedMessageError("a body that cannot be read") from None
    if not isinstance(args, list) or not isinstance(kwargs, dict) or not isinstance(embedded, dict):
        raise RefusedMessageError("a body of another shape")
    if any(embedded.values()):
        raise RefusedMessageError("callbacks, which none of our programs uses")
    if not _is_plain([args, kwargs]):
        raise RefusedMessageError("arguments of another kind")
    return args, kwargs


def _is_plain(value: object, levels: int = _MOST_LEVELS) -> bool:
    """Say whether a value is plain JSON, an id or a day, nested no deeper than can be handed to a process of the pool.

    One that cannot is found only once a place is taken for it, and Celery would never give that place back.
    """
    match value:
        case None | bool() | int() | float() | str() | uuid.UUID() | date():
            return True
        case list():
            return levels > 0 and all(_is_plain(item, levels - 1) for item in value)
        case dict():
            return levels > 0 and all(_is_plain(item, levels - 1) for item in value.values())
        case _:  # what else kombu makes of a value that names a type, such as a decimal
            return False


def _limit(message: Any) -> TimeLimit:  # noqa: ANN401 - kombu's message
    queue = (message.delivery_info or {}).get("routing_key")
    return _DEFAULT_LIMIT if queue is None else TIME_LIMITS.get(queue, _DEFAULT_LIMIT)


def _text(given: object) -> str | None:
    return given[:_REPR_CHARS] if isinstance(given, str) else None

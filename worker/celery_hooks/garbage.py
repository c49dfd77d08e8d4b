"""Bytes in a queue that are no message: dropped and logged, where kombu's Redis transport would end the worker."""

from typing import Any

from kombu.transport import redis

from worker.telemetry.logs import get_logger

log = get_logger(__name__)

_UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""What reading a stranger's JSON, and taking an envelope of another shape apart, may raise."""


class _TolerantChannel(redis.Channel):
    def _brpop_read(self, **options: Any) -> Any:  # noqa: ANN401 - as the base class
        try:
            return super()._brpop_read(**options)  # type: ignore[misc]  # kombu's stubs leave it out
        except _UNREADABLE as error:
            log.warning("message.unreadable", reason=type(error).__name__)
            return True


def drop_garbage() -> None:
    """Make the Redis transport of this process drop what it cannot read."""
    redis.Transport.Channel = _TolerantChannel

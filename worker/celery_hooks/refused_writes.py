"""Leaves a Redis that answers but takes no writes: one that became a replica, or has no memory or disk left.

redis-py says so with an error of the command, at which kombu ends the worker, and beat stays with that server for ever.
Said as a lost connection, both connect again, where a failover may have moved the address, until a Redis takes writes.
"""

from typing import Any

import redis
from kombu.transport import redis as transport
from redis.exceptions import MasterDownError, OutOfMemoryError, ReadOnlyError, ResponseError
from redis.sentinel import SentinelManagedConnection, SentinelManagedSSLConnection

_STATES = (ReadOnlyError, OutOfMemoryError, MasterDownError)
_WORDS = ("MISCONF ", "NOREPLICAS ")


def takes_no_writes(error: ResponseError) -> bool:
    """Say whether an error speaks of the server's state and not of the command."""
    return isinstance(error, _STATES) or str(error).startswith(_WORDS)


class _Leaving:
    """A connection that is closed when its server takes no writes."""

    def read_response(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as the base class
        try:
            return super().read_response(*args, **options)  # type: ignore[misc]  # of the class beside it
        except ResponseError as error:
            if not takes_no_writes(error):
                raise
            self.disconnect()  # type: ignore[attr-defined]  # as above
            raise redis.ConnectionError(f"Redis takes no writes: {error}") from None


class _Connection(_Leaving, redis.Connection):
    pass


class _SSLConnection(_Leaving, redis.SSLConnection):
    pass


class _SentinelConnection(_Leaving, SentinelManagedConnection):
    pass


class _SentinelSSLConnection(_Leaving, SentinelManagedSSLConnection):
    pass


def leave_refusing_servers(plain: type[transport.Channel], of_sentinels: type[transport.SentinelChannel]) -> None:
    """Make channels connect in this way."""
    plain.connection_class, plain.connection_class_ssl = _Connection, _SSLConnection
    of_sentinels.connection_class, of_sentinels.connection_class_ssl = _SentinelConnection, _SentinelSSLConnection

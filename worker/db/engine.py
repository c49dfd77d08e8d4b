"""Opens the database engine and its session factories, and classifies database errors. Open it after a fork."""

import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import Any, TypeAlias, TypeVar

import psycopg2
from psycopg2 import errors
from sqlalchemy import URL, Engine, PoolProxiedConnection, QueuePool, create_engine, event, make_url
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry

from worker.db.pooler import set_parameters
from worker.db.prepared import prepare_marked
from worker.db.trouble import DatabaseTrouble, is_contention, is_crowded, trouble_of
from worker.process.interruption import at_interrupt
from worker.process.stop_flag import STOP
from worker.telemetry.logs import get_logger

T = TypeVar("T")

log = get_logger(__name__)

Sessions: TypeAlias = Callable[[], AbstractContextManager[Session]]
"""Opens one transaction: commits when the block ends normally, rolls back at an exception."""

_LIBPQ = {
    "connect_timeout": 5,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
_RESTED_S = 1.0
"""A pooled connection that was idle for this long is tested before it is used (s)."""


_FULL_SERVER_S = 0.1
"""How long a pool waits before it asks a server without room again (s)."""

_LOOK_S = 1.0
"""How often who waits for a connection looks whether the process is to stop (s)."""

_PATIENCE_S = 30.0
_STOPPING_PATIENCE_S = 5.0
"""How long a connection is waited for, in general and in a process that is to stop (s): runs hand themselves back then,
one after the other where the pool has fewer connections."""


def open_engine(url: str | URL, *, role: str = "worker", pool_size: int = 2) -> Engine:
    """Create an engine whose connections have timeouts for dead peers, locks and idle transactions.

    A pooler in transaction mode (PgBouncer) is detected: then each transaction sets the session's parameters itself,
    and nothing is prepared. See docs/decisions/0015-poolers.md.

    Args:
        url: Any `postgresql://` URL; psycopg2 is used in any case (SQLAlchemy 2.1 defaults to psycopg 3).
        role: Part of `application_name`.
        pool_size: Connections that are kept open; as many more are opened while all are in use.
    """
    engine = create_engine(
        make_url(url).set(drivername="postgresql+psycopg2"),
        poolclass=_Pool,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=_LOOK_S,
        pool_recycle=1800,
        connect_args=_LIBPQ | {"application_name": f"finmind-{role}-{os.getpid()}"},
    )
    set_parameters(engine)
    for moment in ("connect", "checkin"):
        event.listen(engine, moment, _note_use)
    event.listen(engine, "reset", _end_autocommit)
    event.listen(engine, "checkout", _ping_after_rest)
    event.listen(engine, "handle_error", _drop_read_only)
    prepare_marked(engine)
    _cancel_at_interrupt(engine)
    return engine


class _Pool(QueuePool):
    """A pool that waits while a server takes no more connections: one of ours may come free, or one of others.

    Of its own end it says what a server says of its: too many connections are in use for now.
    """

    def connect(self) -> PoolProxiedConnection:
        """Take a connection. Raises: psycopg2.errors.TooManyConnections when none comes free in time."""
        try:
            return super().connect()
        except PoolTimeoutError as error:
            raise errors.TooManyConnections("all connections of this process are in use") from error

    def _do_get(self) -> ConnectionPoolEntry:
        began_s = time.monotonic()
        while True:
            try:
                return super()._do_get()
            except PoolTimeoutError:
                if _is_waited_for(began_s):
                    continue
                raise
            except psycopg2.OperationalError as error:
                if not (is_crowded(error) and _is_waited_for(began_s)):
                    raise
            time.sleep(_FULL_SERVER_S)


def _is_waited_for(began_s: float) -> bool:
    return time.monotonic() - began_s < (_STOPPING_PATIENCE_S if STOP.is_set else _PATIENCE_S)


def _cancel_at_interrupt(engine: Engine) -> None:
    """Cancel the statements of a command at Ctrl-C: the driver waits for their end without a look at signals."""
    busy: set[Any] = set()

    def cancel() -> None:
        for connection in tuple(busy):
            with suppress(psycopg2.Error):  # it is closed already
                connection.cancel()

    if at_interrupt(cancel):
        event.listen(engine, "checkout", lambda connection, _record, _proxy: busy.add(connection))
        event.listen(engine, "checkin", lambda connection, _record: busy.discard(connection))


# SQLAlchemy's own pre-ping tests before every transaction, which takes a tenth of the time of an unchanged refresh.
def _note_use(_connection: Any, record: Any) -> None:  # noqa: ANN401 - a pool's events are not typed
    record.info["used_s"] = time.monotonic()


def _ping_after_rest(connection: Any, record: Any, _proxy: Any) -> None:  # noqa: ANN401 - a pool's events are not typed
    if time.monotonic() - record.info.get("used_s", 0.0) < _RESTED_S:
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        connection.rollback()
    except psycopg2.Error as error:
        raise DisconnectionError("the connection died while it rested") from error


# Here and not where statements were executed: an exception of a signal, such as a time limit, may come between any two
# lines. One within a reset makes the pool drop the connection; a transaction on one left so would commit by statement.
def _end_autocommit(connection: Any, _record: Any, _state: Any) -> None:  # noqa: ANN401 - a pool's events are not typed
    if connection.autocommit and not connection.closed:
        connection.autocommit = False


def open_sessions(engine: Engine) -> Sessions:
    """Return a factory of transactions: `with sessions() as session:` begins one and commits it."""
    return sessionmaker(engine, expire_on_commit=False).begin


def _drop_read_only(context: ExceptionContext) -> None:
    """Drop connections to a server that became a standby, so that the next ones look for the new primary."""
    error = context.sqlalchemy_exception
    if isinstance(error, DBAPIError) and trouble_of(error) is DatabaseTrouble.READ_ONLY:
        context.is_disconnect = True


def with_contention_retries(work: Callable[[], T], *, tries: int = 5) -> T:
    """Run a transaction, and again when it lost to another one. Raises: DBAPIError after the last try."""
    for attempt in range(1, tries):
        try:
            return work()
        except DBAPIError as error:
            if not is_contention(error):
                raise
            log.info("database.contention", attempt=attempt, reason=type(error.orig).__name__)
    return work()

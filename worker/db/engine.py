"""The engine and the session factory. Create them after a fork, never before."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, TypeAlias, TypeVar

import psycopg2
from psycopg2.errors import LockNotAvailable, QueryCanceled
from psycopg2.extensions import TransactionRollbackError
from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from worker.db.pooler import is_pooled, set_parameters
from worker.db.prepared import prepare_marked
from worker.telemetry.logs import get_logger

T = TypeVar("T")

log = get_logger(__name__)

Sessions: TypeAlias = Callable[[], AbstractContextManager[Session]]
"""Opens one transaction: commits when the block ends well, rolls back when it does not."""

_LIBPQ = {
    "connect_timeout": 5,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
_RESTED_S = 1.0
"""A pooled connection that was not used for this long is asked whether it still lives."""


def open_engine(url: str, *, role: str = "worker", pool_size: int = 2) -> Engine:
    """Create an engine whose connections notice dead peers and never hold a lock for long.

    Behind a pooler that gives every transaction another session (PgBouncer in transaction mode), which is noticed, each
    transaction sets the parameters for itself and nothing is prepared; see docs/decisions/0015-poolers.md.

    Args:
        url: any `postgresql://` form; psycopg2 is chosen whatever it says (SQLAlchemy 2.1 defaults to psycopg 3).
        role: becomes part of `application_name`.
        pool_size: connections that are kept; as many again open for a while when all are in use.
    """
    engine = create_engine(
        make_url(url).set(drivername="postgresql+psycopg2"),
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_recycle=1800,
        connect_args=_LIBPQ | {"application_name": f"finmind-{role}-{os.getpid()}"},
    )
    set_parameters(engine)
    for moment in ("connect", "checkin"):
        event.listen(engine, moment, _note_use)
    event.listen(engine, "checkout", _ping_after_rest)
    prepare_marked(engine)
    return engine


# SQLAlchemy's own pre-ping asks before every transaction: a tenth of what a refresh with nothing new costs.
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


def open_sessions(engine: Engine) -> Sessions:
    """Return the factory of transactions: `with sessions() as session:` begins one and commits it."""
    return sessionmaker(engine, expire_on_commit=False).begin


def open_statements(engine: Engine) -> Sessions:
    """Return the factory of sessions whose every statement is a transaction of its own: one round trip, not three."""
    return partial(_each_on_its_own, engine)


# SQLAlchemy's AUTOCOMMIT names the isolation level when it is over, and psycopg2 sends a SET for that each time.
@contextmanager
def _each_on_its_own(engine: Engine) -> Iterator[Session]:
    with engine.connect() as connection:
        if is_pooled(connection):
            # A statement by itself would run in a session whose parameters are not ours.
            with Session(connection, expire_on_commit=False) as session, session.begin():
                yield session
            return
        driver: Any = connection.connection.dbapi_connection
        driver.autocommit = True
        try:
            with Session(connection, expire_on_commit=False) as session:
                yield session
        finally:
            if not driver.closed:
                driver.autocommit = False


def is_contention(error: DBAPIError) -> bool:
    """Say whether the transaction gave way to another one (deadlock, lock timeout, cancelled): trying again helps."""
    return isinstance(error.orig, (TransactionRollbackError, QueryCanceled, LockNotAvailable))


def is_away(error: DBAPIError) -> bool:
    """Say whether the database went away under a statement, rather than refused it or gave way to another one.

    psycopg2 has no class of its own for a server that closed the connection: some of them are plain DatabaseErrors.
    """
    if is_contention(error):
        return False
    return isinstance(error, (OperationalError, InterfaceError)) or error.connection_invalidated


def with_contention_retries(work: Callable[[], T], *, tries: int = 5) -> T:
    """Do a transaction again that had to give way to another one. Raises: DBAPIError when it had to every time."""
    for attempt in range(1, tries):
        try:
            return work()
        except DBAPIError as error:
            if not is_contention(error):
                raise
            log.info("database.contention", attempt=attempt, reason=type(error.orig).__name__)
    return work()

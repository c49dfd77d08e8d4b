"""Finds `schema.sql` and applies it."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

from psycopg2.errors import LockNotAvailable
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from worker.db.pooler import is_pooled
from worker.errors import ConflictError
from worker.schema.compare import FINMIND

_LOCK = 0x66696E6D696E64  # "finmind": the advisory lock for applying the schema
_POLL_S = 0.2
PAUSES_S = (5.0,) * 20
"""How long writers go first after each wait for a lock that was in vain (s). An import may write for minutes."""
_OURS = re.compile(r"^\s*CREATE (?:TABLE|UNIQUE INDEX|INDEX) IF NOT EXISTS (\w+)", re.MULTILINE)
_TABLES = re.compile(r"^\s*CREATE TABLE IF NOT EXISTS (\w+)", re.MULTILINE)
_HAS_PARTITIONS = text(
    "SELECT EXISTS (SELECT FROM pg_class WHERE relkind = 'p' AND oid IN"
    " (to_regclass('webhook_events'), to_regclass('credential_audit')))"
)
_HALF_BUILT = text(
    """
    SELECT i.indexrelid::regclass::text FROM unnest(CAST(:tables AS text[])) AS name
    JOIN LATERAL (SELECT to_regclass(name) AS place UNION SELECT inhrelid FROM pg_inherits
                  WHERE inhparent = to_regclass(name)) places ON TRUE
    JOIN pg_index i ON i.indrelid = places.place JOIN pg_class c ON c.oid = i.indexrelid
    WHERE NOT i.indisvalid
      AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = i.indexrelid)
    ORDER BY c.relkind = 'i'
    """
)


def schema_sql() -> str:
    """Return the text of schema.sql: beside the package when installed, at the top of the checkout otherwise."""
    packaged = resources.files("worker") / "schema.sql"
    if packaged.is_file():
        return packaged.read_text(encoding="utf-8")
    return (Path(__file__).resolve().parents[2] / "schema.sql").read_text(encoding="utf-8")


def apply_schema(engine: Engine) -> bool:
    """Apply schema.sql in one transaction; nothing that exists is altered. False: everything was there already.

    Two callers at once are safe: the second one waits and finds the work done. A complete schema is left untouched,
    because even `CREATE INDEX IF NOT EXISTS` waits for every writer of its table.
    """
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        return create_missing(connection)


def create_missing(connection: Connection) -> bool:
    """Apply schema.sql in the caller's transaction, who holds the lock. False: everything was there already.

    Raises: ConflictError where a table is missing beside partitions, on which schema.sql cannot be applied.
    """
    partitioned = bool(connection.scalar(_HAS_PARTITIONS))
    absent = _absent(connection, (_TABLES if partitioned else _OURS).findall(schema_sql()))
    if not absent:
        return False
    if partitioned:
        raise ConflictError(f"{', '.join(absent)} cannot be created beside partitions: restore a backup")
    run_sql(connection, schema_sql())
    return True


def run_sql(connection: Connection, sql: str) -> None:
    """Run statements as they are written: a percent sign stands for itself."""
    connection.exec_driver_sql(sql, execution_options={"no_parameters": True})


def is_fresh(connection: Connection) -> bool:
    """Return whether none of the worker's own tables exist: the database is empty, or FinMind's alone."""
    own = _own_tables()
    return len(_absent(connection, own)) == len(own)


def drop_half_built_indexes(connection: Connection) -> None:
    """Drop indexes whose `CREATE INDEX CONCURRENTLY` was interrupted: `IF NOT EXISTS` would take them for whole ones.

    That of a table in partitions goes first, and those of its partitions with it. One that somebody builds at the
    moment stays.
    """
    for name in connection.scalars(_HALF_BUILT, {"tables": _own_tables()}).all():
        connection.exec_driver_sql(f"DROP INDEX IF EXISTS {name}")
    connection.commit()


def _own_tables() -> list[str]:
    return sorted(set(_TABLES.findall(schema_sql())) - FINMIND)


def patiently(connection: Connection, change: Callable[[], object]) -> None:
    """Do what changes tables. Where a writer is in the way, everybody else goes first and it is done again.

    Raises: DBAPIError when a writer stays, or anything else is wrong; the transaction is rolled back.
    """
    for pause_s in (*PAUSES_S, None):
        try:
            change()
        except DBAPIError as error:
            if not error.connection_invalidated:
                connection.rollback()
            if pause_s is None or not isinstance(error.orig, LockNotAvailable):
                raise
            time.sleep(pause_s)
        else:
            return


@contextmanager
def schema_locked(engine: Engine) -> Iterator[Connection]:
    """Yield a separate connection that holds the lock of `apply_schema` over several transactions.

    Waits for as long as another holds it. The lock is released when the connection ends.
    Raises: ConflictError behind a pooler, where session-level locks do not work.
    """
    with engine.connect() as connection, _closed_for_good(connection):
        if is_pooled(connection):
            raise ConflictError(
                "the schema is changed through a pooler: point DATABASE_URL at Postgres itself for that"
            )
        # Polled, because a statement that waits would hold up `CREATE INDEX CONCURRENTLY` of the holder.
        while not connection.scalar(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": _LOCK}):
            connection.rollback()
            time.sleep(_POLL_S)
        connection.execute(text("SET statement_timeout = 0"))  # moving many rows may take its time
        connection.commit()
        yield connection


@contextmanager
def _closed_for_good(connection: Connection) -> Iterator[None]:
    """Invalidate the connection instead of returning it to its pool, so that its locks and settings end."""
    try:
        yield
    finally:
        connection.invalidate()


def _absent(connection: Connection, names: list[str]) -> list[str]:
    """Return those tables and indexes that the database lacks."""
    query = text("SELECT name FROM unnest(CAST(:names AS text[])) AS name WHERE to_regclass(name) IS NULL")
    return list(connection.scalars(query, {"names": names}))

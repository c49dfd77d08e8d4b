"""Executes single statements, each a transaction of its own, by the driver itself.

A refresh with nothing new is three short statements. What SQLAlchemy does around one, for any statement in any state of
a session, takes three times as long as sending it and reading its row (docs/decisions/0016-what-quiet-runs-cost.md).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import cache, partial
from typing import Any, TypeAlias

import psycopg2
from sqlalchemy import Connection, Engine, TextClause
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from worker.db.pooler import is_pooled
from worker.db.prepared import execute_by_name
from worker.db.trouble import DatabaseTrouble, trouble_of

Statements: TypeAlias = Callable[[], AbstractContextManager[Session | Connection]]
"""Opens what executes statements that need no transaction around them; one that opens a transaction will do, too."""


def open_statements(engine: Engine) -> Statements:
    """Return a factory of autocommit connections, which save the round trips of BEGIN and COMMIT."""
    return partial(_each_on_its_own, engine)


# SQLAlchemy's own AUTOCOMMIT resets the isolation level at the end, for which psycopg2 sends a SET each time. The pool
# ends ours (`worker.db.engine`).
@contextmanager
def _each_on_its_own(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection:
        if is_pooled(connection):
            # Behind a pooler a statement alone would run in a session without our parameters.
            with connection.begin():
                yield connection
            return
        driver: Any = connection.connection.dbapi_connection
        driver.autocommit = True
        yield connection


def first_row(
    connection: Session | Connection, statement: TextClause, values: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Execute a statement that is marked to be prepared, and return its first row; None without one.

    Args:
        connection: Of `open_statements`; a session, or a connection behind a pooler, executes it as any other.
        values: Its parameters as the driver knows them: what is JSON comes as text.

    Raises: DBAPIError, of the class that SQLAlchemy has for it.
    """
    if isinstance(connection, Session) or is_pooled(connection):
        row = connection.execute(statement, values).mappings().first()
        return None if row is None else dict(row)
    driver: Any = connection.connection.dbapi_connection
    with driver.cursor() as cursor:
        try:
            execute_by_name(cursor, _as_sent(statement), values, connection.info)
        except psycopg2.Error as error:
            raise _as_sqlalchemy(connection, error) from error
        found = cursor.fetchone()
        return None if found is None else dict(zip([column[0] for column in cursor.description], found, strict=True))


@cache
def _as_sent(statement: TextClause) -> str:
    """Return the statement with the driver's placeholders; each is a constant of a module."""
    return str(statement.compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]  # none of its dialects is typed


def _as_sqlalchemy(connection: Connection, error: Any) -> DBAPIError:  # noqa: ANN401 - of the driver
    """Return what SQLAlchemy raises for an error of the driver, and drop the connection if it is of no more use."""
    is_lost = connection.dialect.is_disconnect(error, connection.connection.dbapi_connection, None)
    told: DBAPIError = DBAPIError.instance(
        None, None, error, psycopg2.Error, connection_invalidated=is_lost, dialect=connection.dialect
    )
    if is_lost or trouble_of(told) is DatabaseTrouble.READ_ONLY:
        connection.invalidate(error)
    return told

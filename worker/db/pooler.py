"""The parameters of a session, also behind a pooler that gives every transaction another session.

Such a pooler (PgBouncer in transaction mode) is noticed; see docs/decisions/0015-poolers.md.
"""

from typing import Any

from sqlalchemy import Connection, Engine, event

_PARAMETERS = {
    "statement_timeout": "120s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "60s",
    "timezone": "UTC",
}
"""Parameters of every session. Not startup options: PgBouncer refuses those it does not know."""

_POOLED = "pooled"
_SET_LOCAL = "; ".join(f"SET LOCAL {name} = '{value}'" for name, value in _PARAMETERS.items())
_LOCAL = "pg_backend_pid() <> %(told)s"
_SET = ", ".join(f"set_config('{name}', '{value}', {_LOCAL})" for name, value in _PARAMETERS.items())
_NOTICE_AND_SET = f"SELECT {_LOCAL}, {_SET}"


def set_parameters(engine: Engine) -> None:
    """Have every session of the engine, or behind a pooler every transaction, run with our parameters."""
    event.listen(engine, "connect", _notice_and_set)
    event.listen(engine, "begin", _set_local)


def is_pooled(connection: Connection) -> bool:
    """Say whether a pooler stands between this connection and the sessions of Postgres."""
    return bool((connection.connection.record_info or {}).get(_POOLED))


def _notice_and_set(connection: Any, record: Any) -> None:  # noqa: ANN401 - a pool's events are not typed
    """Set the parameters for the session, or for this transaction alone behind a pooler.

    A pooler tells the driver a process id of its own making, because the session may be another one each time.
    """
    with connection.cursor() as cursor:
        cursor.execute(_NOTICE_AND_SET, {"told": connection.info.backend_pid})
        record.record_info[_POOLED] = cursor.fetchone()[0]
    connection.commit()


def _set_local(connection: Connection) -> None:
    if is_pooled(connection):
        connection.exec_driver_sql(_SET_LOCAL)

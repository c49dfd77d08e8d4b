"""Sets the parameters of sessions, also behind a pooler in transaction mode (PgBouncer), which it detects.

See docs/decisions/0015-poolers.md.
"""

from typing import Any

from sqlalchemy import Connection, Engine, event

_PARAMETERS = {
    "statement_timeout": "120s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "60s",
    "timezone": "UTC",
}
"""Parameters of every session. They are not startup options, because PgBouncer refuses unknown ones."""

_POOLED = "pooled"
_SET_LOCAL = "; ".join(f"SET LOCAL {name} = '{value}'" for name, value in _PARAMETERS.items())
_LOCAL = "pg_backend_pid() <> %(driver_pid)s"
_SET = ", ".join(f"set_config('{name}', '{value}', {_LOCAL})" for name, value in _PARAMETERS.items())
_DETECT_AND_SET = f"SELECT {_LOCAL}, {_SET}"


def set_parameters(engine: Engine) -> None:
    """Set our parameters in every session of the engine, or behind a pooler in every transaction."""
    event.listen(engine, "connect", _detect_and_set)
    event.listen(engine, "begin", _set_local)


def is_pooled(connection: Connection) -> bool:
    """Say whether this connection goes through a pooler in transaction mode."""
    return bool((connection.connection.record_info or {}).get(_POOLED))


def _detect_and_set(connection: Any, record: Any) -> None:  # noqa: ANN401 - a pool's events are not typed
    """Set the parameters for the session, or behind a pooler for this transaction only.

    A pooler reports a process id of its own to the driver, which differs from that of the Postgres session.
    """
    with connection.cursor() as cursor:
        cursor.execute(_DETECT_AND_SET, {"driver_pid": connection.info.backend_pid})
        record.record_info[_POOLED] = cursor.fetchone()[0]
    connection.commit()


def _set_local(connection: Connection) -> None:
    if is_pooled(connection):
        connection.exec_driver_sql(_SET_LOCAL)

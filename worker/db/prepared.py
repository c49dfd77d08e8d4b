"""Prepared statements: Postgres plans them once per connection, which for small ones takes longer than executing them.

docs/decisions/0014-prepared-statements.md states why psycopg2 does not do it, and the limits with poolers.
"""

import re
from itertools import count
from typing import Any

from sqlalchemy import Engine, TextClause, event, text

from worker.db.pooler import is_pooled

NO_DISK_WAIT = "no_disk_wait AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))"
"""A common table expression that makes the transaction commit without waiting for the disk.

Contract: the statement names `no_disk_wait` in a FROM list, because Postgres does not evaluate an expression that
nothing reads. A crash of Postgres may lose the transaction, so it is only for work that is then repeated.
"""

_NEXT = "\n;\n"  # between statements of one round trip
_PLACEHOLDER = re.compile(r"%\((\w+)\)s|%%")


def prepared(*statements: str) -> TextClause:
    """Return a statement that is marked to be prepared; without `prepare_marked` an engine executes it as usual.

    Several statements are sent in one round trip, as one transaction where the session has none, and each sees what
    was committed before it began; the rows are those of the last one. Postgres has to know the type of every
    parameter, so CAST one that stands alone.
    """
    return text(_NEXT.join(statements)).execution_options(prepared=True)


def prepare_marked(engine: Engine) -> None:
    """Make connections prepare a marked statement at its first use and execute it by name, except behind a pooler."""
    event.listen(engine, "do_execute", _execute)


def _execute(cursor: Any, statement: str, parameters: Any, context: Any) -> bool:  # noqa: ANN401 - of the driver
    """Execute a marked statement; return False for any other."""
    if not context.execution_options.get("prepared") or is_pooled(context.root_connection):
        return False
    execute_by_name(cursor, statement, parameters, context.root_connection.info)
    return True


def execute_by_name(cursor: Any, statement: str, parameters: Any, info: dict[Any, Any]) -> None:  # noqa: ANN401 - of the driver
    """Execute a statement by the driver, prepared at its first use on a connection.

    Args:
        statement: With the driver's placeholders.
        info: What is kept with the connection.
    """
    calls: dict[str, str] = info.setdefault("prepared", {})
    if statement not in calls:
        # No name twice: Postgres keeps what it prepared, also where a later part fails, such as behind a lock.
        numbers = info.setdefault("prepared_numbers", count())
        parts = statement.split(_NEXT)
        calls[statement] = ";".join(_prepare(cursor, f"finmind_{next(numbers)}", sql) for sql in parts)
    cursor.execute(calls[statement], parameters)


def _prepare(cursor: Any, name: str, statement: str) -> str:  # noqa: ANN401 - of the driver
    """Prepare the statement, and return the EXECUTE with the same parameters."""
    places: dict[str, int] = {}

    def numbered(found: re.Match[str]) -> str:
        return f"${places.setdefault(found[1], len(places) + 1)}" if found[1] else "%"

    body = _PLACEHOLDER.sub(numbered, statement)
    cursor.execute(f"PREPARE {name} AS {body}")
    return f"EXECUTE {name}({', '.join(f'%({parameter})s' for parameter in places)})" if places else f"EXECUTE {name}"

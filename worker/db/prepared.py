"""Statements that Postgres plans once per connection: for the small ones of every run, planning costs more than doing.

Why by hand, and what speaks against poolers: docs/decisions/0014-prepared-statements.md.
"""

import re
from typing import Any

from sqlalchemy import Engine, TextClause, event, text

from worker.db.pooler import is_pooled

NO_DISK_WAIT = "no_disk_wait AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))"
"""A common table expression that commits its transaction without waiting for the disk.

Contract: the statement names `no_disk_wait` in a FROM list that it evaluates, because Postgres skips an expression that
nothing reads. A crash of Postgres may forget the transaction, so it is only for work that is then done again.
"""

_PLACEHOLDER = re.compile(r"%\((\w+)\)s|%%")


def prepared(sql: str) -> TextClause:
    """Return a marked statement; connections of an engine without `prepare_marked` execute it like any other.

    Postgres must be able to tell the type of every parameter: CAST one that stands alone.
    """
    return text(sql).execution_options(prepared=True)


def prepare_marked(engine: Engine) -> None:
    """Have connections prepare a marked statement at first use and execute it by name; not behind a pooler."""
    event.listen(engine, "do_execute", _execute)


def _execute(cursor: Any, statement: str, parameters: Any, context: Any) -> bool:  # noqa: ANN401 - of the driver
    """Execute a marked statement; what is returned says whether that was done."""
    if not context.execution_options.get("prepared") or is_pooled(context.root_connection):
        return False
    calls: dict[str, str] = context.root_connection.info.setdefault("prepared", {})
    if statement not in calls:
        calls[statement] = _prepare(cursor, f"finmind_{len(calls)}", statement)
    cursor.execute(calls[statement], parameters)
    return True


def _prepare(cursor: Any, name: str, statement: str) -> str:  # noqa: ANN401 - of the driver
    """Prepare the statement and return what executes it with the same parameters."""
    places: dict[str, int] = {}

    def numbered(found: re.Match[str]) -> str:
        return f"${places.setdefault(found[1], len(places) + 1)}" if found[1] else "%"

    body = _PLACEHOLDER.sub(numbered, statement)
    cursor.execute(f"PREPARE {name} AS {body}")
    return f"EXECUTE {name}({', '.join(f'%({parameter})s' for parameter in places)})" if places else f"EXECUTE {name}"

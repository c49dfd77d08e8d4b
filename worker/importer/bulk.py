"""Bulk statements on the session's own connection: COPY in, VALUES lists, ids ahead of time."""

import io
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import Any

from psycopg2.extras import execute_values
from sqlalchemy import text
from sqlalchemy.orm import Session

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_PAGE_ROWS = 1000


def next_ids(session: Session, table: str, count: int) -> list[int]:
    """Take ids from a table's sequence, so that rows can refer to each other before they are written."""
    if not count:
        return []
    return list(
        session.execute(
            text("SELECT nextval(pg_get_serial_sequence(:table, 'id')) FROM generate_series(1, :count)"),
            {"table": table, "count": count},
        ).scalars()
    )


def copy(session: Session, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """COPY rows into a table. Values: None, str (and its subclasses), bytes, numbers, dates, UUIDs."""
    buffer = io.StringIO()
    buffer.writelines("\t".join(map(_field, row)) + "\n" for row in rows)
    if not buffer.tell():
        return
    buffer.seek(0)
    with _driver_connection(session).cursor() as cursor:
        cursor.copy_expert(f"COPY {table} ({', '.join(columns)}) FROM STDIN", buffer)


def insert_values(session: Session, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """INSERT many rows, leaving out those that are there already."""
    if rows:
        run_values(
            session,
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES %s ON CONFLICT DO NOTHING",  # noqa: S608 - constant names
            rows,
        )


def run_values(session: Session, statement: str, rows: Sequence[Sequence[Any]]) -> None:
    """Run a statement whose `%s` stands for a VALUES list, in pages."""
    with _driver_connection(session).cursor() as cursor:
        execute_values(cursor, statement, rows, page_size=_PAGE_ROWS)


def _driver_connection(session: Session) -> Any:  # noqa: ANN401 - psycopg2's own connection
    return session.connection().connection.driver_connection


def _field(value: Any) -> str:  # noqa: ANN401 - any column's value
    return _FORMATS.get(type(value), _text)(value)


def _text(value: Any) -> str:  # noqa: ANN401 - str and its subclasses, numbers, UUIDs
    return str(value).translate(_ESCAPES)


def _plain(value: str) -> str:
    if value.isprintable() and "\\" not in value:
        return value
    return value.replace("\0", "").translate(_ESCAPES)


_FORMATS: dict[type, Callable[[Any], str]] = {
    type(None): lambda _: "\\N",
    str: _plain,
    bytes: lambda value: "\\\\x" + value.hex(),
    int: str,
    date: date.isoformat,
}

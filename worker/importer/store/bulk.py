"""Executes bulk statements on the session's own connection: COPY, VALUES lists, and ids taken from a sequence."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import IO, Any

from psycopg2.extras import execute_values
from sqlalchemy import text
from sqlalchemy.orm import Session

_PART_ROWS = 250
_CSV: dict[str, Any] = {"lineterminator": "\n"}
_TEXT: dict[str, Any] = {
    "delimiter": "\t", "quoting": csv.QUOTE_NONE, "quotechar": None, "escapechar": "\\", "lineterminator": "\n",
}  # fmt: skip
"""COPY's text format as options of Python's csv: tabs, no quotes, a backslash before special characters."""

_PAGE_ROWS = 1000


def next_ids(session: Session, table: str, count: int) -> list[int]:
    """Take ids from a table's sequence, so that rows can refer to each other before they are written."""
    if not count:
        return []
    sequence = session.execute(text("SELECT pg_get_serial_sequence(:table, 'id')"), {"table": table}).scalar_one()
    with _driver_connection(session).cursor() as cursor:
        cursor.execute("SELECT nextval(%s::regclass) FROM generate_series(1, %s)", (sequence, count))
        return [row[0] for row in cursor.fetchall()]


def copy(
    session: Session, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, texts: Sequence[str] = ()
) -> None:
    """COPY rows into a table; bytes have to be given as `hexed`.

    An empty text is NULL, except in the columns of `texts`. Those make the server read CSV, which takes a sixth
    longer than its text format.
    """
    how = f"FORMAT csv, FORCE_NOT_NULL ({', '.join(texts)})" if texts else "FORMAT text, NULL ''"
    lines = _Lines(rows, _CSV if texts else _TEXT)
    with _driver_connection(session).cursor() as cursor:
        cursor.copy_expert(f"COPY {table} ({', '.join(columns)}) FROM STDIN WITH ({how})", lines)


class _Lines:
    """Rows as a file, written while it is read: the server takes in one part while the next is made."""

    def __init__(self, rows: Iterable[Sequence[Any]], dialect: dict[str, Any]) -> None:
        self._rows = iter(rows)
        self._dialect = dialect

    def read(self, _size: int = -1) -> str:
        """Return the next part, empty at the end."""
        buffer = io.StringIO(newline="")
        csv.writer(buffer, **self._dialect).writerows(islice(self._rows, _PART_ROWS))
        return buffer.getvalue()


def hexed(value: bytes) -> str:
    """Return bytes as Postgres reads them."""
    return "\\x" + value.hex()


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


def copy_out(session: Session, query: str, values: Mapping[str, Any], file: IO[bytes]) -> None:
    """Write the rows of a query with `%(name)s` parameters into a file, for `copy_back`."""
    with _driver_connection(session).cursor() as cursor:
        bound = cursor.mogrify(query, values).decode()
        cursor.copy_expert(f"COPY ({bound}) TO STDOUT", file)
    file.seek(0)


def copy_back(session: Session, table: str, columns: Sequence[str], file: IO[bytes]) -> None:
    """Write what `copy_out` read into these columns of a table."""
    with _driver_connection(session).cursor() as cursor:
        cursor.copy_expert(f"COPY {table} ({', '.join(columns)}) FROM STDIN", file)

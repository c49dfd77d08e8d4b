"""Bulk statements on the session's own connection: COPY in, VALUES lists, ids ahead of time."""

import csv
import io
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from psycopg2.extras import execute_values
from sqlalchemy import text
from sqlalchemy.orm import Session

_PART_ROWS = 250
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


def copy(
    session: Session, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, texts: Sequence[str] = ()
) -> None:
    """COPY rows into a table; bytes have to be given as `hexed`.

    texts: columns in which an empty text stays a text; in all others it is NULL.
    """
    lines = _CsvStream(rows)
    options = f", FORCE_NOT_NULL ({', '.join(texts)})" if texts else ""
    with _driver_connection(session).cursor() as cursor:
        cursor.copy_expert(f"COPY {table} ({', '.join(columns)}) FROM STDIN WITH (FORMAT csv{options})", lines)


class _CsvStream:
    """Rows as a file of CSV, written while it is read: the server takes in one part while the next is made."""

    def __init__(self, rows: Iterable[Sequence[Any]]) -> None:
        self._rows = iter(rows)

    def read(self, _size: int = -1) -> str:
        """Return the next part, empty at the end."""
        buffer = io.StringIO(newline="")
        csv.writer(buffer).writerows(islice(self._rows, _PART_ROWS))
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

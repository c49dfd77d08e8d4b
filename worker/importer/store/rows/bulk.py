"""Executes bulk statements on the session's own connection: COPY, VALUES lists, and ids taken from a sequence."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import lru_cache
from itertools import islice
from typing import IO, Any

from psycopg2.extras import execute_values
from sqlalchemy.orm import Session

_COPIED_ROWS = 250
"""How many rows are written out for COPY at a time, while the server takes in those before."""

_BACKSLASH = "\0"
"""Stands for the backslashes that COPY's format needs until a part is known to hold no other; Postgres has no NUL."""

_NULL = _BACKSLASH + "N"
_SPECIAL = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})

_PAGE_ROWS = 1000
"""How many rows one statement with a VALUES list holds."""


def array_text(values: Iterable[int | str | Decimal | None]) -> str:
    """Return ids, amounts, or plain words, as Postgres reads an array: bind it as `CAST(:ids AS bigint[])`.

    The driver writes a list into the statement value by value, and 20,000 of them take longer to parse than to update.
    """
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"


def arrays(rows: Collection[Any], **attributes: str) -> dict[str, str]:
    """Return an attribute of all rows as an array, by the names of a statement's parameters."""
    return {name: array_text(getattr(row, attribute) for row in rows) for name, attribute in attributes.items()}


def next_ids(session: Session, table: str, count: int) -> list[int]:
    """Take ids from a table's sequence, so that rows can refer to each other before they are written."""
    if not count:
        return []
    # The sequence is looked up once: `OFFSET 0` keeps Postgres from doing it for every id.
    statement = """SELECT nextval(s.id) FROM (SELECT pg_get_serial_sequence(%s, 'id')::regclass AS id OFFSET 0) s
        CROSS JOIN generate_series(1, %s)"""
    with _driver_connection(session).cursor() as cursor:
        cursor.execute(statement, (table, count))
        return [row[0] for row in cursor.fetchall()]


def copy(session: Session, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """COPY rows into a table, in the server's text format."""
    with _driver_connection(session).cursor() as cursor:
        cursor.copy_expert(f"COPY {table} ({', '.join(columns)}) FROM STDIN", _Lines(rows))


class _Lines:
    """Rows as a file, written while it is read: the server takes in one part while the next is made."""

    def __init__(self, rows: Iterable[Sequence[Any]]) -> None:
        self._rows = iter(rows)

    def read(self, _size: int = -1) -> str:
        """Return the next part, empty at the end."""
        return copied_rows(list(islice(self._rows, _COPIED_ROWS)))


def copied_rows(rows: Sequence[Sequence[Any]]) -> str:
    """Return rows in the text format of COPY.

    Characters that mean something in it are rare: they are looked for in all rows at once, and only rows among which
    there is one are escaped value by value. Python's csv writer took more than twice as long.
    """
    written = [
        [
            value if (kind := value.__class__) is str else _NULL if value is None else _TEXT_OF.get(kind, str)(value)
            for value in row
        ]
        for row in rows
    ]
    text = "".join(["\t".join(values) + "\n" for values in written])
    tabs = sum(map(len, rows)) - len(rows)
    if "\\" in text or "\r" in text or text.count("\n") != len(rows) or text.count("\t") != tabs:
        text = "".join(["\t".join([value.translate(_SPECIAL) for value in values]) + "\n" for values in written])
    return text.replace(_BACKSLASH, "\\")


def _hexed(value: bytes) -> str:
    return f"{_BACKSLASH}{_BACKSLASH}x{value.hex()}"


_TEXT_OF: Mapping[type, Callable[[Any], str]] = {
    bytes: _hexed,
    date: lru_cache(maxsize=4096)(date.isoformat),  # five of every row, and the same ones in many
}
"""How values are written that `str` does not write as Postgres reads them, or slowly."""


def insert_values(
    session: Session,
    table: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    on_conflict: str = "ON CONFLICT DO NOTHING",
) -> None:
    """INSERT many rows; those that are there already are left out, unless `on_conflict` says otherwise."""
    if rows:
        run_values(session, f"INSERT INTO {table} ({', '.join(columns)}) VALUES %s {on_conflict}", rows)  # noqa: S608 - constants


def run_values(session: Session, statement: str, rows: Sequence[Sequence[Any]]) -> None:
    """Execute a statement in pages; its `%s` is replaced by a VALUES list."""
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

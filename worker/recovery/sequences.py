"""Sequences that are behind the ids in their tables: the next row would collide."""

from collections.abc import Iterator

from psycopg2.errors import InsufficientPrivilege
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

_SEQUENCES = text(
    """
    SELECT s.oid::regclass::text AS sequence, t.oid::regclass::text AS table_name, quote_ident(a.attname) AS column_name
    FROM pg_class s JOIN pg_depend d ON d.objid = s.oid AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
    JOIN pg_class t ON t.oid = d.refobjid JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
    WHERE s.relkind = 'S' AND s.relnamespace = current_schema()::regnamespace ORDER BY 2
    """
)
_SET = text("SELECT setval(CAST(:sequence AS regclass), :highest)")


def sequences_behind(session: Session, *, mend: bool) -> Iterator[str]:
    """Set every sequence that is behind to the highest id; yield a sentence for each.

    Args:
        session: A transaction; setting a sequence is not taken back with it.
        mend: False only looks.
    """
    for row in session.execute(_SEQUENCES).all():
        try:
            with session.begin_nested():
                sentence = _look(session, row.sequence, row.table_name, row.column_name, mend=mend)
        except ProgrammingError as error:
            if not isinstance(error.orig, InsufficientPrivilege):
                raise
            # Somebody else's table, such as FinMind's: looked at only with the rights for it.
            continue
        if sentence:
            yield sentence


def _look(session: Session, sequence: str, table: str, column: str, *, mend: bool) -> str | None:
    highest = session.scalar(text(f"SELECT max({column}) FROM {table}"))  # noqa: S608 - names of the catalog, quoted
    last, called = session.execute(text(f"SELECT last_value, is_called FROM {sequence}")).one()  # noqa: S608
    if highest is None or highest < last or (highest == last and called):
        return None
    if mend:
        session.execute(_SET, {"sequence": sequence, "highest": highest})
    return f"the sequence of {table}.{column} stood at {last}, below the id {highest}; it goes on after it"

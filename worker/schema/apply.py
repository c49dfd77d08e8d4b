"""Where `schema.sql` is, and how it is applied."""

import re
from importlib import resources
from pathlib import Path

from sqlalchemy import Connection, Engine, text

_LOCK = 0x66696E6D696E64  # "finmind": the advisory lock of everybody who applies the schema
_OURS = re.compile(r"^\s*CREATE (?:TABLE|UNIQUE INDEX|INDEX) IF NOT EXISTS (\w+)", re.MULTILINE)


def schema_sql() -> str:
    """Return the text of schema.sql: beside the package when installed, at the top of the checkout otherwise."""
    packaged = resources.files("worker") / "schema.sql"
    if packaged.is_file():
        return packaged.read_text(encoding="utf-8")
    return (Path(__file__).resolve().parents[2] / "schema.sql").read_text(encoding="utf-8")


def apply_schema(engine: Engine) -> bool:
    """Apply schema.sql in one transaction; nothing that exists is altered. False: everything was there already.

    Two callers at once are safe: the second one waits and finds the work done. A complete schema is left untouched,
    because even `CREATE INDEX IF NOT EXISTS` waits for every writer of its table.
    """
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        if not _missing(connection):
            return False
        connection.exec_driver_sql(schema_sql())
    return True


def _missing(connection: Connection) -> list[str]:
    """Return the tables and indexes of ours that the database lacks."""
    query = text("SELECT name FROM unnest(CAST(:names AS text[])) AS name WHERE to_regclass(name) IS NULL")
    return list(connection.scalars(query, {"names": _OURS.findall(schema_sql())}))

"""Searches the database for identifying values of a user, in every text and JSON column of every table.

Rows of other users are theirs, also where they hold the same, and are not read: a search of a million people's rows
would take days. What is left of somebody is in rows that nobody owns.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.personal_data.personal_tables import TABLES, whose

SHORTEST = 8
"""Shorter values are not looked for: `12345678` names an account, `1234` is in every second row."""
_MOST = 200
"""Values per kind that are looked for; a person with more rows is found by the newest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Rows of one column that hold a value of the person.

    Attributes:
        rows: How many.
    """

    table: str
    column: str
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What was looked for, and where.

    Attributes:
        values: How many values.
        columns: How many columns were searched.
        unreadable: Columns that this connection may not read, such as password hashes.
        traces: What was found.
    """

    values: int
    columns: int
    unreadable: tuple[str, ...] = ()
    traces: tuple[Trace, ...] = ()


_VALUES = {
    "bank_connections": ("display_name", "login_ref"),
    "bank_accounts": ("name", "unnest(anchors)"),
    "bank_connection_accounts": ("external_id", "anchor", "name", "unnest(former_external_ids)"),
    "bank_transactions": ("external_id", "description", "counterparty_account", "reference"),
    "bank_link_attempts": ("provider_ref",),
    "webhook_subscriptions": ("url",),
}


# The name of a bank, or of a server of one's own, identifies a person when nobody else has it.
_OWN_BANKS = text(
    f"""SELECT name FROM bank_connections c, unnest(ARRAY[c.outage_scope, c.institution_name]) AS name
    WHERE c.user_id = :user_id AND name <> '' AND NOT EXISTS (
      SELECT FROM bank_connections o WHERE o.user_id <> :user_id AND name IN (o.outage_scope, o.institution_name))
    LIMIT {_MOST}"""  # noqa: S608 - a constant
)


def identifying_values(session: Session, user_id: int) -> list[str]:
    """Return what identifies the person in the database, before it is erased: addresses, names, numbers, texts.

    Random ids, such as that of a connection, are not looked for: they identify nobody once their rows are gone.
    """
    found: set[str] = set()
    if _may_read(session, "users", "email"):
        found |= set(session.scalars(text("SELECT email FROM users WHERE id = :user_id"), {"user_id": user_id}))
    for table, columns in _VALUES.items():
        for column in columns:
            query = text(
                f"SELECT {column} FROM {table} WHERE {whose(table)} ORDER BY created_at DESC LIMIT {_MOST}"  # noqa: S608 - constants
            )
            found |= {value for value in session.scalars(query, {"user_id": user_id}) if value}
    found |= set(session.scalars(_OWN_BANKS, {"user_id": user_id}))
    return sorted(value for value in found if len(value) >= SHORTEST)


_COLUMNS = text(
    """
    SELECT c.relname AS table_name, a.attname AS column_name,
      has_column_privilege(c.oid, a.attnum, 'SELECT') AS readable,
      EXISTS (SELECT FROM pg_attribute o WHERE o.attrelid = c.oid AND o.attname = 'user_id' AND NOT o.attisdropped
              AND has_column_privilege(c.oid, o.attnum, 'SELECT')) AS has_user
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
      AND a.atttypid IN ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype, 'json'::regtype, 'jsonb'::regtype,
        'text[]'::regtype, 'varchar[]'::regtype, 'xml'::regtype)
    ORDER BY 1, 2
    """
)


def search(session: Session, values: Sequence[str], *, user_id: int) -> Search:
    """Look for the values in every text and JSON column of every table, in rows of the person and of nobody."""
    session.execute(text("SET LOCAL statement_timeout = 0"))
    found = session.execute(_COLUMNS).all()
    patterns = sorted({f"%{_literal(form)}%" for value in values for form in (value, json.dumps(value)[1:-1])})
    traces: list[Trace] = []
    for table, group in groupby((row for row in found if row.readable), key=lambda row: row.table_name):
        columns = list(group)
        searched = _condition(table, has_user=columns[0].has_user)
        if patterns:
            traces += _search_table(session, table, [row.column_name for row in columns], patterns, searched, user_id)
    return Search(
        values=len(values),
        columns=sum(row.readable for row in found),
        unreadable=tuple(f"{row.table_name}.{row.column_name}" for row in found if not row.readable),
        traces=tuple(traces),
    )


def _search_table(
    session: Session, table: str, columns: Sequence[str], patterns: Sequence[str], searched: str, user_id: int
) -> list[Trace]:
    hits = [f'"{name}"::text LIKE ANY(CAST(:patterns AS text[]))' for name in columns]
    counts = ", ".join(f"count(*) FILTER (WHERE {hit})" for hit in hits)
    asked = {"patterns": list(patterns)} | ({"user_id": user_id} if ":user_id" in searched else {})
    row = session.execute(text(f'SELECT {counts} FROM "{table}" WHERE {searched}'), asked).one()  # noqa: S608 - names of the catalog
    return [Trace(table=table, column=column, rows=rows) for column, rows in zip(columns, row, strict=True) if rows]


def _condition(table: str, *, has_user: bool) -> str:
    """Return the condition of rows that belong to no other user; a table that says nothing of users belongs to none."""
    if has_user:
        return "(user_id = :user_id OR user_id IS NULL)"
    if table == "users":
        return "id = :user_id"
    if table in {known.name for known in TABLES}:
        return whose(table)
    return "true"


def _may_read(session: Session, table: str, column: str) -> bool:
    asked = text("SELECT has_column_privilege(:table, :column, 'SELECT')")
    return bool(session.scalar(asked, {"table": table, "column": column}))


def _literal(value: str) -> str:
    return value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")

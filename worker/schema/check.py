"""Compares schema.sql, the models and a database through Postgres; changes no stored data."""

import re
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, MetaData, text

from worker.schema.apply import run_sql, schema_sql
from worker.schema.catalog import Catalog, CatalogTable, read_catalog
from worker.schema.compare import differences, exact_differences
from worker.schema.partitions import Form, PartitionGroup, partition_states, run_partition_steps

_FUNCTIONS = re.compile(r"^CREATE OR REPLACE FUNCTION \w+\(\) RETURNS uuid .*?^\$\$;", re.MULTILINE | re.DOTALL)


def check_schema(engine: Engine, metadata: MetaData) -> list[str]:
    """Compare the database and the models with schema.sql; return every difference as a sentence, none when all agree.

    Needs the right to create a schema: a scratch one is made and rolled back. FinMind's own tables may hold more than
    ours know of.
    """
    expected = _expected(engine, schema_sql())
    return _database_differences(engine, schema_sql(), expected) + _model_differences(engine, metadata, expected)


def database_differences(engine: Engine, sql: str) -> list[str]:
    """Compare the database alone with what `sql`, a version of schema.sql, describes."""
    return _database_differences(engine, sql, _expected(engine, sql))


def check_models(engine: Engine, metadata: MetaData) -> list[str]:
    """Compare the models with schema.sql, in any database: their columns and keys, both ways."""
    return _model_differences(engine, metadata, _expected(engine, schema_sql()))


def _database_differences(engine: Engine, sql: str, expected: Catalog) -> list[str]:
    """Compare the database with what is expected; where it has partitions, with what `sql` becomes in their steps."""
    with engine.connect() as connection:
        partitioned = [state.group for state in partition_states(connection) if state.form is Form.PARTITIONED]
        actual = read_catalog(connection, connection.scalar(text("SELECT current_schema()")) or "public")
        connection.rollback()
    if partitioned:
        expected = _expected(engine, sql, partitioned)
    return differences(expected, actual, found_name="the database")


def _model_differences(engine: Engine, metadata: MetaData, expected: Catalog) -> list[str]:
    described = _catalog_of(engine, lambda connection: _create_models(connection, metadata))
    return exact_differences(_columns_and_keys(expected), _columns_and_keys(described), found_name="the models")


def _columns_and_keys(catalog: Catalog) -> Catalog:
    """Return what models describe of tables: rules, indexes, triggers and names of keys stand in schema.sql alone."""
    return Catalog(
        tables={
            name: CatalogTable(columns=table.columns, constraints={key: key for key in _keys(table)})
            for name, table in catalog.tables.items()
        }
    )


def _keys(table: CatalogTable) -> list[str]:
    return [rule for rule in table.constraints.values() if rule.startswith(("PRIMARY KEY", "FOREIGN KEY"))]


def _create_models(connection: Connection, metadata: MetaData) -> None:
    for function in _FUNCTIONS.findall(schema_sql()):  # the models use them in defaults and do not define them
        connection.exec_driver_sql(function)
    metadata.create_all(connection)


def _expected(engine: Engine, sql: str, partitioned: Collection[PartitionGroup] = ()) -> Catalog:
    def create(connection: Connection) -> None:
        run_sql(connection, sql)
        for group in partitioned:
            run_partition_steps(connection, group)

    return _catalog_of(engine, create)


def _catalog_of(engine: Engine, create: Callable[[Connection], object]) -> Catalog:
    with _scratch_schema(engine) as (connection, schema):
        create(connection)
        return read_catalog(connection, schema)


@contextmanager
def _scratch_schema(engine: Engine) -> Iterator[tuple[Connection, str]]:
    """Give a schema of its own inside a transaction that is rolled back."""
    schema = f"finmind_check_{uuid.uuid4().hex[:12]}"
    with engine.connect() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
        connection.execute(text(f"SET LOCAL search_path TO {schema}"))
        try:
            yield connection, schema
        finally:
            connection.rollback()

"""Applying schema.sql: on nothing, on itself, by two at once, and on a database that FinMind already lives in."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, text

from worker.db.engine import open_engine
from worker.models import Base
from worker.schema.apply import apply_schema, run_sql, schema_sql
from worker.schema.catalog import CatalogTable, read_catalog
from worker.schema.check import check_schema


def _tables(engine: Engine) -> Mapping[str, CatalogTable]:
    with engine.connect() as connection:
        return read_catalog(connection, "public").tables


def _rows(engine: Engine, tables: list[str]) -> dict[str, list[str]]:
    with engine.connect() as connection:
        return {
            table: list(connection.scalars(text(f"SELECT t::text || xmin FROM {table} t ORDER BY 1")))
            for table in tables
        }


def test_an_empty_database_gets_everything(empty_engine: Engine) -> None:
    assert apply_schema(empty_engine)
    assert check_schema(empty_engine, Base.metadata) == []


def test_applying_again_changes_nothing(engine: Engine) -> None:
    before = _tables(engine)
    assert not apply_schema(engine)
    with engine.begin() as connection:
        run_sql(connection, schema_sql())  # also when the short cut is not taken
    assert _tables(engine) == before


def test_what_is_missing_comes_back(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("DROP INDEX idx_bank_connections_ready"))
    assert apply_schema(engine)
    assert check_schema(engine, Base.metadata) == []


def test_a_finmind_database_with_rows_is_extended_and_never_altered(finmind_engine: Engine) -> None:
    before = _tables(finmind_engine)
    rows = _rows(finmind_engine, list(before))
    assert apply_schema(finmind_engine)
    after = _tables(finmind_engine)
    assert {name: after[name] for name in before} == before
    assert _rows(finmind_engine, list(before)) == rows
    assert check_schema(finmind_engine, Base.metadata) == []


def test_two_starts_at_once_are_safe(empty_database_url: str) -> None:
    engines = [open_engine(empty_database_url, role="test") for _ in range(4)]
    with ThreadPoolExecutor(len(engines)) as pool:
        outcomes = list(pool.map(apply_schema, engines))
    assert sorted(outcomes) == [False, False, False, True]
    assert check_schema(engines[0], Base.metadata) == []
    for engine in engines:
        engine.dispose()


def test_a_complete_schema_is_applied_while_rows_are_being_written(engine: Engine, user_id: int) -> None:
    with engine.connect() as writer:
        writer.execute(
            text("INSERT INTO expenses (user_id, amount, notes) VALUES (:user_id, 1, 'open')"), {"user_id": user_id}
        )
        assert not apply_schema(engine)
        writer.rollback()


@pytest.mark.parametrize("table", ["expenses", "users"])
def test_rows_in_finminds_shape_can_be_written_afterwards(finmind_engine: Engine, table: str) -> None:
    apply_schema(finmind_engine)
    values = {
        "users": "(email, password_hash) VALUES ('cy@example.test', 'z')",
        "expenses": "(user_id, amount, notes, spent_at) VALUES (2, 5, 'Tea', '2026-11-01')",
    }
    with finmind_engine.begin() as connection:
        connection.execute(text(f"INSERT INTO {table} {values[table]}"))

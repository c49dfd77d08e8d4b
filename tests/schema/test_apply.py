"""Applying schema.sql: on nothing, on itself, and on a database that FinMind already lives in."""

from sqlalchemy import Engine

from worker.schema import apply_schema


def test_applying_the_schema_again_changes_nothing(engine: Engine) -> None:
    apply_schema(engine)
    apply_schema(engine)

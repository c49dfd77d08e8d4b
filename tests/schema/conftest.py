"""Databases that are not the worker's own: an empty one, and one that FinMind lives in."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from worker.db.engine import open_engine

FINMIND_SQL = Path(__file__).parent / "data" / "finmind.sql"

RELEASED = "r0032"
"""The newest revision of the last release."""


@pytest.fixture
def empty_engine(empty_database_url: str) -> Iterator[Engine]:
    engine = open_engine(empty_database_url, role="test")
    yield engine
    engine.dispose()


@pytest.fixture
def finmind_engine(empty_engine: Engine) -> Engine:
    with empty_engine.begin() as connection:
        connection.exec_driver_sql(FINMIND_SQL.read_text())
    return empty_engine

"""Ids follow time and stay unguessable, whoever makes them: Python or Postgres."""

import time
import uuid

from sqlalchemy import text

from worker.db.uuid7 import uuid7


def milliseconds(of: uuid.UUID) -> int:
    return of.int >> 80


def test_an_id_is_of_version_7_and_begins_with_the_moment():
    before = time.time_ns() // 1_000_000
    made = uuid7()
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert before <= milliseconds(made) <= time.time_ns() // 1_000_000


def test_ids_of_one_moment_differ():
    assert len({uuid7() for _ in range(10_000)}) == 10_000


def test_postgres_makes_them_of_the_same_form(engine):
    before = time.time_ns() // 1_000_000
    with engine.connect() as connection:
        ids = connection.scalars(text("SELECT finmind_uuid7() FROM generate_series(1, 1000)")).all()
    assert {(one.version, one.variant) for one in ids} == {(7, uuid.RFC_4122)}
    assert len(set(ids)) == 1000
    assert all(before - 1 <= milliseconds(one) <= time.time_ns() // 1_000_000 + 1 for one in ids)

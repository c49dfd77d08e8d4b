"""Connections that die: replaced while they rest, named for what they are under a statement."""

import psycopg2
import pytest
from psycopg2 import errors
from sqlalchemy import Engine, text
from sqlalchemy.exc import DatabaseError, DBAPIError, IntegrityError, InterfaceError, OperationalError

from worker.db import engine as pool
from worker.db.engine import open_engine, with_contention_retries
from worker.db.trouble import is_away, is_contention

TERMINATE = text("SELECT pg_terminate_backend(:pid)")
PID = text("SELECT pg_backend_pid()")


@pytest.fixture
def pooled(engine: Engine):
    opened = open_engine(engine.url.render_as_string(hide_password=False), role="pool-test", pool_size=1)
    yield opened
    opened.dispose()


def end(engine: Engine, pid: int) -> None:
    with engine.begin() as connection:
        assert connection.execute(TERMINATE, {"pid": pid}).scalar()


def test_a_connection_that_died_while_it_rested_is_replaced_unseen(engine, pooled, monkeypatch):
    monkeypatch.setattr(pool, "_RESTED_S", 0.0)
    with pooled.begin() as connection:
        pid = connection.execute(PID).scalar_one()
    end(engine, pid)
    with pooled.begin() as connection:
        assert connection.execute(PID).scalar_one() != pid


def test_a_connection_that_dies_in_use_is_an_error_that_says_away_and_the_next_is_good(engine, pooled):
    with pooled.connect() as connection:
        end(engine, connection.execute(PID).scalar_one())
        with pytest.raises(DBAPIError) as caught:
            connection.execute(PID)
    assert is_away(caught.value)
    with pooled.begin() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1


@pytest.mark.parametrize(
    ("kind", "invalidated", "away"),
    [
        (OperationalError, False, True),
        (InterfaceError, False, True),
        (DatabaseError, True, True),  # `server closed the connection unexpectedly`
        (DatabaseError, False, False),
        (IntegrityError, False, False),
    ],
)
def test_what_counts_as_away(kind, invalidated, away):
    assert is_away(kind("SELECT 1", {}, psycopg2.DatabaseError("x"), connection_invalidated=invalidated)) is away


@pytest.mark.parametrize("cause", [errors.DeadlockDetected, errors.LockNotAvailable, errors.QueryCanceled])
def test_a_transaction_that_gave_way_to_another_is_contention_and_not_an_absent_database(cause):
    error = OperationalError("SELECT 1", {}, cause("x"))
    assert is_contention(error)
    assert not is_away(error)


def test_a_transaction_that_gave_way_is_done_again():
    raised = [OperationalError("SELECT 1", {}, errors.DeadlockDetected("x")) for _ in range(2)]

    def work() -> str:
        if raised:
            raise raised.pop()
        return "done"

    assert with_contention_retries(work) == "done"

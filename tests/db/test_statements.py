"""Statements that are transactions of their own, on the connections that transactions use too."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError

from worker.db.engine import open_engine, open_sessions
from worker.db.prepared import prepared
from worker.db.statements import first_row, open_statements
from worker.db.trouble import is_away

_PUT = text("INSERT INTO kept VALUES (:number)")
_ALL = text("SELECT coalesce(array_agg(number ORDER BY number), '{}') FROM kept")
_BACKEND = text("SELECT pg_backend_pid()")
_PUT_MARKED = prepared(
    "INSERT INTO kept VALUES (CAST(:number AS integer)) RETURNING number, pg_backend_pid() AS backend"
)
_NONE = prepared("SELECT number FROM kept WHERE number = CAST(:number AS integer)")
_END_SESSION = prepared("SELECT pg_terminate_backend(pg_backend_pid())")


@pytest.fixture
def engine(database_url):
    engine = open_engine(database_url, pool_size=1)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE kept (number integer PRIMARY KEY)"))
    yield engine
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE kept"))
    engine.dispose()


@pytest.fixture
def kept(engine):
    other = open_sessions(engine)

    def numbers():
        with other() as session:
            return session.scalar(_ALL)

    return numbers


def put_and_fail(opened, number):
    with opened() as session:
        session.execute(_PUT, {"number": number})
        raise ZeroDivisionError


def test_a_statement_is_there_for_others_at_once_and_outlives_an_error_after_it(engine, kept):
    statements = open_statements(engine)
    with statements() as session:
        session.execute(_PUT, {"number": 1})
        assert kept() == [1]
        with pytest.raises(IntegrityError):
            session.execute(_PUT, {"number": 1})
    with pytest.raises(ZeroDivisionError):
        put_and_fail(statements, 2)
    assert kept() == [1, 2]


def test_a_transaction_on_the_same_connection_is_one_again(engine, kept):
    with open_statements(engine)() as session:
        backend = session.scalar(_BACKEND)
    with pytest.raises(ZeroDivisionError):
        put_and_fail(open_sessions(engine), 3)
    with open_sessions(engine)() as session:
        assert session.scalar(_BACKEND) == backend
    assert kept() == []


def test_a_transaction_is_one_also_where_a_signal_kept_the_end_of_autocommit_from_running(engine, kept):
    with engine.connect() as connection:
        connection.connection.dbapi_connection.autocommit = True
    with pytest.raises(ZeroDivisionError):
        put_and_fail(open_sessions(engine), 3)
    assert kept() == []


def test_a_connection_that_dies_under_a_statement_is_replaced(engine, kept):
    statements = open_statements(engine)
    with pytest.raises(OperationalError), statements() as session:
        session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    with statements() as session:
        session.execute(_PUT, {"number": 4})
    assert kept() == [4]


def test_the_driver_alone_says_of_a_marked_statement_what_a_session_says(engine, kept):
    statements, told = open_statements(engine), []
    for opened in (open_sessions(engine), statements):
        with opened() as connection:
            put = first_row(connection, _PUT_MARKED, {"number": len(told)})
            told.append((put, first_row(connection, _NONE, {"number": 9})))
    assert told == [({"number": number, "backend": told[0][0]["backend"]}, None) for number in (0, 1)]
    for opened in (open_sessions(engine), statements):
        with pytest.raises(IntegrityError, match="kept_pkey"), opened() as connection:
            first_row(connection, _PUT_MARKED, {"number": 0})
        with opened() as connection:
            assert connection.scalar(text("SELECT count(*) FROM pg_prepared_statements")) == 2
    assert kept() == [0, 1]


def test_a_connection_that_dies_under_a_marked_statement_is_replaced(engine, kept):
    statements = open_statements(engine)
    with pytest.raises(OperationalError) as died, statements() as connection:
        first_row(connection, _END_SESSION, {})
    assert is_away(died.value)
    with statements() as connection:
        first_row(connection, _PUT_MARKED, {"number": 4})
    assert kept() == [4]

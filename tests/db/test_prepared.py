"""Statements that are prepared once per connection, and what happens where they are not."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DataError, OperationalError, ProgrammingError

from tests.waiting import until
from worker.db.engine import open_engine, open_sessions
from worker.db.prepared import NO_DISK_WAIT, prepared

_MARKED = prepared("SELECT CAST(:number AS integer) + :number AS doubled, 7 % 4 AS rest, CAST(:word AS text) AS word")
_PLAN_COUNT = text("SELECT count(*), coalesce(sum(generic_plans + custom_plans), 0) FROM pg_prepared_statements")


@pytest.fixture
def open_with(database_url):
    engines = []

    def opened(**options):
        engines.append(open_engine(database_url, **options))
        return open_sessions(engines[-1])

    yield opened
    for engine in engines:
        engine.dispose()


def ask(session, number=21, word="50 % of it's"):
    return tuple(session.execute(_MARKED, {"number": number, "word": word}).one())


def test_a_marked_statement_is_prepared_once_and_executed_by_name(open_with):
    sessions = open_with()
    with sessions() as session:
        assert [ask(session, number) for number in (1, 2)] == [(2, 3, "50 % of it's"), (4, 3, "50 % of it's")]
    with sessions() as session:
        assert ask(session, 3, None) == (6, 3, None)
        assert tuple(session.execute(_PLAN_COUNT).one()) == (1, 3)


def test_a_statement_that_failed_or_was_rolled_back_stays_prepared(open_with):
    sessions = open_with()
    with pytest.raises(DataError), sessions() as session:
        ask(session, 2**31 - 1)
    with sessions() as session:
        assert ask(session)[0] == 42
        assert session.execute(_PLAN_COUNT).one()[0] == 1


def test_a_statement_of_which_only_a_part_could_be_prepared_is_prepared_anew(open_with):
    sessions = open_with(pool_size=1)
    two = prepared("SELECT 1", "SELECT count(*) FROM there_later")
    for _ in range(2):
        with pytest.raises(ProgrammingError, match="UndefinedTable"), sessions() as session:
            session.execute(two)
    with sessions() as session:
        session.execute(text("CREATE TEMP TABLE there_later ()"))
        assert session.scalar(two) == 0


def test_statements_of_one_round_trip_each_see_what_was_committed_before_they_began(open_with):
    sessions = open_with()
    number = 7
    locked = prepared(
        "SELECT pg_advisory_xact_lock(CAST(:number AS int), 7 % 4)",
        "SELECT count(*) AS rows, CAST(:number AS int) AS number FROM seen_by_both",
    )
    with sessions() as session:
        session.execute(text("CREATE TABLE seen_by_both (id int)"))
    with ThreadPoolExecutor(1) as threads:
        with sessions() as session:
            session.execute(text("INSERT INTO seen_by_both VALUES (1)"))
            session.execute(text("SELECT pg_advisory_xact_lock(:number, 3)"), {"number": number})

            def counted():
                with sessions() as other:
                    return [tuple(other.execute(locked, {"number": number}).one()) for _ in range(2)]

            late = threads.submit(counted)
            with sessions() as watching:
                until(lambda: watching.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")))
        assert late.result(timeout=20) == [(1, number)] * 2


def test_a_new_connection_prepares_anew(open_with):
    sessions = open_with(pool_size=1)
    with sessions() as session:
        ask(session)
    with pytest.raises(OperationalError), sessions() as session:
        session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    with sessions() as session:
        assert ask(session)[0] == 42


def test_a_statement_that_does_not_wait_for_the_disk_says_so_for_its_own_transaction_only(open_with):
    sessions = open_with()
    setting = text("SELECT current_setting('synchronous_commit')")
    with sessions() as session:
        before = session.scalar(setting)
        session.execute(text(f"WITH {NO_DISK_WAIT} SELECT 1 FROM no_disk_wait"))
        assert session.scalar(setting) == "off"
    with sessions() as session:
        assert session.scalar(setting) == before

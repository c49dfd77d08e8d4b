"""What goes wrong in Postgres is told apart, by a real server wherever it can be made to go wrong so."""

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from psycopg2 import errors
from sqlalchemy import Engine, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError

from tests.conftest import maintain
from worker.cli.failures import explain
from worker.db import engine as pool
from worker.db.engine import open_engine
from worker.db.trouble import PASSING, SQLSTATES, DatabaseTrouble, trouble_of
from worker.process.stop_flag import STOP


def trouble_with(work: Callable[[], object]) -> DatabaseTrouble:
    with pytest.raises(DBAPIError) as failed:
        work()
    return trouble_of(failed.value)


def run(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


@contextmanager
def holding(engine: Engine, statement: str) -> Iterator[None]:
    """Keep a transaction open that has run a statement."""
    with engine.connect() as connection:
        connection.execute(text(statement))
        yield
        connection.rollback()


def test_a_lock_that_is_not_given_in_time_and_a_cancelled_statement_are_contention(engine: Engine) -> None:
    with holding(engine, "LOCK TABLE users"):
        late = trouble_with(lambda: run(engine, "SET LOCAL lock_timeout = '20ms'", "SELECT count(*) FROM users"))
    slow = trouble_with(lambda: run(engine, "SET LOCAL statement_timeout = '20ms'", "SELECT pg_sleep(5)"))
    assert (late, slow) == (DatabaseTrouble.CONTENTION, DatabaseTrouble.CONTENTION)


@pytest.mark.parametrize("patience", ["_PATIENCE_S", "_STOPPING_PATIENCE_S"])
def test_a_pool_whose_connections_are_all_in_use_is_crowded_also_for_who_is_to_stop(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, patience: str
) -> None:
    limits = {"_LOOK_S": 0.01, "_PATIENCE_S": 600.0, "_STOPPING_PATIENCE_S": 600.0, patience: 0.0}
    for name, limit_s in limits.items():
        monkeypatch.setattr(pool, name, limit_s)
    small = open_engine(engine.url, pool_size=1)
    with small.connect(), small.connect():
        if patience == "_STOPPING_PATIENCE_S":
            STOP.set()
        try:
            assert trouble_with(lambda: run(small, "SELECT 1")) is DatabaseTrouble.CROWDED
        finally:
            STOP.clear()
    run(small, "SELECT 1")
    small.dispose()


@pytest.mark.parametrize(
    ("path", "trouble"),
    [
        ("base/pgsql_tmp/pgsql_tmp1539.0", DatabaseTrouble.MEMORY),
        ("pg_tblspc/17627/PG_18_202506291/pgsql_tmp/pgsql_tmp1539.1", DatabaseTrouble.MEMORY),
        ("base/16384/2619", DatabaseTrouble.FULL),
    ],
)
def test_a_disk_that_a_statement_fills_with_files_of_its_own_is_no_trouble_of_all(
    path: str, trouble: DatabaseTrouble
) -> None:
    full = errors.DiskFull(f'could not write to file "{path}": No space left on device')
    assert trouble_of(OperationalError("SELECT", {}, full)) is trouble


def test_a_deadlock_is_contention(engine: Engine) -> None:
    met, seen = threading.Barrier(2), []

    def take(first: int, second: int) -> None:
        try:
            with engine.begin() as connection:
                connection.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": first})
                met.wait(10)
                connection.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": second})
        except DBAPIError as error:
            seen.append(trouble_of(error))

    threads = [threading.Thread(target=take, args=pair) for pair in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [DatabaseTrouble.CONTENTION]


def test_a_serialization_failure_is_contention(engine: Engine, user_id: int) -> None:
    def read_then_write() -> None:
        with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
            connection.execute(text("SELECT role FROM users"))
            run(engine, "UPDATE users SET role = 'ADMIN'")
            connection.execute(text("UPDATE users SET role = 'USER' WHERE id = :id"), {"id": user_id})

    assert trouble_with(read_then_write) is DatabaseTrouble.CONTENTION


def test_a_session_that_was_terminated_is_away(engine: Engine) -> None:
    def end_itself() -> None:
        run(engine, "SELECT pg_terminate_backend(pg_backend_pid())")

    assert trouble_with(end_itself) is DatabaseTrouble.AWAY
    run(engine, "SELECT 1")


def test_a_standby_is_told_apart_and_its_connections_are_dropped(engine: Engine, database_url: str) -> None:
    name = make_url(database_url).database
    run(engine, "SELECT 1")
    maintain(database_url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with open_engine(database_url, role="test").connect() as connection:
        pid = connection.scalar(text("SELECT pg_backend_pid()"))
        with pytest.raises(DBAPIError) as refused:
            connection.execute(text("INSERT INTO worker_heartbeats (component) VALUES ('x')"))
        assert trouble_of(refused.value) is DatabaseTrouble.READ_ONLY
        assert refused.value.connection_invalidated
        connection.rollback()
        assert connection.scalar(text("SELECT pg_backend_pid()")) != pid


@pytest.fixture
def plain_login(postgres_url: str, database_url: str) -> Iterator[str]:
    """The address of a user who is no superuser."""
    name = f"plain_{uuid.uuid4().hex[:8]}"
    maintain(postgres_url, f"CREATE ROLE {name} LOGIN")
    yield make_url(database_url).set(username=name).render_as_string(hide_password=False)
    maintain(postgres_url, f"DROP ROLE {name}")


def test_a_server_that_takes_no_more_connections_is_crowded(
    plain_login: str, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = make_url(plain_login).database
    engine = open_engine(plain_login, role="test")
    monkeypatch.setattr(pool, "_PATIENCE_S", 0.0)
    maintain(postgres_url, f"ALTER DATABASE {database} CONNECTION LIMIT 0")
    assert trouble_with(engine.connect) is DatabaseTrouble.CROWDED
    engine.dispose()


def test_who_finds_no_room_at_a_server_gets_the_connection_that_comes_free(
    plain_login: str, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_engine(plain_login, role="test")
    first = engine.connect()
    maintain(postgres_url, f"ALTER DATABASE {make_url(plain_login).database} CONNECTION LIMIT 0")
    monkeypatch.setattr(pool, "time", SimpleNamespace(monotonic=time.monotonic, sleep=lambda _s: first.close()))
    with engine.connect() as second:
        assert second.scalar(text("SELECT 1")) == 1
    engine.dispose()


def test_what_may_not_be_is_forbidden_and_what_is_not_there_is_absent(plain_login: str) -> None:
    engine = open_engine(plain_login, role="test")
    assert trouble_with(lambda: run(engine, "SELECT count(*) FROM users")) is DatabaseTrouble.FORBIDDEN
    assert trouble_with(lambda: run(engine, "SELECT count(*) FROM nothing")) is DatabaseTrouble.ABSENT
    assert trouble_with(lambda: run(engine, "SELECT nothing FROM pg_class")) is DatabaseTrouble.ABSENT
    assert trouble_with(lambda: run(engine, "SELECT 1 / 0")) is DatabaseTrouble.OTHER
    engine.dispose()


def test_a_database_or_a_user_that_does_not_exist_is_refused_and_no_server_is_away(database_url: str) -> None:
    url = make_url(database_url)
    for wrong in (url.set(database="nowhere"), url.set(username="nobody_at_all")):
        engine = open_engine(wrong, role="test")
        assert trouble_with(engine.connect) is DatabaseTrouble.REFUSED
    nobody_there = open_engine("postgresql://x@127.0.0.1:1/x", role="test")
    assert trouble_with(nobody_there.connect) is DatabaseTrouble.AWAY


@pytest.mark.parametrize(
    ("words", "trouble"),
    [
        ('connection to server at "x" failed: FATAL:  sorry, too many clients already', "crowded"),
        ("FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute", "crowded"),
        ('FATAL:  too many connections for role "finmind"', "crowded"),
        ("FATAL:  the database system is starting up", "starting"),
        ("FATAL:  the database system is shutting down", "starting"),
        ("FATAL:  the database system is in recovery mode", "starting"),
        ("FATAL:  the database system is not yet accepting connections\nDETAIL:  Consistent recovery", "starting"),
        ("connection to server failed: session is read-only", "read_only"),
        ('FATAL:  password authentication failed for user "finmind"', "refused"),
        ("fe_sendauth: no password supplied", "refused"),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.1", user "x"', "refused"),
        ('could not translate host name "db" to address: Name or service not known', "away"),
        ("server closed the connection unexpectedly", "away"),
        ("SSL SYSCALL error: EOF detected", "away"),
        ("eine Meldung in einer anderen Sprache", "away"),
    ],
)
def test_a_server_that_does_not_let_in_says_why_in_words(words: str, trouble: str) -> None:
    error = OperationalError("SELECT 1", None, Exception(words))
    assert trouble_of(error).value == trouble


def test_every_trouble_has_a_sentence_for_a_command_unless_it_is_a_defect() -> None:
    class FailedError(Exception):
        def __init__(self, code: str) -> None:
            super().__init__("said by the server")
            self.pgcode = code

    for code, trouble in SQLSTATES.items():
        failure = explain(DBAPIError("SELECT 1", None, FailedError(code.ljust(5, "0"))))
        assert "unexpected" not in failure.message, code
        assert "said by the server" not in failure.message
        assert failure.hint
        assert trouble in PASSING or trouble.value in ("contention", "forbidden", "absent")
    assert "unexpected" in explain(DBAPIError("SELECT 1", None, FailedError("22012"))).message

"""Real servers for all tests: one Postgres and one Redis per test process, one fresh database per test."""

import gc
import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import TypeAlias

import pytest
import structlog
from hypothesis import HealthCheck, settings
from sqlalchemy import Engine, event, make_url, text
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2
from sqlalchemy.util import LRUCache

from tests import roles
from tests.assets import is_there
from worker.connectors import registry
from worker.db.engine import Sessions, open_engine, open_sessions
from worker.local.postgres import EmbeddedPostgres
from worker.local.redis import EmbeddedRedis
from worker.schema.apply import apply_schema
from worker.schema.roles import apply_roles

pytest_plugins = ["tests.browser"]

# A file system in memory. Making a database, which thousands of tests do, takes a tenth of the time there.
IN_MEMORY = Path("/dev/shm")
ROOM_BYTES = 4 * 2**30

CreateDatabase: TypeAlias = Callable[[str, str], AbstractContextManager[str]]
"""Makes a database: its kind, which begins its name, and its template."""


def pytest_configure() -> None:
    """Print tracebacks as Python does; without a set-up structlog draws every local of every frame, for a minute."""
    console = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], console])
    # How long an example takes says how busy the machine is.
    settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("untimed")
    gc.disable()  # until all tests are there: two fifths of the time to import and make them
    compile_statements_once()
    look_for_packages_once()
    if "TMPDIR" not in os.environ and IN_MEMORY.is_dir() and shutil.disk_usage(IN_MEMORY).free > ROOM_BYTES:
        os.environ["TMPDIR"] = str(IN_MEMORY)
        tempfile.tempdir = None  # asks for TMPDIR anew


def compile_statements_once() -> None:
    """Let all engines of a test process share what SQLAlchemy compiled, for each test opens engines of its own.

    All are on one server, so that their dialects, which are part of a statement's key, differ in nothing.
    """
    shared = LRUCache(10_000)
    PGDialect_psycopg2.__eq__ = lambda one, other: type(one) is type(other)
    PGDialect_psycopg2.__hash__ = lambda dialect: hash(type(dialect))
    event.listen(Engine, "engine_connect", lambda connection: connection.execution_options(compiled_cache=shared))


def look_for_packages_once() -> None:
    """Let registries share what is installed on one search path: each test opens some, and to look takes 50 ms."""
    found = cache(lambda _path: entry_points())
    registry.entry_points = lambda: found(tuple(sys.path))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin the longest tests first, and leave out what reads files that are not here, or has no roles to run with."""
    config.hook.pytest_deselected(items=[item for item in items if not is_there(item)])
    items[:] = [item for item in items if is_there(item)]
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
    left_out = pytest.mark.skip(reason="has tables, log-ins or a Postgres of its own")
    for item in items:
        if roles.wanted() and roles.is_left_out(item.path):
            item.add_marker(left_out)


def pytest_collection_finish() -> None:
    """Look for garbage from now on, but not among modules and tests, which stay to the end."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The maintenance database of a Postgres server that lives as long as the test process."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="finmind-test-", ignore_cleanup_errors=True) as directory:
        Path(directory).chmod(0o755)  # as root the server runs as a system user of its own
        server = EmbeddedPostgres(Path(directory) / "postgres", durable=False)
        try:
            yield server.url
        finally:
            server.stop()


def maintain(url: str, *statements: str) -> None:
    """Run statements outside of any transaction, such as CREATE DATABASE."""
    engine = open_engine(url, role="test")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def named(url: str, database: str) -> str:
    """Return the address of another database of the same server."""
    return make_url(url).set(database=database).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def create_database(postgres_url: str) -> Iterator[CreateDatabase]:
    """Make databases of a template over one connection that stays open.

    Each is dropped when the next one is made: right at the end of a test its sessions are still about to leave, and
    Postgres looks for them again after a tenth of a second.
    """
    # Without a flush to disk it is cheaper to copy files than to write each page to the log.
    strategy = "" if "TEST_DATABASE_URL" in os.environ else "STRATEGY FILE_COPY"
    engine = open_engine(postgres_url, role="test")
    outside = engine.execution_options(isolation_level="AUTOCOMMIT")
    left: list[str] = []

    def run(statement: str) -> None:
        with outside.connect() as connection:
            connection.execute(text(statement))

    def drop_left() -> None:
        while left:
            run(f"DROP DATABASE {left.pop()} WITH (FORCE)")

    @contextmanager
    def create(kind: str, template: str) -> Iterator[str]:
        drop_left()
        name = f"{kind}_{uuid.uuid4().hex[:12]}"
        run(f"CREATE DATABASE {name} TEMPLATE {template} {strategy}")
        yield named(postgres_url, name)
        left.append(name)

    yield create
    drop_left()
    engine.dispose()


@pytest.fixture(scope="session")
def template_database(postgres_url: str) -> str:
    """A database with the schema applied, cloned for every test."""
    name = f"template_{uuid.uuid4().hex[:8]}"
    maintain(postgres_url, f"CREATE DATABASE {name}")
    engine = open_engine(named(postgres_url, name), role="test")
    apply_schema(engine)
    if roles.wanted():
        apply_roles(engine, [])
    engine.dispose()
    if roles.wanted():
        roles.act_as_roles()
    return name


@pytest.fixture
def database_url(create_database: CreateDatabase, template_database: str) -> Iterator[str]:
    """A fresh database with the whole schema."""
    with create_database("test", template_database) as url:
        yield url


@pytest.fixture
def empty_database_url(create_database: CreateDatabase) -> Iterator[str]:
    """A database that holds nothing."""
    with create_database("empty", "template1") as url:
        yield url


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on the fresh database."""
    engine = open_engine(database_url, role="test")
    yield engine
    engine.dispose()


@pytest.fixture
def sessions(engine: Engine) -> Sessions:
    """The factory of transactions on the fresh database."""
    return open_sessions(engine)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[EmbeddedRedis]:
    """A Redis server that lives as long as the test process."""
    with tempfile.TemporaryDirectory(prefix="finmind-test-") as directory:
        server = EmbeddedRedis(Path(directory))
        yield server
        server.stop()


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis) -> str:
    """An empty Redis."""
    import redis

    with redis.Redis.from_url(redis_server.url) as client:
        client.flushall()
    return redis_server.url


@pytest.fixture
def user_id(sessions: Sessions) -> int:
    """A FinMind user whose currency is EUR."""
    with sessions() as session:
        return session.execute(
            text(
                "INSERT INTO users (email, password_hash, preferred_currency)"
                " VALUES ('ada@example.test', 'x', 'EUR') RETURNING id"
            )
        ).scalar_one()

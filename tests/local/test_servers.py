"""The embedded servers: data that stays, doors that are closed, and nobody left behind."""

import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg2
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.waiting import until
from worker.errors import ConfigurationError
from worker.local import postgres as postgres_module
from worker.local import redis as redis_module
from worker.local import system_accounts
from worker.local.postgres import EmbeddedPostgres
from worker.local.redis import EmbeddedRedis, free_port
from worker.local.system_accounts import SystemAccount, can_reach, reachable_home

pytestmark = pytest.mark.processes

PARENT = """
import sys, pathlib
from worker.local.postgres import EmbeddedPostgres
from worker.local.redis import EmbeddedRedis
home = pathlib.Path(sys.argv[1])
print(EmbeddedPostgres(home / "postgres").process.pid, EmbeddedRedis(home / "redis").pid, flush=True)
sys.stdin.read()
"""


def _query(url: str, statement: str) -> list[tuple[object, ...]]:
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def test_postgres_finds_its_data_after_a_restart(home: Path) -> None:
    first = EmbeddedPostgres(home / "postgres")
    url = first.ensure_database("finmind")
    _query(url, "CREATE TABLE kept AS SELECT 42 AS answer")
    first.stop()
    second = EmbeddedPostgres(home / "postgres")
    try:
        assert second.ensure_database("finmind") == url
        assert _query(url, "SELECT answer FROM kept") == [(42,)]
    finally:
        second.stop()


def test_redis_finds_its_data_and_its_address_after_a_restart(home: Path) -> None:
    first = EmbeddedRedis(home / "redis")
    with redis.Redis.from_url(first.url) as client:
        client.set("kept", "yes")
    first.stop()
    second = EmbeddedRedis(home / "redis")
    try:
        assert second.url == first.url
        with redis.Redis.from_url(second.url) as client:
            assert client.get("kept") == b"yes"
    finally:
        second.stop()


def test_a_killed_parent_leaves_no_server_behind(home: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert len(pids) == 2
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    until(lambda: not any(psutil.pid_exists(pid) for pid in pids))


def test_a_server_that_outlived_its_parent_is_replaced(home: Path) -> None:
    orphans = EmbeddedPostgres(home / "postgres"), EmbeddedRedis(home / "redis")
    _query(orphans[0].url, "CREATE TABLE kept AS SELECT 42 AS answer")
    heirs = EmbeddedPostgres(home / "postgres"), EmbeddedRedis(home / "redis")
    try:
        assert all(orphan.process.poll() is not None for orphan in orphans)
        assert _query(heirs[0].url, "SELECT answer FROM kept") == [(42,)]
        with redis.Redis.from_url(heirs[1].url) as client:
            assert client.ping()
    finally:
        for heir in heirs:
            heir.stop()


def test_a_process_that_got_the_number_of_an_old_server_is_left_alone(home: Path) -> None:
    (home / "redis").mkdir()
    (home / "redis" / "redis.pid").write_text(f"{os.getpid()}\n")
    server = EmbeddedRedis(home / "redis")
    server.stop()


def test_postgres_listens_on_no_port_and_its_door_is_private(home: Path) -> None:
    server = EmbeddedPostgres(home / "postgres")
    try:
        assert psutil.Process(server.process.pid).net_connections(kind="inet") == []
        assert stat.S_IMODE((home / "postgres").stat().st_mode) == 0o700
        assert stat.S_IMODE((home / "postgres" / ".s.PGSQL.5432").stat().st_mode) == 0o700
    finally:
        server.stop()


def test_redis_listens_on_loopback_alone_and_asks_for_its_password(home: Path) -> None:
    server = EmbeddedRedis(home / "redis")
    try:
        listening = psutil.Process(server.pid).net_connections(kind="inet")
        assert {connection.laddr.ip for connection in listening} == {"127.0.0.1"}
        with (
            redis.Redis(port=server.port, retry=Retry(NoBackoff(), 0)) as client,
            pytest.raises(redis.AuthenticationError),
        ):
            client.ping()
        password = home / "redis" / "password"
        assert stat.S_IMODE(password.stat().st_mode) == 0o600
        assert password.read_text().strip() not in " ".join(psutil.Process(server.pid).cmdline())
    finally:
        server.stop()


def test_a_long_path_does_not_stop_postgres(home: Path) -> None:
    server = EmbeddedPostgres(home / ("a-long-name-" * 10) / "postgres", durable=False)
    try:
        assert _query(server.url, "SELECT 1") == [(1,)]
    finally:
        server.stop()


def test_a_socket_folder_that_somebody_else_made_first_is_refused(home: Path) -> None:
    data = home / "data"
    data.mkdir()
    os.chown(data, os.getuid(), os.getgid())
    stranger = SystemAccount(name="stranger", uid=os.getuid() + 12345, gid=1)
    with pytest.raises(ConfigurationError, match="belongs to somebody else"):
        postgres_module._own_directory(data, stranger)


def test_the_reason_why_postgres_cannot_be_made_is_said_and_not_only_how_it_cleaned_up(home: Path, monkeypatch) -> None:
    programs = home / "programs"
    programs.mkdir()
    initdb = programs / "initdb"
    said = (
        "... 2026-11-30 FATAL:  no space left on device",
        "HINT:  Check it",
        "PANIC:  too late",
        "Aborted",
        "exit 134",
    )
    initdb.write_text("#!/bin/sh\n" + "".join(f"echo '{line}'\n" for line in (*said, "initdb: removing")) + "exit 1\n")
    initdb.chmod(0o755)
    monkeypatch.setattr(postgres_module, "_programs", lambda *_: programs)
    with pytest.raises(ConfigurationError, match="initialised: FATAL:  no space left on device; PANIC:  too late"):
        EmbeddedPostgres(home / "postgres")


def test_a_port_in_use_is_said_plainly(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"did not start on port {port}"):
            EmbeddedRedis(home / "redis", port=port)
        with pytest.raises(OSError, match="in use"):
            free_port(port)


@pytest.mark.parametrize(
    ("start", "module", "words"),
    [
        (EmbeddedPostgres, postgres_module, "no embedded Postgres: install finmind-worker"),
        (EmbeddedRedis, redis_module, "apt install redis-server"),
    ],
    ids=["postgres", "redis"],
)
def test_a_missing_server_is_named_with_what_to_install(home: Path, monkeypatch, start, module, words: str) -> None:
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ConfigurationError, match=words):
        start(home / "server")


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "through"),
    [
        (0o700, 0, 0, False),
        (0o711, 0, 0, True),
        (0o710, 0, 77, True),
        (0o701, 0, 77, False),
        (0o600, 77, 0, False),
        (0o700, 77, 0, True),
    ],
)
def test_who_gets_through_a_folder(mode: int, uid: int, gid: int, through: bool) -> None:  # noqa: FBT001
    status = os.stat_result((stat.S_IFDIR | mode, 0, 0, 1, uid, gid, 0, 0, 0, 0))
    assert system_accounts._lets_through(SystemAccount(name="x", uid=77, gid=77), status) is through


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a private home that servers cannot enter")
def test_below_a_private_folder_root_keeps_the_data_elsewhere_and_opens_nothing_up(home: Path, monkeypatch) -> None:
    private = home / "private"
    private.mkdir(mode=0o700)
    monkeypatch.setattr(system_accounts, "_ROOTS_OWN", home / "own")
    server = EmbeddedPostgres(private / "state" / "postgres", durable=False)
    try:
        assert _query(server.url, "SELECT 1") == [(1,)]
        assert [path.name for path in (home / "own").iterdir()] == ["-".join((private / "state").parts[1:])]
    finally:
        server.stop()
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    assert list((home / "own").iterdir()) == []  # it was throw-away data


def test_an_ordinary_user_keeps_everything_where_it_was_asked_for(home: Path) -> None:
    assert reachable_home(None, home / "state") == (home / "state").resolve()
    assert can_reach(SystemAccount(name="x", uid=77, gid=77), home)

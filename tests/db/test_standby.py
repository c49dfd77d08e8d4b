"""Metrics and overviews are read from a real streaming standby; writes go to the primary."""

import base64
import os
import subprocess
import tempfile
from pathlib import Path

import pytest
import redis
from sqlalchemy import make_url, text

from tests.waiting import until
from worker.db import standby as reading
from worker.db.engine import open_engine, open_sessions
from worker.db.standby import open_readings, standby_url
from worker.local.postgres import EmbeddedPostgres
from worker.runtime import runtime
from worker.schema.apply import apply_schema
from worker.settings import Settings
from worker.status.prometheus import exposition

IS_STANDBY = text("SELECT pg_is_in_recovery()")


@pytest.fixture
def home():
    with tempfile.TemporaryDirectory(prefix="finmind-standby-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def primary(home):
    server = EmbeddedPostgres(home / "primary")
    yield server
    server.stop()


@pytest.fixture
def standby(home, primary):
    program = primary._programs / "pg_basebackup"
    if not program.exists():
        pytest.skip("the embedded Postgres has no pg_basebackup here")
    folder = make_url(primary.url).query["host"]
    copy = home / "standby"
    copy.mkdir(mode=0o700)
    owner = Path(folder).stat().st_uid
    os.chown(copy, owner, owner)
    command = [program, "--pgdata", copy, "--write-recovery-conf", "--checkpoint=fast", "--host", folder]
    subprocess.run(
        [*command, "--username", "postgres"], check=True, cwd=copy, user=owner if os.geteuid() == 0 else None
    )
    for lock in copy.glob(".s.PGSQL.*.lock"):  # of the primary's socket, which lies in the folder that was copied
        lock.unlink()
    server = EmbeddedPostgres(copy)
    yield server
    server.stop()


@pytest.fixture
def settings(primary, standby, redis_url):
    hosts = "&".join(f"host={make_url(server.url).query['host']}" for server in (standby, primary))
    return Settings(
        _env_file=None,
        database_url=f"postgresql://postgres@/postgres?{hosts}&target_session_attrs=read-write",
        redis_url=redis_url,
        credential_keys=f"test:{base64.b64encode(os.urandom(32)).decode()}",
    )


def test_what_operators_look_at_comes_from_a_standby_that_keeps_up_and_else_from_the_primary(
    settings, standby, monkeypatch
):
    with runtime(settings) as opened, redis.Redis.from_url(settings.redis_url.get_secret_value()) as broker:
        apply_schema(opened.engine)

        def copied():
            with opened.readings() as session:
                if not session.scalar(IS_STANDBY) or not _has_users(session):  # it has replayed nothing yet
                    return False
                return session.scalar(text("SELECT count(*) FROM users")) == 1

        with opened.sessions() as session:
            assert not session.scalar(IS_STANDBY)
            session.execute(text("INSERT INTO users (email, password_hash) VALUES ('a@standby.test', 'x')"))
        until(copied)
        assert b"finmind_open_runs" in exposition(opened.readings, broker)
        monkeypatch.setattr(reading, "STALE_S", -1.0)  # as if it had not heard of the primary for a minute
        with opened.readings() as session:
            assert not session.scalar(IS_STANDBY)
        monkeypatch.undo()
        for moved in ("+", "-"):  # as if one of the two clocks were wrong
            monkeypatch.setattr(reading, "_NOW", text(f"SELECT clock_timestamp() {moved} INTERVAL '20 seconds'"))
            with opened.readings() as session:
                assert not session.scalar(IS_STANDBY)
        monkeypatch.undo()
        nowhere = open_engine("postgresql://postgres@/postgres?host=/run/nowhere")
        with open_readings(opened.reading_engine, open_sessions(nowhere))() as session:  # the primary is away
            assert session.scalar(IS_STANDBY)
        standby.stop()
        opened.reading_engine.dispose()
        with opened.readings() as session:
            assert not session.scalar(IS_STANDBY)


def _has_users(session):
    return session.scalar(text("SELECT to_regclass('users')")) is not None


@pytest.mark.parametrize(
    ("url", "has_standby"),
    [
        ("postgresql://u:p@one:5432/db", False),
        ("postgresql://u:p@/db?host=/run/postgresql", False),
        ("postgresql://u:p@/db?host=one:5432&host=two:5432&target_session_attrs=read-write", True),
    ],
)
def test_an_address_of_several_servers_has_a_standby(url, has_standby):
    found = standby_url(url)
    assert (found is not None) is has_standby
    if found is not None:
        assert found.query["target_session_attrs"] == "prefer-standby"
        open_engine(found).dispose()

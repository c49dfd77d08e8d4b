"""Through a real PgBouncer in transaction mode with its stock configuration: nothing to set, nothing lost."""

import os
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import OperationalError

from tests.factories import make_sealed_connection
from tests.waiting import PATIENCE_S, until
from worker.celery_hooks.request_listener import RequestListener
from worker.connectors.mock import MockConfig
from worker.credentials import generate_key
from worker.db.engine import open_engine, open_sessions
from worker.db.pooler import is_pooled
from worker.db.prepared import prepared
from worker.db.statements import open_statements
from worker.errors import ConflictError
from worker.local.redis import free_port
from worker.models import BankImportRun
from worker.runs.request import request_run
from worker.runs.states import RunKind, RunRequest
from worker.runs.wake_up import wake_at_commit
from worker.runtime import runtime
from worker.schema.apply import schema_locked
from worker.settings import Settings
from worker.tasks.execution import execute_run

PGBOUNCER = shutil.which("pgbouncer") or shutil.which("/usr/sbin/pgbouncer")
pytestmark = pytest.mark.skipif(PGBOUNCER is None, reason="needs the program pgbouncer (Debian's package)")
SESSIONS = 2
"""Sessions of Postgres behind the pooler: few, so that clients get one another's."""


@pytest.fixture
def folder():
    """A folder that another account can read: PgBouncer refuses to run as root."""
    with tempfile.TemporaryDirectory(prefix="finmind-pooler-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def pooled_url(database_url, folder):
    url = make_url(database_url)
    host = url.host or url.query.get("host")
    port = free_port()
    users, config = folder / "users.txt", folder / "pgbouncer.ini"
    users.write_text(f'"{url.username}" "{url.password or ""}"\n')
    config.write_text(
        f"[databases]\n{url.database} = host={host} port={url.port or 5432} user={url.username}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = any\nauth_file = {users}\npool_mode = transaction\ndefault_pool_size = {SESSIONS}\n"
    )
    process = subprocess.Popen(
        [PGBOUNCER, str(config)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        user=Path(host).stat().st_uid if os.geteuid() == 0 else None,  # who may reach the socket of Postgres
    )
    found = f"postgresql://{url.username}@127.0.0.1:{port}/{url.database}"

    def answers():
        probe = open_engine(found)
        try:
            with probe.connect():
                return True
        except OperationalError:
            return False
        finally:
            probe.dispose()

    try:
        until(answers)
        yield found
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


@pytest.fixture
def pooled(pooled_url):
    engine = open_engine(pooled_url, pool_size=4)
    yield engine
    engine.dispose()


def test_a_pooler_is_noticed_and_postgres_itself_is_none(pooled, engine):
    with pooled.connect() as through, engine.connect() as straight:
        assert (is_pooled(through), is_pooled(straight)) == (True, False)


def test_every_transaction_has_the_parameters_whatever_session_it_gets(pooled):
    asked = text("SELECT current_setting('statement_timeout'), current_setting('timezone')")
    for sessions in (open_sessions(pooled), open_statements(pooled)):
        for _ in range(5):
            with sessions() as session:
                assert tuple(session.execute(asked).one()) == ("2min", "UTC")


def test_no_parameter_is_left_behind_in_a_session_of_others(pooled, engine):
    with open_sessions(pooled)() as session:
        session.execute(text("SELECT 1"))
    with pooled.connect() as connection:
        driver = connection.connection.dbapi_connection
        driver.rollback()
        driver.autocommit = True  # a transaction that nobody prepared
        with driver.cursor() as cursor:
            cursor.execute("SHOW statement_timeout")
            assert cursor.fetchone() == ("0",)
        driver.autocommit = False
    assert engine is not pooled


def test_marked_statements_work_in_sessions_that_change_under_the_client(pooled):
    marked = prepared("SELECT CAST(:number AS integer) + 1")
    failures = []

    def client():
        try:
            for number in range(30):
                with open_sessions(pooled)() as session:
                    assert session.execute(marked, {"number": number}).scalar_one() == number + 1
        except Exception as error:  # noqa: BLE001 - reported by the assertion below
            failures.append(error)

    threads = [threading.Thread(target=client) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_imports_and_refreshes_succeed_through_it(pooled_url, redis_url, sessions, user_id):
    settings = Settings(_env_file=None, database_url=pooled_url, redis_url=redis_url, credential_keys=generate_key())
    run_ids = []
    with runtime(settings) as opened:
        for _ in range(4):
            row_id = make_sealed_connection(sessions, opened.vault, user_id, MockConfig(history_days=30))
            for kind in (RunKind.IMPORT, RunKind.REFRESH, RunKind.REFRESH):
                with opened.sessions() as session:
                    run_id = request_run(session, RunRequest(connection_id=row_id, kind=kind))
                execute_run(opened, run_id, worker_name="pooled", soft_limit_s=240)
                run_ids.append(run_id)
    with sessions() as session:
        assert [session.get_one(BankImportRun, run_id).status for run_id in run_ids] == ["succeeded"] * 12


def test_the_schema_is_not_changed_through_a_pooler(pooled):
    with pytest.raises(ConflictError, match="Postgres itself"), schema_locked(pooled):
        pass


def test_nothing_listens_through_a_pooler_and_what_is_requested_through_one_is_heard(pooled, pooled_url, database_url):
    woken = threading.Event()
    through = RequestListener(pooled_url, woken.set)
    through.start()
    until(lambda: not through.is_alive())
    assert not woken.is_set()
    straight = RequestListener(database_url, woken.set)
    straight.start()
    assert woken.wait(PATIENCE_S)
    woken.clear()
    with open_sessions(pooled)() as session:
        wake_at_commit(session)
    assert woken.wait(PATIENCE_S)
    straight.stop()

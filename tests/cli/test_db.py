"""`finmind-worker db`: what is said, what is done, and the exit codes, on databases that stand where they may stand."""

import json

import pytest
from sqlalchemy import Engine, text

from worker.migrations import open_chain

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

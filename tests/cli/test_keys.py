"""`finmind-worker keys` as an operator uses it, from the first key to letting the old one go."""

import json
import os
import signal
import subprocess
import sys

import pytest
from sqlalchemy import text

from tests.keys.conftest import Safe
from tests.waiting import until
from worker.credentials.keyfile import ensure_key_file, read_key_file
from worker.credentials.local import parse_keys


@pytest.fixture
def key_file(tmp_path, monkeypatch, database_url):
    path = ensure_key_file(tmp_path / "keys")
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("CREDENTIAL_KEYS_FILE", str(path))
    return path


@pytest.fixture
def safe(key_file, sessions, user_id):
    return Safe(sessions, user_id, parse_keys(read_key_file(key_file), source="test"))


def first_key(path) -> str:
    return path.read_text().partition(":")[0]


def test_a_printed_key_is_an_entry_and_nothing_else(command):
    answer = command("keys", "generate")
    assert answer.code == 0
    assert len(parse_keys(answer.out, source="test")) == 1


def test_the_way_from_one_key_to_the_next(command, key_file, safe):
    old = first_key(key_file)
    safe.add_connections(3, old)
    safe.add_subscription(old)
    assert command("keys", "generate", "--file", key_file).code == 0
    new = first_key(key_file)
    assert json.loads(command("keys", "rotate", "--dry-run", "--json").out) == {"to_rotate": 4}
    refused = command("keys", "retire", old)
    assert (refused.code, "still needed" in refused.err) == (1, True)
    assert json.loads(command("keys", "rotate", "--json").out) == {
        "key": new,
        "rotated": 4,
        "remaining": 0,
        "failures": {},
    }
    assert json.loads(command("keys", "verify", "--json").out) == {"opened": {new: 4}, "failures": {}}
    states = {row["key"]: (row["state"], row["sealed"]) for row in json.loads(command("keys", "status", "--json").out)}
    assert states == {new: ("primary", 4), old: ("secondary", 0)}
    assert command("keys", "retire", old).code == 0
    assert old not in key_file.read_text()
    assert command("keys", "verify").code == 0


def test_status_ends_with_1_when_a_key_that_is_needed_is_missing(command, key_file, safe):
    safe.add_connections(1, first_key(key_file))
    key_file.unlink()
    ensure_key_file(key_file)
    answer = command("keys", "status")
    assert (answer.code, "missing" in answer.out) == (1, True)


def test_a_row_that_does_not_open_is_named_and_gives_the_exit_code(command, key_file, safe):
    (row_id,) = safe.add_connections(1, first_key(key_file))
    safe.sql("UPDATE bank_connections SET config_encrypted = 'x'")
    verified = command("keys", "verify")
    assert (verified.code, str(row_id) in verified.err) == (1, True)
    command("keys", "generate", "--file", key_file)
    assert command("keys", "rotate").code == 3


@pytest.mark.usefixtures("key_file")
def test_without_a_key_the_sentence_says_how_to_make_one(command, monkeypatch):
    monkeypatch.delenv("CREDENTIAL_KEYS_FILE")
    answer = command("keys", "status")
    assert answer.code == 2
    assert "finmind-worker keys generate" in answer.err


HALT = """
CREATE FUNCTION halt() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  PERFORM pg_advisory_xact_lock(1);
  RETURN NEW;
END $$;
CREATE TRIGGER halt BEFORE UPDATE ON bank_connections FOR EACH ROW WHEN (OLD.id = '{last}') EXECUTE FUNCTION halt()
"""
WAITS = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'"


@pytest.mark.processes
def test_a_rotation_that_is_killed_goes_on_where_it_was(command, key_file, safe):
    old = first_key(key_file)
    rows = sorted(safe.add_connections(10, old))
    command("keys", "generate", "--file", key_file)
    new = first_key(key_file)
    safe.sql(HALT.format(last=rows[-1]))
    with safe.sessions() as holding:
        holding.execute(text("SELECT pg_advisory_xact_lock(1)"))
        rotation = subprocess.Popen([sys.executable, "-m", "worker", "keys", "rotate", "--batch", "1"], env=os.environ)
        until(lambda: safe.sql(WAITS) or rotation.poll() is not None)
        rotation.send_signal(signal.SIGKILL)
        assert rotation.wait() == -signal.SIGKILL
    until(lambda: not safe.sql(WAITS))
    assert safe.per_key() == {new: 9, old: 1}
    assert json.loads(command("keys", "rotate", "--json").out)["rotated"] == 1
    assert safe.per_key() == {new: 10}
    assert command("keys", "verify").code == 0

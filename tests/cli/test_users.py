"""People to try the worker with, and people who do not exist."""

import json
import stat
import zipfile

import pytest
from sqlalchemy import text

from tests.factories import make_connection
from worker.credentials import generate_key


@pytest.fixture(autouse=True)
def _addressed(monkeypatch, database_url):
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("JWT_SECRET", "a secret of at least thirty-two bytes, for tests")


def test_a_user_is_added_once_and_listed(command):
    made = command("users", "add", "ada@example.com", "--currency", "chf")
    assert made.code == 0, made.err
    listed = json.loads(command("users", "list", "--json").out)
    assert (listed[0]["id"], listed[0]["preferred_currency"]) == (int(made.out), "CHF")
    again = command("users", "add", "ada@example.com")
    assert again.code == 1
    assert "already" in again.err
    assert command("token", "--user", made.out.strip()).code == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("users", "add", "ada"), "not an e-mail address"),
        (("users", "add", "ada@example.com", "--currency", "EURO"), "not an ISO 4217 currency"),
        (("token", "--user", "999999"), "no user 999999"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(command, arguments, says):
    refused = command(*arguments)
    assert refused.code == 2
    assert says in refused.err


@pytest.fixture
def person(monkeypatch, tmp_path, sessions, user_id):
    """A user with a connection whose credentials do not open, and a file."""
    monkeypatch.setenv("CREDENTIAL_KEYS", generate_key())
    monkeypatch.setenv("STATEMENT_FOLDER", str(tmp_path / "statements"))
    folder = tmp_path / "statements" / f"user-{user_id}" / "files"
    folder.mkdir(parents=True)
    (folder / "a.csv").write_text("x")
    with sessions() as session:
        make_connection(session, user_id, display_name="Ada's very own bank")
    return user_id


def test_an_export_is_a_new_file_that_nobody_else_reads(command, person, tmp_path):
    made = command("users", "export", person)
    target = tmp_path / f"finmind-export-{person}.zip"
    assert made.code == 0, made.err
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    with zipfile.ZipFile(target) as found:
        assert "Ada's very own bank" in found.read("bank_connections.jsonl").decode()
    again = command("users", "export", person)
    assert again.code == 1
    assert "is there already" in again.err
    assert command("users", "export", 999, "--to", tmp_path / "x.zip").code == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [target.name, "statements"]


def test_an_erasure_is_shown_asked_for_and_done(command, person, tmp_path, sessions):
    with sessions() as session:
        session.execute(text("INSERT INTO categories (user_id, name) VALUES (:user, 'Food')"), {"user": person})
    shown = command("users", "erase", person, "--dry-run")
    assert shown.code == 0, shown.err
    assert "bank_connections  1" in shown.out
    assert "1 statement files, 1 authorisations at providers" in shown.out
    of_finmind = shown.out.partition("with the user goes what FinMind itself keeps:")[2]
    assert "categories  1" in of_finmind
    assert "bank_" not in of_finmind
    assert max(map(len, shown.out.splitlines())) <= 80
    asked = command("users", "erase", person)
    assert asked.code == 1, "nobody answered"
    done = command("users", "erase", person, "--yes")
    assert done.code == 0, done.err + done.out
    assert "nothing was found" in done.out
    assert "0 of 1 authorisations were ended at their provider" in done.out
    assert max(map(len, done.out.splitlines())) <= 80
    assert not (tmp_path / "statements" / f"user-{person}").exists()
    again = command("users", "erase", person, "--yes", "--json")
    assert (again.code, json.loads(again.out)["plan"]["exists"]) == (0, False)
    with sessions() as session:
        left = session.execute(text("SELECT row_id, user_id FROM credential_audit")).all()
    assert {tuple(line) for line in left} == {("", None)}


def test_what_is_found_afterwards_is_named_with_an_exit_code(command, person, sessions):
    with sessions() as session:
        session.execute(text("CREATE TABLE marketing (mail text)"))
        session.execute(text("INSERT INTO marketing VALUES ('ada@example.test')"))
    found = command("users", "erase", person, "--yes")
    assert found.code == 3
    assert "found in marketing.mail: 1 rows" in found.out

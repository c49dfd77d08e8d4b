"""Wrong input gives one clear line, a hint and the right exit code, never a traceback."""

import errno
import gc
import re
from pathlib import Path

import pytest

import worker
from worker.cli.failures import explain
from worker.credentials import generate_key
from worker.errors import NotFoundError

UNREACHABLE = "postgresql://nobody@127.0.0.1:9/none"


def test_the_version_is_printed(command):
    assert command("--version").out.startswith("finmind-worker ")


def test_garbage_is_looked_for_again_once_a_command_is_imported(command):
    gc.disable()  # as `worker.__main__` does
    try:
        command("connectors", "--help")
        assert gc.isenabled()
    finally:
        gc.unfreeze()
        gc.enable()


def test_help_names_the_commands(command):
    answer = command("--help")
    assert answer.code == 0
    assert "db" in answer.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["dbb"], "Did you mean 'db'"),
        (["db", "init", "--fast"], "No such option: --fast"),
        (["db", "init"], "DATABASE_URL, REDIS_URL: Field required"),
    ],
    ids=["unknown command", "typing error", "unknown flag", "no database named"],
)
def test_wrong_usage_is_one_line_and_a_hint(command, arguments, says):
    answer = command(*arguments)
    lines = answer.err.strip().splitlines()
    assert answer.code == 2
    assert says in lines[0]
    assert lines[1].startswith("hint: ")
    assert len(lines) == 2


def test_a_database_that_is_down_is_said_in_one_line(command, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", UNREACHABLE)
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:9/0")
    answer = command("db", "init")
    assert answer.code == 1
    assert answer.err.startswith("error: the database does not answer\nhint: ")


def test_addresses_left_by_a_running_up_are_found(command, database_url, tmp_path):
    state = tmp_path / ".finmind"
    state.mkdir()
    (state / "env").write_text(f"DATABASE_URL={database_url}\nREDIS_URL=redis://127.0.0.1:9/0\n")
    assert command("db", "init").code == 0


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DATABASE_URL", "nonsense"),
        ("DATABASE_URL", "postgresql://user:pass@host:port/db"),
        ("DATABASE_URL", "mysql://root:pass@host/db"),
        ("DATABASE_URL", "FILL-IN"),
        ("REDIS_URL", "redis://[::1"),
        ("REDIS_URL", "http://127.0.0.1/"),
        ("REDIS_URL", ""),
    ],
)
def test_an_address_that_cannot_be_read_names_its_variable_and_not_its_value(command, monkeypatch, variable, value):
    monkeypatch.setenv("DATABASE_URL", UNREACHABLE)
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:9/0")
    monkeypatch.setenv(variable, value)
    answer = command("status")
    assert answer.code == 2
    assert answer.err.startswith(f"error: {variable} is not an address")
    assert not value or value not in answer.err


def test_a_mail_server_without_a_sender_is_refused_at_start_and_not_by_its_task(command, addressed, monkeypatch):  # noqa: ARG001
    monkeypatch.setenv("CREDENTIAL_KEYS", generate_key())
    monkeypatch.setenv("SMTP_URL", "smtp+ssl://somebody:their-secret@mail.example:465")
    answer = command("keys", "status")
    assert (answer.code, answer.err) == (2, "error: SMTP_URL needs a host, and EMAIL_FROM beside it\n")


@pytest.mark.parametrize(
    ("message", "command"),
    [
        ("no account 9", "accounts list --user ID"),
        ("connection 1 has no account x", "connections show CONNECTION"),
        ("account 1 has no source 2", "accounts show ACCOUNT --user ID"),
        ("there is no subscription 1", "webhooks list"),
        ("user 1 has no event 2 for subscription 3", "webhooks events --user ID"),
        ("no credential key 'x' is configured", "keys status"),
        ("no user 5", "users list"),
        ("no run abcd…", "runs list"),
    ],
)
def test_what_is_not_there_is_followed_by_the_command_that_lists_it(message, command):
    assert explain(NotFoundError(message)).hint == f"`finmind-worker {command}` shows what there is"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.EROFS, "Read-only file system", ".finmind"), "error: .finmind: read-only file system"),
        (PermissionError(errno.EACCES, "Permission denied", "a.zip"), "error: a.zip: permission denied"),
        (OSError(errno.ENOSPC, "No space left on device"), "error: no space left on device"),
        (OSError("secret"), "error: unexpected OSError"),
    ],
)
def test_what_the_system_refuses_is_told_in_its_words(error, message):
    assert explain(error).message == message


def test_everything_that_commands_do_not_find_has_a_list():
    raised = re.compile(r'raise NotFoundError\(f?"([^"]+)"\)')
    found = [
        (path, message)
        for path in Path(worker.__file__).parent.rglob("*.py")
        if "api" not in path.parts and "linking" not in path.parts
        for message in raised.findall(path.read_text().replace("{what}", "run"))
    ]
    assert len(found) > 15
    without = [(path.name, message) for path, message in found if explain(NotFoundError(message)).hint is None]
    assert without == [("store.py", "run {run_id} was not recorded, or longer than {KEEP_DAYS} days ago")]

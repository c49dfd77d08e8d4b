"""Wrong input gives one clear line, a hint and the right exit code, never a traceback."""

import pytest

UNREACHABLE = "postgresql://nobody@127.0.0.1:9/none"


def test_the_version_is_printed(command):
    assert command("--version").out.startswith("finmind-worker ")


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

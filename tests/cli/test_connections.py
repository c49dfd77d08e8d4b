"""Connections are added, shown, changed and ended from the command line; credentials are never shown."""

import io
import json
import uuid

import pytest

from worker.cli.output import print_json

SECRET = "s3cr3t-value"


pytestmark = pytest.mark.usefixtures("addressed")


@pytest.fixture(autouse=True)
def _configured(monkeypatch):
    from worker.credentials import generate_key

    monkeypatch.setenv("CREDENTIAL_KEYS", generate_key())


@pytest.fixture
def connection_id(command, user_id):
    answer = command("connections", "add", "--user", user_id, "--connector", "mock", "--config", "{}", "--every", "6h")
    assert answer.code == 0, answer.err
    return uuid.UUID(answer.out.strip())


def test_a_connection_is_shown_with_what_was_chosen_and_without_its_credentials(command, connection_id):
    shown = json.loads(command("connections", "show", connection_id, "--json").out)
    assert (shown["id"], shown["refresh_interval"], shown["status"]) == (str(connection_id), 21600, "active")
    assert shown["has_credentials"] is True
    assert not any("encrypted" in name for name in shown)
    assert str(connection_id) in command("connections", "list").out


def test_a_name_a_policy_and_a_schedule_are_changed(command, connection_id):
    answer = command(
        *("connections", "set", connection_id, "--name", "Joint", "--option", "import_pending=hide"),
        *("--option", "history_days=30", "--every", "never", "--hours", "6-22"),
    )
    assert answer.code == 0, answer.err
    shown = json.loads(command("connections", "show", connection_id, "--json").out)
    assert shown["options"] == {"import_pending": "hide", "history_days": 30}
    assert (shown["display_name"], shown["refresh_interval"], shown["refresh_from_hour"]) == ("Joint", None, 6)


def test_a_connection_is_paused_resumed_reauthorised_and_removed(command, connection_id, monkeypatch):
    for step in ("pause", "resume"):
        assert command("connections", step, connection_id).code == 0
    monkeypatch.setattr("sys.stdin", io.StringIO("{}"))
    assert command("connections", "reauth", connection_id, "--config-file", "-").code == 0
    answer = command("connections", "remove", connection_id, "--json")
    assert answer.code == 0, answer.err
    assert json.loads(answer.out)["expenses_deleted"] == 0
    again = command("connections", "pause", connection_id)
    assert (again.code, again.err) == (1, f"error: connection {connection_id} was removed\n")


@pytest.mark.parametrize(
    ("config", "says"),
    [
        (f"{{{SECRET}", "--config is not JSON (line 1, column 2)"),
        (f'["{SECRET}"]', "--config is not a JSON object"),
        (f'{{"password": "{SECRET}"}}', "config of `mock`: password"),
        (f'{{"mode": "{SECRET}"}}', "config of `mock`: mode"),
    ],
    ids=["broken JSON", "not an object", "unknown field", "wrong type"],
)
def test_a_wrong_config_is_named_and_never_repeated(command, user_id, config, says):
    answer = command("connections", "add", "--user", user_id, "--connector", "mock", "--config", config)
    assert answer.code == 2
    assert says in answer.err
    assert SECRET not in answer.err + answer.out


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("connections", "show", "no-uuid"), 2, "no id of a connection"),
        (("connections", "show", uuid.UUID(int=1)), 1, "no connection 00000000"),
        (("connections", "add", "--user", "x", "--connector", "mock"), 2, "--user"),
        (("connections", "add", "--user", "1"), 2, "--connector"),
        (("connections", "add", "--user", 10**6, "--connector", "mock", "--config", "{}"), 1, "no user 1000000"),
        (("connections", "add", "--user", "1", "--connector", "nobank", "--config", "{}"), 1, "nobank"),
        (("connections", "add", "--user", "1", "--connector", "mock", "--config-file", "/none"), 2, "No such file"),
        (("connections", "add", "--user", "1", "--connector", "mock", "--every", "often"), 2, "not an interval"),
        (("connections", "add", "--user", "1", "--connector", "mock", "--hours", "late"), 2, "range of hours"),
        (("connections", "add", "--user", "1", "--connector", "mock", "--option", "x"), 2, "not a choice"),
        (("connections", "add", "--user", "1", "--connector", "mock", "--option", "colour=red"), 2, "colour"),
        (("import", uuid.UUID(int=1)), 1, "no connection"),
        (("import", uuid.UUID(int=1), "--from", "31.1.2026"), 2, "write it as 2026-01-31"),
        (("import", uuid.UUID(int=1), "--from", "2026-02-01", "--to", "2026-01-01"), 2, "is after the last day"),
        (("runs", "show", uuid.UUID(int=1)), 1, "no run 00000000"),
        (("runs", "list", "--status", "odd"), 2, "--status"),
        (("runs", "list", "--limit", "0"), 2, "--limit"),
    ],
)
def test_wrong_input_is_one_clear_line(command, arguments, code, says):
    answer = command(*arguments)
    assert answer.code == code, answer.err
    lines = [line for line in answer.err.splitlines() if not line.startswith(("hint: ", "warning: "))]
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert says in lines[0]
    assert answer.out == ""


def test_a_database_without_our_tables_names_the_cure(command, postgres_url, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", postgres_url)
    answer = command("connections", "list")
    assert (answer.code, answer.err.splitlines()[1]) == (1, "hint: `finmind-worker db init`")


def test_a_missing_key_is_said_before_anything_happens(command, user_id, monkeypatch):
    monkeypatch.delenv("CREDENTIAL_KEYS")
    answer = command("connections", "add", "--user", user_id, "--connector", "mock", "--config", "{}")
    assert answer.code == 2
    assert "CREDENTIAL_KEYS" in answer.err


def test_the_database_is_checked(command):
    assert command("db", "init").out == "the schema was complete; nothing changed\n"
    assert command("db", "check").out == "database, schema.sql and models agree\n"


def test_the_connectors_are_listed_with_their_config(command):
    listed = {row["name"]: row for row in json.loads(command("connectors", "--json").out)}
    assert listed["mock"]["config"]["type"] == "object"
    assert "mock" in command("connectors").out


def test_json_speaks_iso_and_text_for_money(capsys):
    from datetime import UTC, date, datetime, timedelta
    from decimal import Decimal

    print_json(
        {"at": datetime(2026, 1, 2, tzinfo=UTC), "on": date(2026, 1, 2), "a": Decimal("1.10"), "d": timedelta(1)}
    )
    assert json.loads(capsys.readouterr().out) == {
        "at": "2026-01-02T00:00:00+00:00",
        "on": "2026-01-02",
        "a": "1.10",
        "d": 86400.0,
    }

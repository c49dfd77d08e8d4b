"""The page for an incident names commands, options, variables and columns that exist."""

import re
import shlex
from pathlib import Path

import pytest
import typer
from click import Command, Context

from worker.cli.main import app
from worker.models import CredentialAudit
from worker.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "operator" / "incident.md").read_text()
COMMANDS = sorted({line.strip() for line in re.findall(r"finmind-worker ([^`\n]*)", PAGE)} - {"keys status"})
VALUES = {"OLD", "CONNECTION", "SUBSCRIPTION", "NAME", "USER", "FILE"}


def _found(words):
    """Return the command that these words lead to, and the words that are left."""
    found: Command = typer.main.get_command(app)
    context = Context(found)
    while words and hasattr(found, "get_command") and (inner := found.get_command(context, words[0])) is not None:
        found, context, words = inner, Context(inner, parent=context), words[1:]
    return found, words


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_exists_with_its_options(line):
    command, rest = _found(shlex.split(line))
    alone = not hasattr(command, "commands") or command.invoke_without_command
    assert alone, f"{line}: no such command"
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    options = {word for word in rest if word.startswith("--")}
    assert options <= known, f"{line}: {options - known}"
    given = [word for word in rest if word in VALUES]
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    assert len(given) >= sum(parameter.required for parameter in arguments), f"{line}: an argument is missing"


def test_columns_and_settings_exist():
    columns = set(re.findall(r"SELECT ([a-z, ]+), count", PAGE)[0].replace(" ", "").split(","))
    assert columns <= set(CredentialAudit.__table__.columns.keys())
    assert "actor" in CredentialAudit.__table__.columns
    named = set(re.findall(r"`([A-Z]+_[A-Z_]+)`", PAGE))
    assert {name.lower() for name in named} <= set(Settings.model_fields)


def test_every_kind_of_leak_has_its_place():
    kinds = re.findall(r"(?m)^## (.+)$", PAGE)
    assert kinds == [
        "A key of the keyring",
        "The broker",
        "The database",
        "The log-in of a role at Postgres",
        "A connector's package",
        "The log-in of an operator",
        "A secret of a webhook",
        "The secret of the access tokens",
    ]

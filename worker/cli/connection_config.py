"""Reads a connection's config from a file, standard input, a prompt, or (with a warning) the command line."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import SecretBytes, SecretStr
from pydantic.fields import FieldInfo

from worker.cli.output import say, warn
from worker.connectors.base import BankConnector
from worker.errors import InvalidRequestError

ConfigOption = Annotated[
    str | None, typer.Option("--config", metavar="JSON", help="Config as JSON; prefer --config-file or the prompt.")
]
ConfigFileOption = Annotated[
    Path | None, typer.Option("--config-file", metavar="PATH", help="File with the config as JSON; - reads stdin.")
]


def read_config(connector: type[BankConnector], text: str | None, path: Path | None) -> dict[str, Any]:
    """Return the config as given, not yet validated. Raises: InvalidRequestError, never repeating what was given."""
    if text is not None and path is not None:
        raise InvalidRequestError("give --config or --config-file, not both")
    if text is not None:
        given = _parse(text, "--config")
        if _secret_fields(connector) & given.keys():
            warn("--config leaves credentials in the shell's history; --config-file - reads them from stdin")
        return given
    if path is not None:
        return _parse(_read(path), f"--config-file {path}")
    if sys.stdin.isatty():
        return _prompt(connector)
    return {}


def _read(path: Path) -> str:
    try:
        return sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise InvalidRequestError(f"--config-file {path} cannot be read: {reason}") from None


def _parse(text: str, source: str) -> dict[str, Any]:
    try:
        parsed = json.loads(text)
    except ValueError as error:
        place = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise InvalidRequestError(f"{source} is not JSON{place}") from None
    if not isinstance(parsed, dict):
        raise InvalidRequestError(f'{source} is not a JSON object such as {{"setup_token": "…"}}')
    return parsed


def _prompt(connector: type[BankConnector]) -> dict[str, Any]:
    say(f"{connector.display_name} asks for:", err=True)
    given = {}
    secret = _secret_fields(connector)
    for name, field in connector.Config.model_fields.items():
        if field.is_required() or name in secret:
            value = typer.prompt(
                _question(name, field), default="", show_default=False, hide_input=name in secret, err=True
            )
            if value:
                given[name] = value
    return given


def _question(name: str, field: FieldInfo) -> str:
    hint = f" ({field.description})" if field.description else ""
    return f"{name}{hint}{'' if field.is_required() else ' [empty: none]'}"


def _secret_fields(connector: type[BankConnector]) -> set[str]:
    fields = connector.Config.model_fields.items()
    return {name for name, field in fields if any(kind.__name__ in str(field.annotation) for kind in _SECRET)}


_SECRET = (SecretStr, SecretBytes)

"""Turns an exception into lines, a hint and an exit code. No secret that a person typed is repeated."""

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import typer

from worker.errors import (
    ConfigurationError,
    CredentialError,
    InvalidRequestError,
    NotFoundError,
    WorkerError,
)

if TYPE_CHECKING:
    from sqlalchemy.exc import DBAPIError

_SHOWN_BY = {
    "connection [^ ]+ has no account": "connections show CONNECTION",
    "account [^ ]+ has no source": "accounts show ACCOUNT --user ID",
    "no account": "accounts list --user ID",
    "no source": "accounts list --user ID",
    "no connection": "connections list",
    "no run": "runs list",
    "no transaction": "runs show RUN --rows",
    "no suggestion": "suggestions list --user ID",
    "no subscription": "webhooks list",
    "no delivery": "webhooks deliveries",
    "no event": "webhooks events --user ID",
    "no credential key": "keys status",
    "no user": "users list",
}
"""What is not there, by the beginning of how it is said, and the command that lists what is; the first one counts."""


class ExitCode(IntEnum):
    """What the exit code of a command says."""

    DONE = 0
    FAILED = 1
    WRONG_USAGE = 2
    IN_PART = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The output of a failed command.

    Attributes:
        message: A line for each thing that is wrong; empty when everything is printed already.
    """

    message: str
    hint: str | None = None
    exit_code: int = ExitCode.FAILED


def explain(error: Exception) -> Failure:
    """Say what went wrong and what to do about it."""
    if isinstance(error, typer.TyperException):
        return _usage(error)
    if isinstance(error, typer.Abort):
        return Failure(message="stopped")
    if isinstance(error, WorkerError):
        return _worker(error)
    return _outside(error)


def _usage(error: typer.TyperException) -> Failure:
    message = error.format_message().replace("Value error, ", "")
    context = getattr(error, "ctx", None)
    if not message or context is None:  # without a command typer has printed the help already
        return Failure(message=message, exit_code=error.exit_code)
    return Failure(message=f"error: {message}", hint=f"`{context.command_path} --help`", exit_code=error.exit_code)


def _worker(error: WorkerError) -> Failure:
    message = "\n".join(f"error: {' '.join(line.split())}" for line in str(error).splitlines() if line.strip())
    if isinstance(error, ConfigurationError):
        return Failure(message=message, hint=_configuration_hint(str(error)), exit_code=ExitCode.WRONG_USAGE)
    if isinstance(error, InvalidRequestError):
        return Failure(message=message, exit_code=ExitCode.WRONG_USAGE)
    return Failure(message=message, hint=_worker_hint(error))


def _worker_hint(error: WorkerError) -> str | None:
    if isinstance(error, CredentialError):
        return "`finmind-worker keys verify` says which rows do not open and why"
    if not isinstance(error, NotFoundError):
        return None
    command = next((command for words, command in _SHOWN_BY.items() if re.search(rf"\b{words}\b", str(error))), None)
    return command and f"`finmind-worker {command}` shows what there is"


def _configuration_hint(message: str) -> str | None:
    if message.startswith(("DATABASE_URL", "REDIS_URL")):
        return "set it, or start everything on this machine with `finmind-worker up` and try again"
    return None


def _outside(error: Exception) -> Failure:
    from psycopg2 import OperationalError  # noqa: PLC0415 - a probe that fails early needs no database driver
    from redis.exceptions import RedisError  # noqa: PLC0415
    from sqlalchemy.exc import DBAPIError  # noqa: PLC0415

    if isinstance(error, DBAPIError):
        return _database(error) or _unexpected(error)
    if isinstance(error, OperationalError):
        return _AWAY
    if isinstance(error, RedisError):
        return Failure(message="error: Redis does not answer", hint="check REDIS_URL and that Redis runs")
    if isinstance(error, OSError) and error.strerror is not None:
        named = "" if error.filename is None else f"{error.filename}: "
        return Failure(message=f"error: {named}{error.strerror.lower()}")
    return _unexpected(error)


def _unexpected(error: Exception) -> Failure:
    return Failure(message=f"error: unexpected {type(error).__name__}", hint="`finmind-worker --debug …` shows where")


_AWAY = Failure(
    message="error: the database does not answer",
    hint="check DATABASE_URL and that Postgres runs; with an embedded one, that `finmind-worker up` runs",
)
_TROUBLES = {
    "contention": ("another transaction was in the way", "try again"),
    "crowded": ("the database takes no more connections", "try again, or raise max_connections"),
    "starting": ("the database is starting or stopping", "try again in a moment"),
    "read_only": ("the database is a standby, which takes no changes", "point DATABASE_URL at the primary"),
    "full": ("the database has no space left", "docs/operator/recover.md says what to do"),
    "memory": ("the database has no memory left, or no temporary space for this", "try again, or give it more"),
    "refused": (
        "the database refuses this log-in, or has no such name",
        "check what DATABASE_URL names",
    ),
    "forbidden": (
        "this database log-in may not do that",
        "run it as the owner of the database",
    ),
    "absent": ("the database lacks the worker's tables", "`finmind-worker db init`"),
}


def _database(error: "DBAPIError") -> Failure | None:
    """Say what the error of the database means; None when it is a defect."""
    from worker.db.trouble import trouble_of  # noqa: PLC0415

    trouble = trouble_of(error).value
    if trouble == "away":
        return _AWAY
    if trouble not in _TROUBLES:
        return None
    message, hint = _TROUBLES[trouble]
    return Failure(message=f"error: {message}", hint=hint)

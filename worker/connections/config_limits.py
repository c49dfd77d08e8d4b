"""Limits what a user's config may point at: paths in their own folder, and public addresses.

Only literal addresses and `localhost` are checked here; what a name resolves to is checked when a client connects
(`worker.net.http`), in the API and in every worker.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr

from worker.connections.statement_folders import folder_of_user
from worker.errors import InvalidRequestError
from worker.net.addresses import RefusedTargetError, is_literal, vetted
from worker.net.http import ReachableHosts

_DEFAULT_PORTS = {"http": 80, "https": 443}


class RefusedPathError(InvalidRequestError):
    """The path is not in the user's own folder."""

    code = "path_not_allowed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What configs of users may point at.

    Attributes:
        statement_folder: The folder with a subfolder for each user; None allows no path.
        reach: The hosts that may be connected to.
    """

    statement_folder: Path | None
    reach: ReachableHosts


def confine(bounds: Bounds, user_id: int, config: BaseModel) -> None:
    """Refuse a config that points outside these bounds. Raises: RefusedPathError, RefusedTargetError."""
    for value in _values(config.model_dump()):
        if isinstance(value, Path):
            _check_path(bounds, user_id, value)
        else:
            _check_address(bounds, value)


def _check_path(bounds: Bounds, user_id: int, path: Path) -> None:
    # The message leaves out the path, so that it does not reveal whether the path exists.
    root = bounds.statement_folder
    if root is None or not path.resolve().is_relative_to(folder_of_user(root, user_id).resolve()):
        raise RefusedPathError("a path must lead into your own folder of statements: send the file instead")


def _check_address(bounds: Bounds, text: str) -> None:
    if not text.lower().startswith(("http://", "https://")):
        return
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port or _DEFAULT_PORTS[parts.scheme.lower()]
    except ValueError:
        return  # no valid address: the connector refuses it
    if bounds.reach.lets_through(host, port):
        return
    if host == "localhost":
        raise RefusedTargetError("the host does not lead to a public address")
    if is_literal(host):
        vetted([host])


def _values(found: Any) -> Iterator[Path | str]:  # noqa: ANN401 - whatever a config may hold
    match found:
        case SecretStr():
            yield found.get_secret_value()
        case Path() | str():
            yield found
        case dict():
            for value in found.values():
                yield from _values(value)
        case list() | tuple() | set() | frozenset():
            for value in found:
                yield from _values(value)
        case _:
            pass

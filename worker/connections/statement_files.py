"""Stores uploaded statement files in drop folders, with one connection per user and layout."""

import hashlib
import os
import shutil
import uuid
from pathlib import Path

from worker.connections.connection_queries import list_connections
from worker.connections.credentials import open_taken, take_config
from worker.connections.lifecycle import ConnectionService, NewConnection, add
from worker.connections.statement_folders import folder_of_user
from worker.connectors.file import FileConfig
from worker.connectors.file.statement.files import is_skipped
from worker.errors import InvalidRequestError

CONNECTOR = "file"


def folder_of(root: Path, user_id: int, config: FileConfig) -> Path:
    """Return the drop folder of a user's files with one layout, as an absolute path."""
    stated = config.model_dump(exclude={"path"}, exclude_defaults=True)
    return folder_of_user(root, user_id) / (f"stated-{config.stamp()}" if stated else "files")


def keep(source: Path, folder: Path) -> Path:
    """Copy a statement into the drop folder, atomically, and only once for the same bytes.

    Whatever it was called, it is a statement there: neither passed over nor read as a profile.

    Raises: InvalidRequestError when the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with source.open("rb") as stream:
            mark = hashlib.file_digest(stream, "sha256").hexdigest()[:16]
        kept = folder / f"{mark}-{source.name}{'.txt' if is_skipped(source) else ''}"
        earlier = list(folder.glob(f"{mark}-*"))
        if all(is_skipped(one) for one in earlier):
            unfinished = folder / f".{mark}-{uuid.uuid4().hex}.part"
            shutil.copyfile(source, unfinished)
            unfinished.chmod(0o600)
            os.replace(unfinished, kept)  # noqa: PTH105 - it is atomic on every system
        for one in filter(is_skipped, earlier):  # kept under its own name by an earlier version
            one.unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InvalidRequestError(f"the statement folder {folder} cannot be written: {reason}") from None
    return kept


def connection_for(
    connection_service: ConnectionService, user_id: int, config: FileConfig, name: str | None
) -> tuple[uuid.UUID, bool]:
    """Return the user's connection for the drop folder in `config`, and whether it is new.

    Raises: NotFoundError (no such user), CredentialError when a connection's config does not open.
    """
    with connection_service.sessions() as session:
        rows = list_connections(session, user_id=user_id)
    for row in rows:
        if row["connector_name"] == CONNECTOR and row["status"] != "disconnected":
            stored = take_config(connection_service.sessions, row["id"])
            if (
                open_taken(connection_service.sessions, connection_service.vault, stored, FileConfig).path
                == config.path
            ):
                return row["id"], False
    wanted = NewConnection(
        user_id=user_id, connector_name=CONNECTOR, config=config.model_dump(mode="json", exclude_none=True), name=name
    )
    return add(connection_service, wanted), True

"""Limits of uploaded statement files: refused before the body is read, spooled to disk, read when small.

A request reads a file only where that takes a second or two; everything else is the work of a run.
"""

import contextlib
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastapi import Request, Response, UploadFile
from fastapi.concurrency import run_in_threadpool
from fastapi.routing import APIRoute

from worker.api.problems import ProblemError
from worker.api.rate_limit import UserPlaces, cost_of_upload
from worker.api.services import authenticate, services
from worker.connections.statement_folders import folder_of_user
from worker.connectors.file.statement.errors import StatementError
from worker.connectors.file.statement.files import count_lines, unpacked_bytes
from worker.errors import InvalidRequestError

MAX_FILE_BYTES = 32 * 1024 * 1024
"""Of a file as it is sent, and of what an archive holds: a run imports it within its memory and temporary space."""

MAX_LINES = 500_000
MAX_REQUEST_BYTES = MAX_FILE_BYTES + 64 * 1024
"""A file with the other fields of its form."""

READ_AT_ONCE_BYTES = 2 * 1024 * 1024
"""Files up to this size, unpacked, are read within the request."""

MAX_KEPT_BYTES = 256 * 1024 * 1024
MAX_KEPT_FILES = 1000
"""Of one user, in the statement folder."""

_TURN_S = 5.0
_NAME_CHARACTERS = 100
_INCOMING = ".incoming"
_FORGOTTEN_S = 86_400


_places = UserPlaces(per_user=2, per_process=16, what="uploads")
_turn = threading.Semaphore(1)


class UploadRoute(APIRoute):
    """A route with a statement file: who asks and how much they may send is known before their body is read."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler behind these checks."""
        handle = super().get_route_handler()

        async def checked(request: Request) -> Response:
            size = _stated_bytes(request)
            if size > MAX_REQUEST_BYTES:
                raise too_large(f"a statement file has at most {MAX_FILE_BYTES // 1024**2} MiB; export fewer months")
            user_id = await run_in_threadpool(self.sender, request, size)
            with _places.taken(user_id):
                await run_in_threadpool(_check_kept, services(request).runtime.settings.statement_folder, user_id, size)
                return await handle(request)

        return checked

    def sender(self, request: Request, size: int) -> int:
        """Return the user whose file it is, who may send so many bytes. Raises: ProblemError."""
        return authenticate(request, cost=cost_of_upload(size))


def _stated_bytes(request: Request) -> int:
    """Return the length of the body; where it comes in chunks, as much as it may have, whatever else is stated."""
    stated = "" if "transfer-encoding" in request.headers else request.headers.get("content-length", "")
    return int(stated) if re.fullmatch(r"[0-9]{1,15}", stated) else MAX_REQUEST_BYTES


def _check_kept(root: Path | None, user_id: int, size: int) -> None:
    """Refuse a file beyond what is kept of a user. Raises: ProblemError."""
    if root is None:
        return
    kept = [path.stat().st_size for path in folder_of_user(root, user_id).glob("*/*") if path.is_file()]
    if len(kept) >= MAX_KEPT_FILES or sum(kept) + size > MAX_KEPT_BYTES:
        raise too_large("no more statement files are kept for this user; remove a connection with its files first")
    if root.exists() and shutil.disk_usage(root).free < 2 * MAX_FILE_BYTES:
        raise ProblemError(503, "disk_full", "the statement folder is full", headers={"Retry-After": "600"})


def too_large(sentence: str) -> ProblemError:
    """Return the refusal of a file for its size."""
    return ProblemError(413, "content_too_large", sentence)


@contextmanager
def received(file: UploadFile) -> Iterator[Path]:
    """Give an upload as a file on disk, for as long as the request needs it.

    Raises:
        ProblemError: 413 when it holds more than a run can import.
    """
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / _safe_name(file.filename)
        with path.open("wb") as target:
            shutil.copyfileobj(file.file, target)
        _check_content(path)
        yield path


def _check_content(path: Path) -> None:
    try:
        unpacked = unpacked_bytes(path, most=MAX_FILE_BYTES)
        lines = count_lines(path, most=MAX_LINES) if unpacked <= MAX_FILE_BYTES else 0
    except StatementError as error:
        raise InvalidRequestError(str(error.of(path.name))) from None
    if unpacked > MAX_FILE_BYTES:
        raise too_large(f"the file unpacks to more than {MAX_FILE_BYTES // 1024**2} MiB; export fewer months")
    if lines > MAX_LINES:
        raise too_large(f"the file has more than {MAX_LINES} lines; export fewer months")


def is_small(path: Path) -> bool:
    """Say whether a request may read a file from beginning to end."""
    return unpacked_bytes(path, most=READ_AT_ONCE_BYTES) <= READ_AT_ONCE_BYTES


@contextmanager
def reading_turn() -> Iterator[bool]:
    """Read files one at a time in this process, so that other requests are served beside. False: it was not free."""
    taken = _turn.acquire(timeout=_TURN_S)
    try:
        yield taken
    finally:
        if taken:
            _turn.release()


def spool_into(root: Path) -> None:
    """Let this process keep bodies that it receives on the disk of the statement folder, not in memory.

    What a process that was killed left there is removed after a day.
    """
    incoming = root.absolute() / _INCOMING
    incoming.mkdir(parents=True, exist_ok=True, mode=0o700)
    for left in incoming.iterdir():
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > _FORGOTTEN_S:
                shutil.rmtree(left) if left.is_dir() else left.unlink()
    tempfile.tempdir = str(incoming)


def _safe_name(file_name: str | None) -> str:
    """Return the file's name without anything that could lead out of the folder."""
    kept = re.sub(r"[^A-Za-z0-9._-]", "_", (file_name or "statement").rsplit("/", 1)[-1])
    return kept.lstrip(".")[-_NAME_CHARACTERS:] or "statement"

"""The route by which people get everything kept about them."""

import os
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import IO

from fastapi import APIRouter, Depends
from fastapi.responses import StreamingResponse

from worker.api.problems import ProblemError
from worker.api.rate_limit import UserPlaces
from worker.api.services import Services, ServicesDep, UserId
from worker.audit import acting_as, record_operation
from worker.errors import NotFoundError
from worker.models import User
from worker.personal_data.archive import archive

router = APIRouter(tags=["personal data"])

_CHUNK_BYTES = 64 * 1024
_AT_ONCE = 2
_PATIENCE_S = 20
_MOMENT_S = 10
"""An archive that takes longer is sent while it is made: what waits for a response gives up after 30 or 60 s."""
_LOOK_S = 0.2

_places = UserPlaces(per_user=1, per_process=50, what="exports")
_making = threading.Semaphore(_AT_ONCE)
"""An archive is written from one long transaction, which holds back vacuum: few at once, and nobody's reading is waited
for."""
_makers = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="export")


async def _export_place(user_id: UserId) -> AsyncIterator[None]:
    with _places.taken(user_id):
        yield


@router.get(
    "/export",
    dependencies=[Depends(_export_place)],
    response_class=StreamingResponse,
    responses={200: {"content": {"application/zip": {}}, "description": "A ZIP archive; it ends with manifest.json."}},
)
def export_personal_data(user_id: UserId, services: ServicesDep) -> StreamingResponse:
    """Send the caller an archive of everything kept about them, without any secret."""
    with acting_as(f"api:{user_id}"), services.sessions() as session:
        if session.get(User, user_id) is None:  # nothing is written about somebody who was erased
            raise NotFoundError(f"no user {user_id}")
        record_operation(session, "users export", table="users", row_id="", user_id=user_id)
    file, made = _begin(services, user_id)
    wait([made], timeout=_MOMENT_S)
    headers = {"Content-Disposition": f'attachment; filename="finmind-export-{user_id}.zip"'}
    if made.done():
        _check(file, made)
        headers["Content-Length"] = str(os.fstat(file.fileno()).st_size)
    return StreamingResponse(_parts(file, made), media_type="application/zip", headers=headers)


def _begin(services: Services, user_id: int) -> tuple[IO[bytes], Future[None]]:
    """Begin to write an archive to a temporary file: readers take as long as they like, the transaction does not."""
    if not _making.acquire(timeout=_PATIENCE_S):
        raise ProblemError(503, "busy", "other exports are made; try again", headers={"Retry-After": "30"})
    try:
        file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by whoever sends it
    except OSError as error:
        _making.release()
        raise _no_room() from error
    return file, _makers.submit(_make, services, user_id, file)


def _make(services: Services, user_id: int, file: IO[bytes]) -> None:
    """Write the archive, until the file is closed because nobody reads it any more."""
    try:
        for part in archive(services.sessions, user_id, statement_folder=services.runtime.settings.statement_folder):
            file.write(part)
            file.flush()
    finally:
        _making.release()


def _check(file: IO[bytes], made: Future[None]) -> None:
    """Raise what kept the archive from being made."""
    failed = made.exception()
    if failed is None:
        return
    with suppress(OSError):  # of a full disk again, for what is still to be written
        file.close()
    raise _no_room() if isinstance(failed, OSError) else failed


def _no_room() -> ProblemError:
    return ProblemError(503, "disk_full", "there is no room for the archive", headers={"Retry-After": "600"})


def _parts(file: IO[bytes], made: Future[None]) -> Iterator[bytes]:
    """Yield the archive while it is made; where that fails, the response breaks off without an end."""
    with file:
        place = 0
        while True:
            was_made = made.done()
            part = os.pread(file.fileno(), _CHUNK_BYTES, place)
            place += len(part)
            if part:
                yield part
            elif was_made:
                made.result()
                return
            else:
                wait([made], timeout=_LOOK_S)

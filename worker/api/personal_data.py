"""The route by which people get everything kept about them."""

import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
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

_places = UserPlaces(per_user=1, per_process=50, what="exports")
_making = threading.Semaphore(_AT_ONCE)
"""An archive is written from one long transaction, which holds back vacuum: few at once, and never while it is sent."""


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
    file = _written(services, user_id)
    headers = {
        "Content-Disposition": f'attachment; filename="finmind-export-{user_id}.zip"',
        "Content-Length": str(file.seek(0, 2)),
    }
    return StreamingResponse(_parts(file), media_type="application/zip", headers=headers)


def _written(services: Services, user_id: int) -> IO[bytes]:
    """Return a temporary file with the archive: readers take as long as they like, the transaction does not."""
    if not _making.acquire(timeout=_PATIENCE_S):
        raise ProblemError(503, "busy", "other exports are made; try again", headers={"Retry-After": "30"})
    file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by whoever sends it
    try:
        for part in archive(services.sessions, user_id, statement_folder=services.runtime.settings.statement_folder):
            file.write(part)
    except OSError:
        file.close()
        raise ProblemError(
            503, "disk_full", "there is no room for the archive", headers={"Retry-After": "600"}
        ) from None
    except BaseException:
        file.close()
        raise
    finally:
        _making.release()
    return file


def _parts(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        file.seek(0)
        while part := file.read(_CHUNK_BYTES):
            yield part

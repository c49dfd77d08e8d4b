"""The route that receives a statement file: it is checked, stored where workers find it, and imported by a run."""

import re
import shutil
import tempfile
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, File, Form, Response, UploadFile
from fastapi.responses import JSONResponse
from pydantic import StringConstraints

from worker.api.problems import ProblemError
from worker.api.schemas import RunOut
from worker.api.services import Services, ServicesDep, UserId
from worker.audit import acting_as
from worker.connections.statements import connection_for, folder_of, keep
from worker.connections.validation import read
from worker.connectors.errors import InvalidDataError
from worker.connectors.file import FileConfig
from worker.connectors.file.folder import Folder
from worker.connectors.file.table.profile import built_in_profile
from worker.errors import InvalidRequestError
from worker.runs import run_queries
from worker.runs.states import RunKind, RunRequest

router = APIRouter(tags=["files"])

MAX_FILE_BYTES = 32 * 1024 * 1024
_NAME_CHARACTERS = 100

ProfileName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,50}$")]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]


@router.post("/files", status_code=202, response_model=RunOut, max_body_size=MAX_FILE_BYTES)
def import_file(
    user_id: UserId,
    services: ServicesDep,
    background: BackgroundTasks,
    file: Annotated[UploadFile, File(description="OFX, QFX, CAMT.052/053, MT940 or CSV.")],
    profile: Annotated[ProfileName | None, Form(description="A known CSV layout.")] = None,
    currency: Annotated[Currency | None, Form(description="Of rows that state none.")] = None,
) -> Response:
    """Import a statement file. The same file again changes nothing; files of one layout share a connection."""
    stated: dict[str, Any] = {}
    if profile is not None:
        stated["profile"] = built_in_profile(profile).name
    if currency is not None:
        stated["account"] = {"currency": currency}
    run = _import(services, user_id, file, stated, background)
    return JSONResponse(
        run.model_dump(mode="json"), status_code=202, headers={"Location": f"/bank-connections/import-runs/{run.id}"}
    )


def _import(
    services: Services, user_id: int, file: UploadFile, stated: dict[str, Any], background: BackgroundTasks
) -> RunOut:
    root = services.runtime.settings.statement_folder
    if root is None:
        raise ProblemError(503, "files_off", "STATEMENT_FOLDER is not set: no place is shared with the workers")
    with tempfile.TemporaryDirectory() as place, acting_as(f"api:user:{user_id}"):
        received = Path(place) / _safe_name(file.filename)
        with received.open("wb") as target:
            shutil.copyfileobj(file.file, target)
        config = read(FileConfig, {"path": received, **stated}, what="file")
        _check_readable(config, received)
        folder = folder_of(root, user_id, config)
        keep(received, folder)
        shared = read(FileConfig, {"path": folder, **stated}, what="file")
        connection_id, _ = connection_for(services.connection_service, user_id, shared, None)
    with services.sessions() as session:
        run_id = services.ask(session, RunRequest(connection_id=connection_id, kind=RunKind.REFRESH), background)
        return RunOut.model_validate(run_queries.run_of(session, run_id, user_id=user_id))


def _check_readable(config: FileConfig, received: Path) -> None:
    """Refuse what cannot be read before it is kept. Raises: InvalidRequestError."""
    try:
        Folder.scan(config)
    except InvalidDataError as error:
        problem = str(error).replace(f"{received.parent}/", "")
    else:
        return
    raise InvalidRequestError(problem)


def _safe_name(file_name: str | None) -> str:
    """Return the file's name without anything that could lead out of the folder."""
    kept = re.sub(r"[^A-Za-z0-9._-]", "_", (file_name or "statement").rsplit("/", 1)[-1])
    return kept.lstrip(".")[-_NAME_CHARACTERS:] or "statement"

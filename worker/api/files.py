"""Routes of statement files: inspect an uploaded file, and import it by a run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, BackgroundTasks, Depends, File, Form, Response, UploadFile
from fastapi.responses import JSONResponse
from pydantic import StringConstraints

from worker.api.inputs import refuse_unstorable
from worker.api.inspection_schemas import InspectionOut
from worker.api.problems import ProblemError
from worker.api.run_schemas import RunOut
from worker.api.runs import run_location, shown_run
from worker.api.services import Services, ServicesDep, UserId
from worker.api.uploads import (
    MAX_REQUEST_BYTES,
    READ_AT_ONCE_BYTES,
    UploadRoute,
    is_small,
    reading_turn,
    received,
    too_large,
)
from worker.audit import acting_as
from worker.connections.statement_files import connection_for, folder_of, keep
from worker.connections.statement_folders import remove_files_of_gone_users
from worker.connections.validation import read
from worker.connectors.errors import InvalidDataError
from worker.connectors.file import FileConfig
from worker.connectors.file.config import stated_columns
from worker.connectors.file.folder import Folder
from worker.connectors.file.inspection import report
from worker.connectors.file.reading import check_beginning
from worker.connectors.file.statement.dates import Order
from worker.connectors.file.statement.files import members
from worker.connectors.file.table.profile_files import built_in_profile
from worker.errors import InvalidRequestError, NotFoundError
from worker.runs.states import RunKind, RunRequest

router = APIRouter(tags=["files"], route_class=UploadRoute)

_MAX_COLUMNS = 100

ProfileName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,50}$")]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
ShortText = Annotated[str, StringConstraints(min_length=1, max_length=200)]
ShortTexts = Annotated[list[ShortText], Form(max_length=_MAX_COLUMNS)]
Upload = Annotated[UploadFile, File(description="OFX, QFX, CAMT.052/053, MT940, MT942, QIF, CSV, XLSX, XLS or ODS.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOptions:
    """What a person states about an upload: the options of `finmind-worker files import`."""

    profile: Annotated[ProfileName | None, Form(description="A known CSV layout.")] = None
    column: Annotated[
        ShortTexts | None, Form(description="`NAME=FIELD`: what a column holds; may be sent several times.")
    ] = None
    ignore: Annotated[ShortTexts | None, Form(description="A column that is not read; may be sent several times.")] = (
        None
    )
    date_order: Annotated[Order | None, Form(description="Where it is not proved.")] = None
    decimal: Annotated[Literal[".", ","] | None, Form(description="Decimal mark, where it is not proved.")] = None
    positive_is: Annotated[Literal["in", "out"] | None, Form(description="Which way positive amounts went.")] = None
    direction_from: Annotated[
        Literal["word", "reversal", "sign"] | None,
        Form(description="What a minus means where a word, mark or column states the direction besides."),
    ] = None
    encoding: Annotated[ShortText | None, Form(description="Where it is found out wrongly.")] = None
    currency: Annotated[Currency | None, Form(description="Of rows that state none.")] = None
    iban: Annotated[ShortText | None, Form(description="The account's IBAN, where the file has none.")] = None
    flip_sign: Annotated[bool, Form(description="Turn every amount round.")] = False
    notifications: Annotated[bool, Form(description="Read camt.054 too.")] = False
    reports: Annotated[
        Literal["new", "so_far"] | None,
        Form(description="Whether each report of a CAMT.052 repeats the entries so far, or tells new ones only."),
    ] = None

    def stated(self) -> dict[str, Any]:
        """Return the keys of a config that differ from its defaults.

        Raises: InvalidRequestError for a profile that does not exist, a column that is not `NAME=FIELD`, or text that
        nothing can hold.
        """
        account = {"currency": self.currency, "iban": self.iban, "flip_sign": self.flip_sign or None}
        keys = {
            "profile": built_in_profile(self.profile).name if self.profile is not None else None,
            "columns": stated_columns(self.column or []),
            "ignored": tuple(self.ignore or ()),
            "date_order": self.date_order,
            "decimal": self.decimal,
            "positive_is": self.positive_is,
            "direction_from": self.direction_from,
            "encoding": self.encoding,
            "notifications": self.notifications,
            "reports": self.reports,
            "account": {key: value for key, value in account.items() if value is not None},
        }
        refuse_unstorable("body", keys)
        return {key: value for key, value in keys.items() if value}


OptionsDep = Annotated[FileOptions, Depends(FileOptions)]


@router.post("/files/inspections", response_model=InspectionOut, max_body_size=MAX_REQUEST_BYTES)
def inspect_file(user_id: UserId, file: Upload, options: OptionsDep) -> Any:  # noqa: ANN401 - checked by the model
    """Show what is understood of a statement file: accounts, rows, balances, doubts. Nothing is kept or imported."""
    with received(file) as path, acting_as(f"api:user:{user_id}"), reading_turn() as free:
        if not is_small(path):
            raise too_large(f"files of up to {READ_AT_ONCE_BYTES // 1024**2} MiB are shown; this one can be imported")
        if not free:
            raise ProblemError(503, "busy", "other files are read; try again", headers={"Retry-After": "5"})
        return report(Folder.inspect(read(FileConfig, {"path": path, **options.stated()}, what="file")))


@router.post("/files", status_code=202, response_model=RunOut, max_body_size=MAX_REQUEST_BYTES)
def import_file(
    user_id: UserId, services: ServicesDep, background: BackgroundTasks, file: Upload, options: OptionsDep
) -> Response:
    """Import a statement file. The same file again changes nothing; files of one layout share a connection."""
    with acting_as(f"api:user:{user_id}"):
        run = import_upload(services, user_id, file, options.stated(), background)
    return JSONResponse(run.model_dump(mode="json"), status_code=202, headers={"Location": run_location(run)})


def import_upload(
    services: Services, user_id: int, file: UploadFile, stated: dict[str, Any], background: BackgroundTasks
) -> RunOut:
    """Keep an uploaded statement file of a user, and return the run that was asked for to import it.

    Args:
        services: Of this process.
        user_id: Whose file it is.
        file: The upload.
        stated: Keys of a config that differ from its defaults.
        background: Wakes the workers once the request is answered.

    Raises: ProblemError, InvalidRequestError for a file that cannot be imported.
    """
    root = services.runtime.settings.statement_folder
    if root is None:
        raise ProblemError(503, "files_off", "STATEMENT_FOLDER is not set: no place is shared with the workers")
    with received(file) as path:
        config = read(FileConfig, {"path": path, **stated}, what="file")
        _check_readable(config, path)
        folder = folder_of(root, user_id, config)
        keep(path, folder)
        shared = read(FileConfig, {"path": folder, **stated}, what="file")
        try:
            connection_id, _ = connection_for(services.connection_service, user_id, shared, None)
        except NotFoundError:  # an erased person's token lives on for minutes; their file must not
            remove_files_of_gone_users(services.sessions, root)
            raise
    with services.sessions() as session:
        run_id = services.ask(session, RunRequest(connection_id=connection_id, kind=RunKind.REFRESH), background)
        return shown_run(session, run_id, user_id)


def _check_readable(config: FileConfig, path: Path) -> None:
    """Refuse what cannot be read before it is kept; of a large file, what its beginning shows is no statement.

    Raises:
        InvalidRequestError: with the reason.
    """
    try:
        with reading_turn() as free:
            if free and is_small(path):
                Folder.scan(config)
                return
        for member in members(path):
            check_beginning(member)
    except InvalidDataError as error:
        raise InvalidRequestError(str(error).replace(f"{path.parent}/", "")) from None

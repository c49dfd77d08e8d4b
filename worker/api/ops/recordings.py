"""Recordings for an operator's programs: asked for over HTTP, fetched as a file when the run has ended."""

import uuid

from fastapi import APIRouter, BackgroundTasks
from fastapi.responses import JSONResponse, Response

from worker.api.ops.access import Operator, OwnForm, acting_operator
from worker.api.ops.rendering import HEADERS
from worker.api.services import ServicesDep
from worker.audit import record_operation, record_view
from worker.connections import connection_queries
from worker.recordings.store import ask_for_recording, recording_of
from worker.runs import run_queries
from worker.runs.states import RunKind, RunRequest

router = APIRouter(prefix="/ops")


@router.post("/connections/{connection_id}/recordings", dependencies=[OwnForm], status_code=202)
def record(
    connection_id: uuid.UUID, name: Operator, services: ServicesDep, background: BackgroundTasks
) -> dict[str, str]:
    """Refresh a connection and keep what its bank answered, scrubbed; `url` is where the file will be."""
    with acting_operator(services, name) as session:
        owner_id = connection_queries.find(session, connection_id).user_id
        run_id = services.ask(session, RunRequest(connection_id=connection_id, kind=RunKind.REFRESH), background)
        ask_for_recording(session, run_id)
        record_operation(
            session, "connections record", table="bank_connections", row_id=str(connection_id), user_id=owner_id
        )
    return {"run_id": str(run_id), "url": f"/ops/recordings/{run_id}"}


@router.get("/recordings/{run_id}")
def recording(run_id: uuid.UUID, name: Operator, services: ServicesDep) -> Response:
    """Return the file of a recording; 202 while its run goes on."""
    with acting_operator(services, name) as session:
        content = recording_of(session, run_id)
        if content is None:
            return JSONResponse({"run_id": str(run_id), "status": "recording"}, status_code=202)
        owner_id = run_queries.find(session, run_id).user_id
        record_view(session, table="bank_recordings", row_id=str(run_id), user_id=owner_id)
    disposition = {"Content-Disposition": f'attachment; filename="recording-{run_id}.json"'}
    return Response(content, media_type="application/json", headers=HEADERS | disposition)

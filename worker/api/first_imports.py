"""Asks for the first import together with a new connection, and answers with the accounts that the bank lists.

Only workers ask banks, because they count what a provider allows. They store the accounts before any rows, so that an
answer need not wait for the end of the import.
"""

import uuid
from http import HTTPStatus
from typing import Annotated

from fastapi import BackgroundTasks, Query, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session

from worker.api.connection_schemas import NewConnectionOut
from worker.api.query import LONGEST_WAIT_S
from worker.api.run_schemas import RunOut
from worker.api.runs import has_ended, wait_until
from worker.api.services import Services
from worker.connections import connection_queries
from worker.errors import ConflictError
from worker.runs import run_queries
from worker.runs.run_filter import RunFilter
from worker.runs.states import WAITING, RunKind, RunRequest

AccountsWait = Annotated[
    int,
    Query(
        ge=0,
        le=LONGEST_WAIT_S,
        description="Ask for the first import too, and wait this long (s) for the accounts that the bank lists.",
    ),
]


def read_new(
    services: Services, user_id: int, connection_id: uuid.UUID, nudges: BackgroundTasks | None = None
) -> NewConnectionOut:
    """Return a connection that was just made.

    Args:
        nudges: Asks for the first import too, unless accounts are known, and wakes the workers after the answer.
    """
    with services.sessions() as session:
        row = connection_queries.find(session, connection_id, user_id=user_id)
        accounts = connection_queries.list_accounts(session, connection_id)
        run_id = None
        if nudges is not None and not accounts:
            run_id = _ask(services, session, connection_id, nudges)
        described = connection_queries.describe_with_bank(session, row)
    return NewConnectionOut.of({**described, "accounts": accounts, "first_run_id": run_id})


def _ask(services: Services, session: Session, connection_id: uuid.UUID, nudges: BackgroundTasks) -> uuid.UUID | None:
    """Ask for the first import, and return its run; where another run waits already, that one lists the accounts."""
    try:
        return services.ask(session, RunRequest(connection_id=connection_id, kind=RunKind.IMPORT), nudges)
    except ConflictError:
        waiting = RunFilter(connection_id=connection_id, statuses=tuple(WAITING), limit=1)
        return next((run["id"] for run in run_queries.list_runs(session, waiting)), None)


async def with_accounts(
    services: Services, user_id: int, made: Response, nudges: BackgroundTasks, *, wait_s: int
) -> Response:
    """Return the answer `made` once the bank has listed the accounts, at the latest after `wait_s` seconds."""
    if not wait_s or made.status_code != HTTPStatus.CREATED:
        return made
    await nudges()
    first = NewConnectionOut.model_validate_json(bytes(made.body))
    if first.first_run_id is None:
        return made
    await wait_until(services, user_id, first.first_run_id, _lists_accounts, wait_s=wait_s)
    now = await run_in_threadpool(read_new, services, user_id, first.id)
    body = now.model_copy(update={"first_run_id": first.first_run_id}).model_dump(mode="json")
    headers = {name: value for name, value in made.headers.items() if name in {"location", "idempotent-replayed"}}
    return JSONResponse(body, status_code=made.status_code, headers=headers)


def _lists_accounts(run: RunOut) -> bool:
    return run.accounts_total > 0 or has_ended(run)

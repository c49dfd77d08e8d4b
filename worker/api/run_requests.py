"""Routes that ask for the runs of a connection, and list them."""

import uuid
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Query, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from worker.api.idempotency import Once, OnlyOnce
from worker.api.inputs import ExternalId
from worker.api.paging import Cursor, Limit, next_cursor, read_cursor
from worker.api.query import Day, Wait, from_query_or_body
from worker.api.run_schemas import ImportIn, RefreshIn, RunOut, RunPage
from worker.api.runs import run_location, shown_run, wait_for_end
from worker.api.services import Services, ServicesDep, UserId
from worker.connections import connection_queries
from worker.runs import run_queries
from worker.runs.run_filter import RunFilter
from worker.runs.states import RunKind, RunRequest

router = APIRouter(tags=["connections"])

DryRun = Annotated[bool | None, Query(description="Decide everything, write nothing.")]
OneDay = Annotated[Day | None, Query(examples=["2026-01-01"])]
Age = Annotated[int | None, Query(ge=0, le=90 * 86_400, description="Only when the last good run is older (s).")]
OneAccount = Annotated[ExternalId | None, Query(description="The bank's id of one account.")]


@router.post(
    "/connections/{connection_id}/import", status_code=202, response_model=RunOut, responses={200: {"model": RunOut}}
)
async def start_import(  # noqa: PLR0913 - one argument per parameter
    connection_id: uuid.UUID,
    user_id: UserId,
    services: ServicesDep,
    only: OnlyOnce,
    wanted: ImportIn | None = None,
    *,
    dry_run: DryRun = None,
    from_date: OneDay = None,
    to_date: OneDay = None,
    account_id: OneAccount = None,
    wait: Wait = 0,
) -> Response:
    """Ask for an import. The same request while one is open answers with that run.

    What to import stands in the query or in the body. With `wait` the answer is the finished run, if it ends in time.
    """
    query = {"dry_run": dry_run, "from_date": from_date, "to_date": to_date, "account_id": account_id}
    asked = ImportIn.model_validate(from_query_or_body(query, wanted))
    request = RunRequest(
        connection_id=connection_id,
        kind=RunKind.IMPORT,
        account_external_id=asked.account_id,
        from_on=asked.from_date,
        to_on=asked.to_date,
        dry_run=asked.dry_run,
    )
    return await _ask(services, user_id, request, only, wait_s=wait)


@router.post(
    "/connections/{connection_id}/refresh", status_code=202, response_model=RunOut, responses={200: {"model": RunOut}}
)
async def start_refresh(  # noqa: PLR0913 - one argument per parameter
    connection_id: uuid.UUID,
    user_id: UserId,
    services: ServicesDep,
    only: OnlyOnce,
    wanted: RefreshIn | None = None,
    *,
    account_id: OneAccount = None,
    if_older_than_s: Age = None,
    wait: Wait = 0,
) -> Response:
    """Ask for what is new. The same request while one is open answers with that run; `wait` as for an import.

    With `if_older_than_s` the last good run is the answer while it is younger than that, and no bank is asked.
    """
    query = {"account_id": account_id, "if_older_than_s": if_older_than_s}
    asked = RefreshIn.model_validate(from_query_or_body(query, wanted))
    age_s = asked.if_older_than_s
    request = RunRequest(
        connection_id=connection_id,
        kind=RunKind.REFRESH,
        account_external_id=asked.account_id,
        if_older_than=None if age_s is None else timedelta(seconds=age_s),
    )
    return await _ask(services, user_id, request, only, wait_s=wait)


@router.get("/connections/{connection_id}/import-runs")
def list_runs(
    connection_id: uuid.UUID, user_id: UserId, services: ServicesDep, limit: Limit = 20, cursor: Cursor = None
) -> RunPage:
    """List a connection's runs, newest first."""
    wanted = RunFilter(user_id=user_id, connection_id=connection_id, after=read_cursor(cursor), limit=limit)
    with services.sessions() as session:
        connection_queries.find(session, connection_id, user_id=user_id)
        rows = run_queries.list_runs(session, wanted)
    return RunPage(items=[RunOut.model_validate(row) for row in rows], next=next_cursor(rows, limit))


async def _ask(services: Services, user_id: int, request: RunRequest, only: Once, *, wait_s: int) -> Response:
    nudges = BackgroundTasks()

    def make() -> RunOut:
        with services.sessions() as session:
            connection_queries.find(session, request.connection_id, user_id=user_id)
            run_id = services.ask(session, request, nudges)
            return shown_run(session, run_id, user_id)

    asked = await run_in_threadpool(only.answer, make, status=202, location=run_location)
    if not wait_s or asked.status_code != HTTPStatus.ACCEPTED:
        asked.background = nudges
        return asked
    await nudges()
    run_id = uuid.UUID(asked.headers["Location"].rpartition("/")[2])
    ended = await wait_for_end(services, user_id, run_id, wait_s=wait_s)
    return (
        asked
        if ended is None
        else JSONResponse(ended.model_dump(mode="json"), headers={"Location": run_location(ended)})
    )

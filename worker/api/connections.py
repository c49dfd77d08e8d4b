"""Routes of connections: link, look, change, end, and ask for runs."""

import uuid
from datetime import date, timedelta
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Path, Query, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from worker.api.idempotency import Once, OnlyOnce
from worker.api.paging import Cursor, Limit, next_cursor, read_cursor
from worker.api.query import Wait, from_query_or_body
from worker.api.runs import wait_for_end
from worker.api.schemas import (
    AccountChangeIn,
    AccountOut,
    ConnectionChangeIn,
    ConnectionOut,
    ConnectorOut,
    CredentialsIn,
    ExternalId,
    ImportIn,
    NewConnectionIn,
    RefreshIn,
    RemovedOut,
    RunOut,
    RunPage,
)
from worker.api.services import Services, ServicesDep, UserId
from worker.audit import acting_as
from worker.connections import choices, connection_queries, lifecycle
from worker.connections.choices import Schedule
from worker.connections.lifecycle import NewConnection
from worker.connections.validation import read
from worker.connectors.errors import ConnectorNotFoundError
from worker.runs import run_queries
from worker.runs.run_queries import RunFilter
from worker.runs.states import RunKind, RunRequest

router = APIRouter(tags=["connections"])

AccountId = Annotated[int, Path(ge=1, le=2**63 - 1)]
_SCHEDULE = ("refresh_interval_s", "refresh_from_hour", "refresh_until_hour")


@router.get("/connectors")
def list_connectors(_user_id: UserId, services: ServicesDep) -> list[ConnectorOut]:
    """List the connectors that users may link, with the schemas of their configs, for a form to be drawn from."""
    registry = services.runtime.registry
    listed = []
    for name in registry.offered(services.runtime.settings.connectors_enabled):
        try:
            connector = registry.get(name)
        except ConnectorNotFoundError:
            continue  # announced by a package that does not load: `finmind-worker connectors` says why
        listed.append(
            ConnectorOut(
                name=name,
                display_name=connector.display_name,
                history_days=connector.capabilities.history_days,
                pending=connector.capabilities.pending,
                config_schema=connector.Config.model_json_schema(),
            )
        )
    return listed


@router.post("/connections", status_code=201, response_model=ConnectionOut)
def add_connection(wanted: NewConnectionIn, user_id: UserId, services: ServicesDep, only: OnlyOnce) -> Response:
    """Link a bank. A one-time token is exchanged once; send an `Idempotency-Key` so that a repeat links nothing."""

    def make() -> ConnectionOut:
        with acting_as(f"api:user:{user_id}"):
            return _connection(services, user_id, lifecycle.add(services.connection_service, _new(user_id, wanted)))

    return only.answer(make, status=201, location=lambda made: f"/bank-connections/connections/{made.id}")


@router.get("/connections")
def list_connections(user_id: UserId, services: ServicesDep) -> list[ConnectionOut]:
    """List the caller's connections, oldest first."""
    with services.sessions() as session:
        return [ConnectionOut.of(row) for row in connection_queries.list_connections(session, user_id=user_id)]


@router.get("/connections/{connection_id}")
def show_connection(connection_id: uuid.UUID, user_id: UserId, services: ServicesDep) -> ConnectionOut:
    """Show one connection."""
    return _connection(services, user_id, connection_id)


@router.patch("/connections/{connection_id}")
def change_connection(
    connection_id: uuid.UUID, change: ConnectionChangeIn, user_id: UserId, services: ServicesDep
) -> ConnectionOut:
    """Rename, pause or resume a connection, or change its policies and schedule."""
    given = change.model_dump(exclude_unset=True)
    with services.sessions() as session:
        row = connection_queries.find(session, connection_id, user_id=user_id, lock=True)
        if change.display_name is not None:
            choices.rename(row, change.display_name)
        if change.options is not None:
            choices.change_options(row, change.options)
        if any(name in given for name in _SCHEDULE):
            choices.change_schedule(row, _schedule(given))
        session.flush()
        if change.status is not None:
            step = lifecycle.pause if change.status == "paused" else lifecycle.resume
            step(session, connection_id, user_id=user_id)
    return _connection(services, user_id, connection_id)


@router.delete("/connections/{connection_id}")
def remove_connection(
    connection_id: uuid.UUID,
    user_id: UserId,
    services: ServicesDep,
    delete_expenses: Annotated[bool, Query(description="Also delete the expenses that imports wrote.")] = False,  # noqa: FBT002 - a query parameter
) -> RemovedOut:
    """End the authorisation at the provider where possible, and forget the credentials for good."""
    with acting_as(f"api:user:{user_id}"):
        removed = lifecycle.remove(
            services.connection_service, connection_id, delete_expenses=delete_expenses, user_id=user_id
        )
    services.runtime.cache.clear(removed.user_id, removed.months)
    return RemovedOut(id=connection_id, revoked_at_provider=removed.revoked, expenses_deleted=removed.expenses_deleted)


@router.post("/connections/{connection_id}/refresh-auth")
def refresh_auth(
    connection_id: uuid.UUID, given: CredentialsIn, user_id: UserId, services: ServicesDep
) -> ConnectionOut:
    """Give a connection new credentials in place; accounts and history stay."""
    with acting_as(f"api:user:{user_id}"):
        lifecycle.reauthorise(services.connection_service, connection_id, given.config, user_id=user_id)
    return _connection(services, user_id, connection_id)


@router.get("/connections/{connection_id}/accounts")
def list_accounts(connection_id: uuid.UUID, user_id: UserId, services: ServicesDep) -> list[AccountOut]:
    """List the accounts of a connection; empty before its first import."""
    with services.sessions() as session:
        connection_queries.find(session, connection_id, user_id=user_id)
        return [AccountOut.model_validate(row) for row in connection_queries.list_accounts(session, connection_id)]


@router.patch("/connections/{connection_id}/accounts/{account_id}")
def change_account(
    connection_id: uuid.UUID,
    account_id: AccountId,
    change: AccountChangeIn,
    user_id: UserId,
    services: ServicesDep,
) -> AccountOut:
    """Import an account or leave it out, and say whether its bank states amounts with the opposite sign."""
    with services.sessions() as session:
        connection_queries.find(session, connection_id, user_id=user_id)
        if change.included is not None:
            choices.include_account(session, connection_id, account_id, included=change.included)
        if change.inverted is not None:
            choices.invert_account(session, connection_id, account_id, inverted=change.inverted)
        return AccountOut.model_validate(connection_queries.find_account(session, connection_id, account_id))


DryRun = Annotated[bool | None, Query(description="Decide everything, write nothing.")]
Day = Annotated[date | None, Query(examples=["2026-01-01"])]
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
    from_date: Day = None,
    to_date: Day = None,
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
    wait: Wait = 0,
) -> Response:
    """Ask for what is new. The same request while one is open answers with that run; `wait` as for an import."""
    asked = RefreshIn.model_validate(from_query_or_body({"account_id": account_id}, wanted))
    request = RunRequest(connection_id=connection_id, kind=RunKind.REFRESH, account_external_id=asked.account_id)
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
            return RunOut.model_validate(run_queries.run_of(session, run_id, user_id=user_id))

    asked = await run_in_threadpool(only.answer, make, status=202, location=_run_location)
    if not wait_s or asked.status_code != HTTPStatus.ACCEPTED:
        asked.background = nudges
        return asked
    await nudges()
    run_id = uuid.UUID(asked.headers["Location"].rpartition("/")[2])
    ended = await wait_for_end(services, user_id, run_id, wait_s=wait_s)
    return (
        asked
        if ended is None
        else JSONResponse(ended.model_dump(mode="json"), headers={"Location": _run_location(ended)})
    )


def _run_location(run: RunOut) -> str:
    return f"/bank-connections/import-runs/{run.id}"


def _connection(services: Services, user_id: int, connection_id: uuid.UUID) -> ConnectionOut:
    with services.sessions() as session:
        return ConnectionOut.of(
            connection_queries.describe(connection_queries.find(session, connection_id, user_id=user_id))
        )


def _new(user_id: int, wanted: NewConnectionIn) -> NewConnection:
    return NewConnection(
        user_id=user_id,
        connector_name=wanted.connector_name,
        config=wanted.config,
        name=wanted.display_name,
        institution_name=wanted.institution_name,
        options=wanted.options,
        schedule=read(Schedule, _schedule(wanted.model_dump()), what="schedule"),
    )


def _schedule(given: dict[str, Any]) -> dict[str, Any]:
    named = {name.removesuffix("_s"): given[name] for name in _SCHEDULE if name in given}
    if named.get("refresh_interval") is not None:
        named["refresh_interval"] = timedelta(seconds=named["refresh_interval"])
    return named

"""Routes of connections and their accounts: link, list, change, remove."""

import uuid
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Query, Response
from fastapi.concurrency import run_in_threadpool

from worker.api.connection_schemas import (
    AccountChangeIn,
    AccountOut,
    ConnectionChangeIn,
    ConnectionOut,
    CredentialsIn,
    NewConnectionIn,
    NewConnectionOut,
    RemovedOut,
)
from worker.api.first_imports import AccountsWait, read_new, with_accounts
from worker.api.idempotency import OnlyOnce
from worker.api.inputs import RowId
from worker.api.paging import Listed
from worker.api.services import Services, ServicesDep, UserId
from worker.audit import acting_as
from worker.connections import connection_changes, connection_queries, lifecycle
from worker.connections.connection_changes import Schedule
from worker.connections.lifecycle import NewConnection
from worker.connections.validation import read
from worker.runs.request import note_seen

router = APIRouter(tags=["connections"])

_SCHEDULE = ("refresh_interval_s", "refresh_from_hour", "refresh_until_hour")


@router.post("/connections", status_code=201, response_model=NewConnectionOut)
async def add_connection(
    wanted: NewConnectionIn, user_id: UserId, services: ServicesDep, only: OnlyOnce, wait: AccountsWait = 0
) -> Response:
    """Link a bank. A one-time token is exchanged once; send an `Idempotency-Key` so that a repeat links nothing.

    With `wait` the first import begins at once, and `accounts` are those that the bank lists, if it does so in time.
    """
    nudges = BackgroundTasks()

    def make() -> NewConnectionOut:
        with acting_as(f"api:user:{user_id}"):
            connection_id = lifecycle.add(services.connection_service, _new(user_id, wanted))
        return read_new(services, user_id, connection_id, nudges if wait else None)

    made = await run_in_threadpool(
        only.answer, make, status=201, location=lambda new: f"/bank-connections/connections/{new.id}"
    )
    return await with_accounts(services, user_id, made, nudges, wait_s=wait)


@router.get("/connections")
def list_connections(user_id: UserId, services: ServicesDep) -> Listed[ConnectionOut]:
    """List the caller's connections, oldest first."""
    with services.sessions() as session:
        note_seen(session, user_id)
        found = connection_queries.list_connections(session, user_id=user_id)
    return Listed(items=[ConnectionOut.of(row) for row in found])


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
            connection_changes.rename(row, change.display_name)
        if change.options is not None:
            connection_changes.change_options(row, change.options)
        if any(name in given for name in _SCHEDULE):
            connection_changes.change_schedule(row, _schedule(given))
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
def list_accounts(connection_id: uuid.UUID, user_id: UserId, services: ServicesDep) -> Listed[AccountOut]:
    """List the accounts of a connection; empty before its first import."""
    with services.sessions() as session:
        connection_queries.find(session, connection_id, user_id=user_id)
        found = connection_queries.list_accounts(session, connection_id)
    return Listed(items=[AccountOut.model_validate(row) for row in found])


@router.patch("/connections/{connection_id}/accounts/{account_id}")
def change_account(
    connection_id: uuid.UUID,
    account_id: RowId,
    change: AccountChangeIn,
    user_id: UserId,
    services: ServicesDep,
) -> AccountOut:
    """Import an account or leave it out, and say whether its bank states amounts with the opposite sign."""
    with services.sessions() as session:
        connection_queries.find(session, connection_id, user_id=user_id)
        if change.included is not None:
            connection_changes.include_account(session, connection_id, account_id, included=change.included)
        if change.inverted is not None:
            connection_changes.invert_account(session, connection_id, account_id, inverted=change.inverted)
        return AccountOut.model_validate(connection_queries.find_account(session, connection_id, account_id))


def _connection(services: Services, user_id: int, connection_id: uuid.UUID) -> ConnectionOut:
    with services.sessions() as session:
        return ConnectionOut.of(
            connection_queries.describe_with_bank(
                session, connection_queries.find(session, connection_id, user_id=user_id)
            )
        )


def _new(user_id: int, wanted: NewConnectionIn) -> NewConnection:
    return NewConnection(
        user_id=user_id,
        connector_name=wanted.connector_name,
        config=wanted.config,
        name=wanted.display_name,
        institution_name=wanted.institution_name,
        institution_chosen=True,
        options=wanted.options,
        schedule=read(Schedule, _schedule(wanted.model_dump()), what="schedule"),
    )


def _schedule(given: dict[str, Any]) -> dict[str, Any]:
    named = {name.removesuffix("_s"): given[name] for name in _SCHEDULE if name in given}
    if named.get("refresh_interval") is not None:
        named["refresh_interval"] = timedelta(seconds=named["refresh_interval"])
    return named

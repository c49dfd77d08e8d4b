"""Routes of rejected rows: list them, leave them out, and open them again."""

import uuid
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, StringConstraints

from worker.api.inputs import ExternalId, Input, RowId, Text
from worker.api.paging import AfterId, Limit, Listed, next_id
from worker.api.services import Services, ServicesDep, UserId
from worker.audit import acting_as
from worker.bank_accounts import dismissals
from worker.bank_accounts.dismissals import RejectionChoice, RejectionFilter, RejectionState
from worker.connections import connection_queries

router = APIRouter(tags=["rejections"])

Code = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,40}$")]


class StandingRejectionOut(BaseModel):
    """A row that could not be imported. raw: as the bank delivered it."""

    id: int
    state: RejectionState
    run_id: uuid.UUID
    connection_id: uuid.UUID
    connection_name: str
    account_external_id: str | None
    account: str | None
    code: str
    message: str
    external_id: str | None
    raw: str
    created_at: datetime
    resolved_at: datetime | None
    dismissed_at: datetime | None
    dismissed_by: str | None
    dismissed_why: str | None
    dismissed_run_id: uuid.UUID | None


class RejectionCountOut(BaseModel):
    """How many rows of an account have one reason. account: null for rows of an account that the bank does not list."""

    account: str | None
    account_external_id: str | None
    code: str
    open: int = Field(description="They keep runs from success.")
    dismissed: int = Field(description="A person left them out.")


class DismissIn(Input):
    """Why the row is left out; it is kept with the decision."""

    why: Text


class RejectionsIn(Input):
    """Which rejected rows of the connection: all of one reason, of one account or of all."""

    code: Code = Field(examples=["amount_invalid"])
    account_id: ExternalId | None = Field(default=None, description="The bank's id of one account.")


class DismissAllIn(RejectionsIn):
    """Which rejected rows of the connection are left out, and why."""

    why: Text


class RejectionsDecidedOut(BaseModel):
    """What became of the rows. The run keeps the decision in the history."""

    run_id: uuid.UUID
    rejections: int = Field(description="How many rows were left out, or opened again.")
    open: int = Field(description="How many of the connection are open now.")


@router.get("/rejections")
def list_standing_rejections(  # noqa: PLR0913 - one argument per parameter
    user_id: UserId,
    services: ServicesDep,
    *,
    state: RejectionState = RejectionState.OPEN,
    connection_id: uuid.UUID | None = None,
    code: Annotated[str | None, Query(pattern=r"^[a-z0-9_]{1,40}$", examples=["amount_invalid"])] = None,
    limit: Limit = 100,
    after: AfterId = 0,
) -> Listed[StandingRejectionOut]:
    """List the caller's rejected rows, oldest first."""
    wanted = RejectionFilter(state=state, connection_id=connection_id, code=code)
    with services.sessions() as session:
        rows = dismissals.list_rejections(session, user_id, wanted, limit=limit, after=after)
    return Listed(items=[StandingRejectionOut.model_validate(row) for row in rows], next=next_id(rows, limit))


@router.post("/rejections/{rejection_id}/dismiss")
def dismiss_rejection(
    rejection_id: RowId, wanted: DismissIn, user_id: UserId, services: ServicesDep
) -> RejectionsDecidedOut:
    """Leave a row out that could not be imported: it keeps no run from success any more, and stays on record."""
    return _decide(services, user_id, RejectionChoice(rejection_id=rejection_id), wanted.why)


@router.post("/rejections/{rejection_id}/reopen")
def reopen_rejection(rejection_id: RowId, user_id: UserId, services: ServicesDep) -> RejectionsDecidedOut:
    """Take a dismissal back: the row is open again."""
    return _decide(services, user_id, RejectionChoice(rejection_id=rejection_id), None)


@router.get("/connections/{connection_id}/rejections")
def count_rejections(connection_id: uuid.UUID, user_id: UserId, services: ServicesDep) -> Listed[RejectionCountOut]:
    """Count the rows of a connection that could not be imported, by account and reason."""
    with services.sessions() as session:
        connection_queries.find(session, connection_id, user_id=user_id)
        groups = dismissals.rejection_groups(session, connection_id)
    return Listed(items=[RejectionCountOut.model_validate(group) for group in groups])


@router.post("/connections/{connection_id}/rejections/dismiss")
def dismiss_rejections(
    connection_id: uuid.UUID, wanted: DismissAllIn, user_id: UserId, services: ServicesDep
) -> RejectionsDecidedOut:
    """Leave all rows of one reason out, of an account or of the connection."""
    return _decide(services, user_id, _all_of(connection_id, wanted), wanted.why)


@router.post("/connections/{connection_id}/rejections/reopen")
def reopen_rejections(
    connection_id: uuid.UUID, wanted: RejectionsIn, user_id: UserId, services: ServicesDep
) -> RejectionsDecidedOut:
    """Take the dismissal of all rows of one reason back."""
    return _decide(services, user_id, _all_of(connection_id, wanted), None)


def _all_of(connection_id: uuid.UUID, wanted: RejectionsIn) -> RejectionChoice:
    return RejectionChoice(connection_id=connection_id, code=wanted.code, account_external_id=wanted.account_id)


def _decide(services: Services, user_id: int, choice: RejectionChoice, why: str | None) -> RejectionsDecidedOut:
    with acting_as(f"api:user:{user_id}"), services.sessions() as session:
        if why is None:
            decided = dismissals.reopen(session, choice, user_id=user_id)
        else:
            decided = dismissals.dismiss(session, choice, user_id=user_id, why=why)
    return RejectionsDecidedOut.model_validate(decided, from_attributes=True)

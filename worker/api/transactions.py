"""Routes of single rows: the story of one, and taking back what it was matched with."""

import uuid
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from worker.api.inputs import Input, RowId, one_of
from worker.api.services import ServicesDep, UserId
from worker.bank_accounts.row_story import story_of
from worker.bank_accounts.unmatching import RowMatch, unmatch
from worker.importer.decide.stored_row import State

router = APIRouter(prefix="/transactions", tags=["transactions"])


class ConfirmingRowOut(BaseModel):
    """What one source states of a purchase. The first one of a list has the expense; the others are its twins."""

    transaction_id: int
    source_id: int
    source: str
    connector_name: str
    connection: str
    on: date
    amount: Decimal
    currency: str
    description: str
    counterparty: str | None
    state: str = one_of(State)
    expense_state: str
    expense_id: int | None
    leads: list[str] = Field(
        description="What it is believed for before the other sources.", examples=[["amount", "day"]]
    )
    contradicts: list[str] = Field(description="Fields in which it differs from the source that leads.")


class KeptApartOut(BaseModel):
    """Two that a person said are not one. `POST /suggestions/{id}/undo` takes that back."""

    suggestion_id: int
    kind: str
    transaction_id: int | None
    other_transaction_id: int | None
    expense_id: int | None


class RowEventOut(BaseModel):
    """One decision about a row."""

    at: datetime
    run_id: uuid.UUID | None
    run_kind: str | None
    decision: str
    reason: str


class TransactionStory(BaseModel):
    """A row, which sources confirm it, and what was decided about it."""

    id: int
    on: date
    amount: Decimal
    currency: str
    description: str
    counterparty: str | None
    state: str
    expense_state: str
    expense_id: int | None
    transfer_peer_id: int | None
    confirmed_by: list[ConfirmingRowOut]
    matches: list[RowMatch] = Field(description="What can be taken back.")
    kept_apart: list[KeptApartOut]
    history: list[RowEventOut]


class UnmatchIn(Input):
    """Which decision to take back; not needed where there is only one."""

    match: RowMatch | None = None


class UnmatchedOut(BaseModel):
    """What was taken back. The run is in the history; the suggestion keeps the two apart."""

    run_id: uuid.UUID
    match: str
    suggestion_id: int
    transaction_ids: list[int]


@router.get("/{transaction_id}")
def show_transaction(transaction_id: RowId, user_id: UserId, services: ServicesDep) -> TransactionStory:
    """Show a row of the bank: its sources, the decisions about it, and what can be taken back."""
    with services.sessions() as session:
        story: dict[str, Any] = story_of(session, transaction_id, user_id=user_id)
        return TransactionStory.model_validate(story)


@router.post("/{transaction_id}/unmatch")
def unmatch_transaction(
    transaction_id: RowId, wanted: UnmatchIn, user_id: UserId, services: ServicesDep
) -> UnmatchedOut:
    """Take one automatic decision back: a linked expense, a twin, a transfer, or a row that took another's place."""
    with services.sessions() as session:
        undone = unmatch(session, transaction_id, user_id=user_id, match=wanted.match)
    services.runtime.cache.clear(user_id, undone.months)
    return UnmatchedOut.model_validate(undone, from_attributes=True)

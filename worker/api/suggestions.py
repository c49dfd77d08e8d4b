"""Routes of suggestions: list, accept and decline them, and take an answer back."""

import uuid
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel

from worker.api.inputs import RowId, one_of
from worker.api.paging import AfterId, Limit, Listed
from worker.api.services import ServicesDep, UserId
from worker.bank_accounts.answers import undo_answer
from worker.importer.actions import suggestions

router = APIRouter(prefix="/suggestions", tags=["suggestions"])


class SuggestionOut(BaseModel):
    """A question: is what the bank says (`bank`) the same as `other`?

    One of kind `withdrawn` asks whether a row is gone that the bank's answers come without. One of kind
    `balance` asks whether the `balance` of an account, which its rows do not explain, is right from its day on. One of
    kind `transfer` tells in `other` the `amount` and `currency` of the other leg, and the `costs` (each an amount and a
    currency) that stay expenses. Both sides name their `account`, `connection` (its name) and `connection_id`, where
    they have them.
    """

    id: int
    run_id: uuid.UUID | None
    kind: str = one_of(suggestions.KINDS)
    reason: str
    bank: dict[str, Any]
    other: dict[str, Any]


@router.get("")
def list_suggestions(
    user_id: UserId,
    services: ServicesDep,
    status: Literal["open", "accepted", "declined", "obsolete"] = "open",
    limit: Limit = 100,
    after: AfterId = 0,
) -> Listed[SuggestionOut]:
    """List the caller's suggestions, oldest first."""
    with services.sessions() as session:
        found = suggestions.list_suggestions(session, user_id, status=status, limit=limit, after=after)
    items = [SuggestionOut.model_validate(view, from_attributes=True) for view in found]
    return Listed(items=items, next=items[-1].id if len(items) == limit else None)


@router.post("/{suggestion_id}/accept", status_code=204)
def accept_suggestion(suggestion_id: RowId, user_id: UserId, services: ServicesDep) -> None:
    """Say yes: the two are one, the category is taken, or the row is gone."""
    with services.sessions() as session:
        months = suggestions.accept(session, suggestion_id, user_id=user_id)
    services.runtime.cache.clear(user_id, months)


@router.post("/{suggestion_id}/decline", status_code=204)
def decline_suggestion(suggestion_id: RowId, user_id: UserId, services: ServicesDep) -> None:
    """Say no: both stay as they are, or the row is kept, and the suggestion does not come back."""
    with services.sessions() as session:
        suggestions.decline(session, suggestion_id, user_id=user_id)


@router.post("/{suggestion_id}/undo", status_code=204)
def undo_suggestion(suggestion_id: RowId, user_id: UserId, services: ServicesDep) -> None:
    """Take an answer back: what was accepted is parted again, and the question is open again."""
    with services.sessions() as session:
        months = undo_answer(session, suggestion_id, user_id=user_id)
    services.runtime.cache.clear(user_id, months)

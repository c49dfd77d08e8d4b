"""Routes of suggestions: what the importer would not decide by itself."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel

from worker.api.paging import Limit
from worker.api.services import ServicesDep, UserId
from worker.importer.actions import suggestions

router = APIRouter(prefix="/suggestions", tags=["suggestions"])

SuggestionId = Annotated[int, Path(ge=1, le=2**63 - 1)]


class SuggestionOut(BaseModel):
    """A question: is what the bank says (`bank`) the same as `other`?"""

    id: int
    kind: Literal["expense", "transfer", "account", "category"]
    reason: str
    bank: dict[str, Any]
    other: dict[str, Any]


@router.get("")
def list_suggestions(
    user_id: UserId,
    services: ServicesDep,
    status: Literal["open", "accepted", "declined", "obsolete"] = "open",
    limit: Limit = 100,
) -> list[SuggestionOut]:
    """List the caller's suggestions, oldest first."""
    with services.sessions() as session:
        found = suggestions.list_suggestions(session, user_id, status=status, limit=limit)
    return [SuggestionOut.model_validate(view, from_attributes=True) for view in found]


@router.post("/{suggestion_id}/accept", status_code=204)
def accept_suggestion(suggestion_id: SuggestionId, user_id: UserId, services: ServicesDep) -> None:
    """Say yes: the two are one, or the category is taken."""
    with services.sessions() as session:
        suggestions.accept(session, suggestion_id, user_id=user_id)


@router.post("/{suggestion_id}/decline", status_code=204)
def decline_suggestion(suggestion_id: SuggestionId, user_id: UserId, services: ServicesDep) -> None:
    """Say no: both stay as they are, and the suggestion does not come back."""
    with services.sessions() as session:
        suggestions.decline(session, suggestion_id, user_id=user_id)

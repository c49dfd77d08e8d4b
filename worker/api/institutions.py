"""Routes of banks: whether they answer, and how they usually do."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from worker.api.paging import Listed
from worker.api.services import ServicesDep, UserId
from worker.runs.providers.outage_records import institutions

router = APIRouter(tags=["institutions"])


class InstitutionOut(BaseModel):
    """A bank as runs of the last 14 days found it. Figures of a bank with fewer than five users are null.

    success: share of good runs. freshness: share of connections with a good run in the last day.
    """

    connector_name: str = Field(examples=["enablebanking"])
    institution: str = Field(examples=["Nordea"])
    state: Literal["ok", "down"]
    outage_since_at: datetime | None
    sentence: str | None
    current_error: str | None
    success: float | None
    freshness: float | None
    lateness_days: int | None
    connections: int | None
    last_good_at: datetime | None


@router.get("/institutions")
def list_institutions(
    user_id: UserId,
    services: ServicesDep,
    connector_name: Annotated[str | None, Query(max_length=50)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 200,
) -> Listed[InstitutionOut]:
    """List the caller's banks and those with users enough to say something of, the ones that are down first."""
    with services.sessions() as session:
        rows = institutions(session, user_id=user_id, connector_name=connector_name, limit=limit)
    return Listed(items=[InstitutionOut.model_validate(row) for row in rows])

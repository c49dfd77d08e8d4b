"""Operator's pages of webhook deliveries: receivers with waiting deliveries, and dead letters."""

import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy.orm import Session

from worker.api.ops.access import Operator, OwnForm, acting_operator
from worker.api.ops.rendering import RELOAD_S, PageRoute, confirmation, done, page
from worker.api.problems import ProblemError
from worker.api.services import ServicesDep
from worker.audit import record_operation
from worker.status.dead_letters import dead_letters, receivers
from worker.webhooks.replay import MAX_REPLAYS, replay_dead, replay_event

router = APIRouter(prefix="/ops", route_class=PageRoute)
_ROWS = 50
_PATH = "/ops/deliveries"


@router.get("/deliveries")
def list_deliveries(
    request: Request,
    services: ServicesDep,
    before: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    subscription: Annotated[uuid.UUID | None, Query()] = None,
) -> HTMLResponse:
    """List receivers in trouble and deliveries that were given up."""
    with services.sessions() as session:
        letters = dead_letters(session, subscription_id=subscription, before_id=before, limit=_ROWS)
        waiting = receivers(session)
    return page(
        "deliveries.html",
        request,
        letters=letters,
        receivers=waiting,
        subscription=subscription,
        older=letters[-1]["id"] if len(letters) == _ROWS else None,
        reload_s=RELOAD_S,
    )


@router.post("/dead-letters/replay", dependencies=[OwnForm])
def replay(
    event_id: Annotated[uuid.UUID, Form()],
    subscription_id: Annotated[uuid.UUID, Form()],
    name: Operator,
    services: ServicesDep,
) -> Response:
    """Send one dead letter again."""
    with acting_operator(services, name) as session:
        letter = _dead_letter(session, event_id, subscription_id)
        replay_event(session, letter["user_id"], subscription_id, event_id)
        record_operation(
            session,
            "webhooks replay",
            table="webhook_subscriptions",
            row_id=str(subscription_id),
            user_id=letter["user_id"],
            event_id=str(event_id),
        )
    return done(_PATH, "send-again")


@router.post("/dead-letters/replay-all", dependencies=[OwnForm])
def replay_all(
    request: Request,
    name: Operator,
    services: ServicesDep,
    subscription_id: Annotated[str, Form()] = "",
    confirmed: Annotated[str, Form()] = "",
) -> Response:
    """Send all dead letters again, or those of one receiver; asks before it does."""
    try:
        only = uuid.UUID(subscription_id) if subscription_id else None
    except ValueError:
        raise ProblemError(422, "invalid_request", "subscription_id: an id") from None
    if not confirmed:
        question = f"Send again what was given up{' for this receiver' if only else ''}? At most {MAX_REPLAYS} at once."
        fields = {"subscription_id": subscription_id}
        return confirmation(request, question=question, button="Send all again", fields=fields, back=_PATH)
    with acting_operator(services, name) as session:
        count = replay_dead(session, only)
        record_operation(
            session, "webhooks replay-dead", table="webhook_subscriptions", row_id=str(only or "all"), count=count
        )
    return done(_PATH, "bulk")


def _dead_letter(session: Session, event_id: uuid.UUID, subscription_id: uuid.UUID) -> dict[str, Any]:
    for letter in dead_letters(session, subscription_id=subscription_id, event_id=event_id, limit=1):
        return letter
    raise ProblemError(404, "not_found", "this delivery is not a dead letter any more")

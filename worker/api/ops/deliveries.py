"""Operator's pages of webhook deliveries: receivers with waiting deliveries, and dead letters."""

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy.orm import Session

from worker.api.ops.access import Operator, OwnForm
from worker.api.ops.bulk import BULK_LIMIT, BulkAction, BulkItem, ask_or_do, counted, do_audited, left_alone
from worker.api.ops.rendering import RELOAD_S, PageRoute, done, page
from worker.api.problems import ProblemError
from worker.api.services import ServicesDep
from worker.errors import NotFoundError
from worker.status.dead_letters import dead_letters, receivers
from worker.webhooks.replay import replay_event
from worker.webhooks.subscriptions import subscription_of

router = APIRouter(prefix="/ops", route_class=PageRoute)
_ROWS = 50
_PATH = "/ops/deliveries"
_COMMAND, _TABLE = "webhooks replay", "webhook_subscriptions"


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
    with services.sessions() as session:
        letter = _dead_letter(session, event_id, subscription_id)
    do_audited(services, name, _COMMAND, _TABLE, _item(letter))
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
    with services.sessions() as session:
        sent = dead_letters(session, subscription_id=only, sendable=True, limit=BULK_LIMIT)
        others = dead_letters(session, subscription_id=only, sendable=False, limit=BULK_LIMIT)
    bulk = BulkAction(
        question=_question(sent, others),
        button="Send all again",
        command=_COMMAND,
        table=_TABLE,
        items=[_item(letter) for letter in reversed(sent)],  # the oldest first, as they happened
        back=f"{_PATH}?subscription={only}" if only else _PATH,
        fields={"subscription_id": subscription_id},
    )
    return ask_or_do(request, services, name, bulk, confirmed=bool(confirmed))


def _question(sent: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]]) -> str:
    """Say how many dead letters are sent again and to how many receivers, and what is left alone."""
    left = left_alone(Counter(f"to a subscription that is {one['subscription_status']}" for one in others))
    more = f" At most {BULK_LIMIT} are sent at once." if len(sent) == BULK_LIMIT else ""
    if not sent:
        return f"There is no dead letter that can be sent again.{left}"
    receivers_ = counted(len({letter["subscription_id"] for letter in sent}), "receiver")
    what = f"Send {counted(len(sent), 'dead letter')} again, to {receivers_}?"
    return f"{what} Each is a new delivery of its event, with the event's own id.{left}{more}"


def _item(letter: Mapping[str, Any]) -> BulkItem[int]:
    user_id, subscription_id, event_id = letter["user_id"], letter["subscription_id"], letter["event_id"]

    def do(session: Session) -> int:
        subscription_of(session, user_id, subscription_id, locked=True)  # of two operators the second finds it sent
        _dead_letter(session, event_id, subscription_id)
        return replay_event(session, user_id, subscription_id, event_id)

    return BulkItem(row_id=str(subscription_id), user_id=user_id, do=do, detail={"event_id": str(event_id)})


def _dead_letter(session: Session, event_id: uuid.UUID, subscription_id: uuid.UUID) -> dict[str, Any]:
    for letter in dead_letters(session, subscription_id=subscription_id, event_id=event_id, limit=1):
        return letter
    raise NotFoundError("this delivery is not a dead letter any more")

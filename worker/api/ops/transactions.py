"""Operator's page of one row of a bank: what its sources state, every decision about it, and taking one back."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response

from worker.api.ops.access import Operator, OwnForm, acting_operator
from worker.api.ops.rendering import RELOAD_S, PageRoute, confirmation, done, page
from worker.api.services import ServicesDep
from worker.audit import record_operation, record_view
from worker.bank_accounts.row_story import owner_of, story_of
from worker.bank_accounts.unmatching import RowMatch, unmatch

router = APIRouter(prefix="/ops/transactions", route_class=PageRoute)


@router.get("/{transaction_id}")
def show_transaction(request: Request, transaction_id: int, name: Operator, services: ServicesDep) -> HTMLResponse:
    """Show the story of a row: its sources, the decisions about it, and what can be taken back."""
    with acting_operator(services, name) as session:
        user_id = owner_of(session, transaction_id)
        record_view(session, table="bank_transactions", row_id=str(transaction_id), user_id=user_id)
        story = story_of(session, transaction_id, user_id=user_id)
    return page("transaction.html", request, row=story, user_id=user_id, reload_s=RELOAD_S)


@router.post("/{transaction_id}/unmatch", dependencies=[OwnForm])
def unmatch_transaction(
    request: Request,
    transaction_id: int,
    name: Operator,
    services: ServicesDep,
    *,
    match: Annotated[RowMatch, Form()],
    confirmed: Annotated[str, Form()] = "",
) -> Response:
    """Take one automatic decision about a row back; asks before it does."""
    path = f"/ops/transactions/{transaction_id}"
    with acting_operator(services, name) as session:
        user_id = owner_of(session, transaction_id)
        if not confirmed:
            question = f"Take back what row {transaction_id} of user {user_id} was matched with ({match})?"
            return confirmation(request, question=question, button="Unmatch", fields={"match": match}, back=path)
        record_operation(session, "unmatch", table="bank_transactions", row_id=str(transaction_id), user_id=user_id)
        undone = unmatch(session, transaction_id, user_id=user_id, match=match)
    services.runtime.cache.clear(user_id, undone.months)
    return done(f"/ops/runs/{undone.run_id}", "unmatch")

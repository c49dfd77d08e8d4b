"""Operator's decisions about rejected rows of a connection: leave all of one reason out, or open them again."""

import uuid
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from worker.api.ops.access import Operator, OwnForm, acting_operator
from worker.api.ops.rendering import PageRoute, confirmation, done
from worker.api.services import ServicesDep
from worker.audit import record_operation
from worker.bank_accounts import dismissals
from worker.bank_accounts.dismissals import MAX_WHY, RejectionChoice
from worker.connections import connection_queries
from worker.errors import InvalidRequestError
from worker.inert_text import is_blank

router = APIRouter(prefix="/ops/connections/{connection_id}/rejections", route_class=PageRoute)


@router.post("/{action}", dependencies=[OwnForm])
def decide(  # noqa: PLR0913 - one argument per parameter
    request: Request,
    connection_id: uuid.UUID,
    action: Literal["dismiss", "reopen"],
    name: Operator,
    services: ServicesDep,
    *,
    code: Annotated[str, Form(pattern=r"^[a-z0-9_]{1,40}$")],
    account: Annotated[str, Form(max_length=255)] = "",
    why: Annotated[str, Form(max_length=MAX_WHY)] = "",
    confirmed: Annotated[str, Form()] = "",
) -> Response:
    """Leave the rows of one reason out, of an account or of the connection, or open them again; asks before it does."""
    back = f"/ops/connections/{connection_id}"
    if action == "dismiss" and is_blank(why):
        raise InvalidRequestError("say why the rows are left out")
    choice = RejectionChoice(
        connection_id=connection_id, code=code, account_external_id=account or None, of_no_account=not account
    )
    with acting_operator(services, name) as session:
        row = connection_queries.find(session, connection_id)
        if not confirmed:
            what = "Leave out" if action == "dismiss" else "Open again"
            whose = f"its account {account}" if account else "no account that the bank lists"
            question = f"{row.display_name}, user {row.user_id}: {what} the rejected rows of {whose}, reason {code}?"
            fields = {"code": code, "account": account, "why": why}
            return confirmation(request, question=question, button=what, fields=fields, back=back)
        table, row_id = "bank_connections", str(connection_id)
        record_operation(session, f"rejections {action}", table=table, row_id=row_id, user_id=row.user_id, code=code)
        if action == "dismiss":
            dismissals.dismiss(session, choice, user_id=row.user_id, why=why)
        else:
            dismissals.reopen(session, choice, user_id=row.user_id)
    return done(back, action)

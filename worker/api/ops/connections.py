"""Operator's pages of connections: a filtered list, the details of one, and actions on it."""

import uuid
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Form, Request
from fastapi.responses import HTMLResponse, Response

from worker.api.ops.access import Operator, OwnForm, acting_operator
from worker.api.ops.filters import CONNECTION_STATUSES, connection_filter, without_page
from worker.api.ops.rendering import RELOAD_S, PageRoute, confirmation, done, page
from worker.api.paging import cursor_of
from worker.api.services import ServicesDep
from worker.audit import record_operation, record_view
from worker.bank_accounts.dismissals import rejection_groups
from worker.connections import connection_queries, lifecycle
from worker.errors import NotFoundError
from worker.runs import run_queries
from worker.runs.providers.outage_records import banks_named
from worker.runs.run_filter import RunFilter, words_of
from worker.runs.states import RunKind, RunRequest
from worker.status.connection_pages import ConnectionOrder, allowances, list_connections, open_questions, place_of

router = APIRouter(prefix="/ops/connections", route_class=PageRoute)
_RUNS = 20
_QUESTIONS = {
    "refresh": "Ask the bank for what is new?",
    "pause": "Stop refreshing it by itself?",
    "resume": "Refresh it by itself again, at once?",
}


@router.get("")
def list_(request: Request, services: ServicesDep) -> HTMLResponse:
    """List connections by filter, a page at a time."""
    wanted = connection_filter(request.query_params)
    with services.sessions() as session:
        connections = list_connections(session, wanted)
        banks = banks_named(session, wanted.institution, words_of(wanted.text))
    older = None
    if len(connections) == wanted.limit:
        cursor = cursor_of(place_of(connections[-1], wanted.order))
        older = without_page(request.query_params, after=cursor)
    return page(
        "connections.html",
        request,
        connections=connections,
        banks=banks,
        older=older,
        orders=list(ConnectionOrder),
        statuses=CONNECTION_STATUSES,
        connectors=services.runtime.registry.names(),
        reload_s=RELOAD_S,
    )


@router.get("/{connection_id}")
def show(request: Request, connection_id: uuid.UUID, name: Operator, services: ServicesDep) -> HTMLResponse:
    """Show a connection: state, schedule, consent, allowances, accounts with their days, and its newest runs."""
    with acting_operator(services, name) as session:
        row = connection_queries.find(session, connection_id)
        record_view(session, table="bank_connections", row_id=str(connection_id), user_id=row.user_id)
        return page(
            "connection.html",
            request,
            connection=connection_queries.describe(row),
            accounts=connection_queries.list_accounts(session, connection_id),
            allowances=allowances(session, connection_id),
            questions=open_questions(session, connection_id),
            rejections=rejection_groups(session, connection_id),
            runs=run_queries.list_runs(session, RunFilter(connection_id=connection_id, limit=_RUNS)),
            actions=_possible(row.status),
            reload_s=RELOAD_S,
        )


@router.post("/{connection_id}/{action}", dependencies=[OwnForm])
def act(  # noqa: PLR0913 - one argument per parameter
    request: Request,
    connection_id: uuid.UUID,
    action: str,
    name: Operator,
    services: ServicesDep,
    *,
    background: BackgroundTasks,
    confirmed: Annotated[str, Form()] = "",
) -> Response:
    """Refresh, pause or resume a connection; asks before it does."""
    if action not in _QUESTIONS:
        raise NotFoundError("no such action")
    path = f"/ops/connections/{connection_id}"
    with acting_operator(services, name) as session:
        row = connection_queries.find(session, connection_id)
        if not confirmed:
            question = f"{row.display_name}, user {row.user_id}: {_QUESTIONS[action]}"
            return confirmation(request, question=question, button=action.capitalize(), fields={}, back=path)
        record_operation(
            session,
            f"connections {action}" if action != "refresh" else "refresh",
            table="bank_connections",
            row_id=str(connection_id),
            user_id=row.user_id,
        )
        if action == "refresh":
            asked = RunRequest(connection_id=connection_id, kind=RunKind.REFRESH)
            path = f"/ops/runs/{services.ask(session, asked, background)}"
        else:
            (lifecycle.pause if action == "pause" else lifecycle.resume)(session, connection_id)
    return done(path, action)


def _possible(status: str) -> list[str]:
    if status == "disconnected":
        return []
    return [
        "refresh",
        *(["pause"] if status == "active" else []),
        *(["resume"] if status in {"paused", "error"} else []),
    ]

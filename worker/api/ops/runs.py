"""Operator's pages of runs: a filtered list, the timeline of one, and actions on it."""

import uuid
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Form, Query, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import func, select

from worker.api.ops.access import Operator, OwnForm, acting_operator
from worker.api.ops.bulk import do_audited
from worker.api.ops.filters import RANGES, run_filter, without_page
from worker.api.ops.rendering import RELOAD_S, PageRoute, confirmation, done, page
from worker.api.ops.run_actions import BUTTONS, TABLE, command_of, item_of
from worker.api.paging import next_cursor
from worker.api.services import ServicesDep
from worker.audit import record_view
from worker.runs import run_queries
from worker.runs.providers.outage_records import banks_named
from worker.runs.run_actions import RunAction, reason_against
from worker.runs.run_filter import RunOrder, words_of
from worker.runs.states import CLOSED, RunKind, RunStatus
from worker.status.timeline import timeline

router = APIRouter(prefix="/ops/runs", route_class=PageRoute)
_ROWS = 200
_QUESTIONS = {
    RunAction.CANCEL: "Cancel it? What it has committed stays.",
    RunAction.RETRY: "Ask for the same again?",
    RunAction.REVERT: "Take back what it did? What people edited since is left alone and reported.",
    RunAction.REPLAY: "Try its rejected rows again?",
}


@router.get("")
def list_runs(request: Request, services: ServicesDep) -> HTMLResponse:
    """List runs by filter, a page at a time."""
    with services.sessions() as session:
        wanted = run_filter(request.query_params, session.execute(select(func.now())).scalar_one())
        runs = run_queries.list_runs(session, wanted)
        banks = banks_named(session, wanted.institution, words_of(wanted.text))
    cursor = next_cursor(runs, wanted.limit, wanted.order)
    return page(
        "runs.html",
        request,
        runs=runs,
        banks=banks,
        buttons=BUTTONS,
        older=without_page(request.query_params, after=cursor) if cursor else None,
        filter_query=without_page(request.query_params),
        statuses=list(RunStatus),
        kinds=list(RunKind),
        orders=list(RunOrder),
        ranges=[*RANGES, "all"],
        connectors=services.runtime.registry.names(),
        reload_s=RELOAD_S,
    )


@router.get("/{run_id}")
def show_run(
    request: Request,
    run_id: uuid.UUID,
    name: Operator,
    services: ServicesDep,
    *,
    after: Annotated[int, Query(ge=0, le=2**63 - 1)] = 0,
    decision: Annotated[str, Query(max_length=20)] = "",
) -> HTMLResponse:
    """Show a run: its moments, its accounts, and every row with the reason."""
    with acting_operator(services, name) as session:
        run = run_queries.told_run(session, run_id)
        record_view(session, table="bank_import_runs", row_id=str(run_id), user_id=run["user_id"])
        accounts = run_queries.accounts_of(session, run_id)
        decisions = run_queries.decisions_of(session, run_id, after_id=after, limit=_ROWS, decision=decision or None)
        rejections = run_queries.rejections_of(session, run_id, limit=_ROWS)
        open_rejections = run_queries.open_rejections(session, [run_id]).get(run_id, 0)
        reverted_kind = run_queries.kinds_taken_back(session, [run_id]).get(run_id)
    closed = run["status"] in CLOSED
    return page(
        "run.html",
        request,
        run=run,
        timeline=timeline(run, accounts),
        accounts=accounts,
        decisions=decisions,
        decision=decision,
        rejections=rejections,
        buttons={
            one: BUTTONS[one]
            for one in RunAction
            if reason_against(one, run, open_rejections=open_rejections, reverted_kind=reverted_kind) is None
        },
        next_after=decisions[-1]["id"] if len(decisions) == _ROWS else None,
        reload_s=None if closed else 3,
    )


@router.post("/{run_id}/{action}", dependencies=[OwnForm])
def act_on_run(  # noqa: PLR0913 - one argument per parameter
    request: Request,
    run_id: uuid.UUID,
    action: RunAction,
    name: Operator,
    services: ServicesDep,
    *,
    background: BackgroundTasks,
    confirmed: Annotated[str, Form()] = "",
) -> Response:
    """Cancel a run, ask for it again, take it back, or try its rejected rows again; asks before it does."""
    path = f"/ops/runs/{run_id}"
    with services.sessions() as session:
        run = run_queries.run_of(session, run_id)
    if not confirmed:
        about = f"{run['kind']} of {run['connection_name']}, user {run['user_id']}"
        question = f"{about}: {_QUESTIONS[action]}"
        return confirmation(request, question=question, button=BUTTONS[action], fields={}, back=path)
    new_run_id = do_audited(services, name, command_of(action), TABLE, item_of(services, action, run, background))
    return done(f"/ops/runs/{new_run_id or run_id}", action)

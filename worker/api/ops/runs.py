"""Operator's pages of runs: a filtered list, the timeline of one, and actions on it."""

import uuid
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Form, Query, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from worker.api.ops.access import Operator, OwnForm, acting_operator
from worker.api.ops.filters import RANGES, run_filter, without_page
from worker.api.ops.rendering import RELOAD_S, PageRoute, confirmation, done, page
from worker.api.paging import next_cursor
from worker.api.services import Services, ServicesDep
from worker.audit import record_operation, record_view
from worker.errors import ConflictError, NotFoundError
from worker.runs import commands, run_queries
from worker.runs.run_filter import RunOrder
from worker.runs.states import CLOSED, RunKind, RunRequest, RunStatus
from worker.status.timeline import timeline

router = APIRouter(prefix="/ops/runs", route_class=PageRoute)
_ROWS = 200
BULK_LIMIT = 1000
"""Runs that one action for a filter is done for; the rest is left for the next."""
_QUESTIONS = {
    "cancel": "Cancel it? What it has committed stays.",
    "retry": "Ask for the same again?",
    "revert": "Take back what it did? What people edited since is left alone and reported.",
    "replay": "Try its rejected rows again?",
}
_REQUESTS: dict[str, Callable[[Session, uuid.UUID], RunRequest]] = {
    "retry": commands.retry_request,
    "revert": commands.revert_request,
    "replay": commands.replay_request,
}
_BULK = {"cancel": "Cancel", "retry": "Ask again for"}


@router.get("")
def list_runs(request: Request, services: ServicesDep) -> HTMLResponse:
    """List runs by filter, a page at a time."""
    with services.sessions() as session:
        wanted = run_filter(request.query_params, session.execute(select(func.now())).scalar_one())
        runs = run_queries.list_runs(session, wanted)
    cursor = next_cursor(runs, wanted.limit, wanted.order)
    return page(
        "runs.html",
        request,
        runs=runs,
        older=without_page(request.query_params, after=cursor) if cursor else None,
        filter_query=without_page(request.query_params),
        statuses=list(RunStatus),
        kinds=list(RunKind),
        orders=list(RunOrder),
        ranges=[*RANGES, "all"],
        connectors=services.runtime.registry.names(),
        reload_s=RELOAD_S,
    )


@router.post("/bulk/{action}", dependencies=[OwnForm])
def act_on_filtered(
    request: Request,
    action: str,
    name: Operator,
    services: ServicesDep,
    *,
    background: BackgroundTasks,
    confirmed: Annotated[str, Form()] = "",
) -> Response:
    """Cancel, or ask again for, every run that the filter of the query names; at most a thousand at once."""
    if action not in _BULK:
        raise NotFoundError("no such action")
    with services.sessions() as session:
        wanted = run_filter(request.query_params, session.execute(select(func.now())).scalar_one(), limit=BULK_LIMIT)
        found = [run["id"] for run in run_queries.list_runs(session, wanted) if _fits(action, RunStatus(run["status"]))]
    back = f"/ops/runs?{without_page(request.query_params)}"
    if not confirmed:
        question = f"{_BULK[action]} {len(found)} run{'' if len(found) == 1 else 's'} of this filter?"
        return confirmation(request, question=question, button=_BULK[action], fields={}, back=back)
    for run_id in found:
        try:
            _do(services, action, run_id, name, background)
        except (ConflictError, NotFoundError):
            continue  # it ended, or was removed, since it was listed
    return done(back, "bulk")


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
        run = run_queries.run_of(session, run_id)
        row = run_queries.find(session, run_id)
        record_view(session, table="bank_import_runs", row_id=str(run_id), user_id=run["user_id"])
        accounts = run_queries.accounts_of(session, run_id)
        decisions = run_queries.decisions_of(session, run_id, after_id=after, limit=_ROWS, decision=decision or None)
        rejections = run_queries.rejections_of(session, run_id, limit=_ROWS)
        sent = {"dispatched_at": row.dispatched_at, "dispatch_count": row.dispatch_count}
        moments = timeline(run | sent | {"worker_name": row.worker_name, "heartbeat_at": row.heartbeat_at}, accounts)
    closed = RunStatus(run["status"]) in CLOSED
    return page(
        "run.html",
        request,
        run=run,
        timeline=moments,
        accounts=accounts,
        decisions=decisions,
        decision=decision,
        rejections=rejections,
        actions=_possible(run),
        next_after=decisions[-1]["id"] if len(decisions) == _ROWS else None,
        reload_s=None if closed else 3,
    )


@router.post("/{run_id}/{action}", dependencies=[OwnForm])
def act_on_run(  # noqa: PLR0913 - one argument per parameter
    request: Request,
    run_id: uuid.UUID,
    action: str,
    name: Operator,
    services: ServicesDep,
    *,
    background: BackgroundTasks,
    confirmed: Annotated[str, Form()] = "",
) -> Response:
    """Cancel a run, ask for it again, take it back, or try its rejected rows again; asks before it does."""
    if action not in _QUESTIONS:
        raise NotFoundError("no such action")
    path = f"/ops/runs/{run_id}"
    if not confirmed:
        with services.sessions() as session:
            run = run_queries.run_of(session, run_id)
        about = f"{run['kind']} of {run['connection_name']}, user {run['user_id']}"
        question = f"{about}: {_QUESTIONS[action]}"
        return confirmation(request, question=question, button=action.capitalize(), fields={}, back=path)
    new_run_id = _do(services, action, run_id, name, background)
    return done(f"/ops/runs/{new_run_id or run_id}", action)


def _do(services: Services, action: str, run_id: uuid.UUID, name: str, background: BackgroundTasks) -> uuid.UUID | None:
    with acting_operator(services, name) as session:
        run = run_queries.find(session, run_id)
        record_operation(session, f"runs {action}", table="bank_import_runs", row_id=str(run_id), user_id=run.user_id)
        if action == "cancel":
            commands.cancel(session, run_id)
            return None
        return services.ask(session, _REQUESTS[action](session, run_id), background)


def _possible(run: dict[str, object]) -> list[str]:
    return [action for action in _QUESTIONS if _fits(action, RunStatus(str(run["status"])), run)]


def _fits(action: str, status: RunStatus, run: dict[str, object] | None = None) -> bool:
    match action:
        case "cancel":
            return status not in CLOSED
        case "retry":
            return status in commands.REPEATABLE
        case "revert":
            return run is not None and status in CLOSED and not run["dry_run"] and not run["reverted_by_run_id"]
        case _:
            return run is not None and status in CLOSED and bool(run["rejected"]) and not run["dry_run"]

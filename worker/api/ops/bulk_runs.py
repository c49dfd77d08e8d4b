"""Operator's actions on all runs of a filter: cancel, ask again, take back, try rejected rows again."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Form, Request
from fastapi.responses import Response
from pydantic import AwareDatetime
from sqlalchemy import func, select

from worker.api.ops.access import Operator, OwnForm
from worker.api.ops.bulk import BULK_LIMIT, BulkAction, ask_or_do, counted, left_alone
from worker.api.ops.filters import run_filter, without_page
from worker.api.ops.rendering import PageRoute
from worker.api.ops.run_actions import BUTTONS, TABLE, command_of, item_of
from worker.api.services import ServicesDep
from worker.errors import InvalidRequestError
from worker.runs import run_queries
from worker.runs.run_actions import RunAction, RunChoice, choose
from worker.runs.states import RunStatus

router = APIRouter(prefix="/ops/runs/bulk", route_class=PageRoute)
_LONGEST_QUESTION = timedelta(days=1)


@router.post("/{action}", dependencies=[OwnForm])
def act_on_filtered(  # noqa: PLR0913 - one argument per parameter
    request: Request,
    action: RunAction,
    name: Operator,
    services: ServicesDep,
    *,
    background: BackgroundTasks,
    confirmed: Annotated[str, Form()] = "",
    asked_at: Annotated[AwareDatetime | None, Form()] = None,
) -> Response:
    """Do it for every run that the filter of the query names, `BULK_LIMIT` at most; asks before it does.

    A run that was asked for after the question is none of those that were counted.

    Raises: InvalidRequestError, also for a question of days ago.
    """
    with services.sessions() as session:
        now_at = session.execute(select(func.clock_timestamp())).scalar_one()
        asked_at = min(asked_at or now_at, now_at)
        if asked_at < now_at - _LONGEST_QUESTION:
            raise InvalidRequestError("asked_at: the question is of days ago, ask again")
        wanted = run_filter(request.query_params, asked_at, limit=BULK_LIMIT, until_at=asked_at)
        runs = run_queries.list_runs(session, wanted)
        run_ids = [run["id"] for run in runs]
        rejections = run_queries.open_rejections(session, run_ids)
        reverted_kinds = run_queries.kinds_taken_back(session, run_ids)
    choice = choose(action, runs, open_rejections=rejections, reverted_kinds=reverted_kinds)
    rows = sum(rejections.get(run["id"], 0) for run in choice.chosen)
    bulk = BulkAction(
        question=_question(action, choice, looked_at=len(runs), rejected_rows=rows),
        button=BUTTONS[action],
        command=command_of(action),
        table=TABLE,
        items=[item_of(services, action, run, background) for run in choice.chosen],
        back=f"/ops/runs?{without_page(request.query_params)}",
        fields={"asked_at": asked_at.isoformat()},
    )
    return ask_or_do(request, services, name, bulk, confirmed=bool(confirmed))


def _question(action: RunAction, choice: RunChoice, *, looked_at: int, rejected_rows: int) -> str:
    """Say how many runs an action is done for, what becomes of them, and what is left alone."""
    left = left_alone(choice.left_out)
    more = f" Of the filter the first {BULK_LIMIT} are looked at." if looked_at == BULK_LIMIT else ""
    if not choice.chosen:
        return f"Of the {counted(looked_at, 'run')} of this filter there is none that this can be done for.{left}{more}"
    part = "" if len(choice.chosen) == looked_at else f"{len(choice.chosen)} of the "
    runs = f"{part}{counted(looked_at, 'run')} of this filter"
    return f"{_VERBS[action].format(runs=runs)}? {_effect(action, choice.chosen, rejected_rows)}{left}{more}"


_VERBS = {
    RunAction.CANCEL: "Cancel {runs}",
    RunAction.RETRY: "Ask again for {runs}",
    RunAction.REVERT: "Take back {runs}",
    RunAction.REPLAY: "Try the rejected rows of {runs} again",
}


def _effect(action: RunAction, runs: Sequence[Mapping[str, Any]], rejected_rows: int) -> str:
    match action:
        case RunAction.CANCEL:
            running = sum(run["status"] == RunStatus.RUNNING for run in runs)
            return f"{len(runs) - running} that wait end at once, {running} at the next step. What is committed stays."
        case RunAction.RETRY:
            return "Each asks its bank for the same again."
        case RunAction.REVERT:
            created, removed = (sum(run[name] for run in runs) for name in ("created", "removed"))
            changed = sum(run["updated"] + run["linked"] for run in runs)
            wrote = f"They created {created}, changed {changed} and removed {counted(removed, 'row')}."
            return f"{wrote} What people edited since is left alone and reported."
        case RunAction.REPLAY:
            return f"They have {counted(rejected_rows, 'open rejected row')}; one that is refused again stays rejected."

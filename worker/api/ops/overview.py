"""The operator's first page: problems, activity, charts, the newest runs, and connections with problems."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse, HTMLResponse

from worker.api.ops import chart_shapes
from worker.api.ops.rendering import RELOAD_S, TEMPLATES, PageRoute, page
from worker.api.services import ServicesDep
from worker.runs import run_queries
from worker.runs.run_filter import RunFilter
from worker.status import concerns, problems
from worker.status.charts import Span, activity
from worker.status.connection_pages import ConnectionFilter, ConnectionView, list_connections
from worker.status.dead_letters import dead_letters

router = APIRouter(route_class=PageRoute)
_RUNS, _CONNECTIONS, _LETTERS = 15, 10, 10


@router.get("/ops")
def overview(request: Request, services: ServicesDep, span: Annotated[Span, Query()] = Span.DAY) -> HTMLResponse:
    """Show the state of the worker at a glance."""
    with services.readings() as session:
        status = services.status(session)
        steps = activity(session, span)
        runs = run_queries.list_runs(session, RunFilter(limit=_RUNS))
        connections = list_connections(session, ConnectionFilter(view=ConnectionView.TROUBLE, limit=_CONNECTIONS))
        letters = dead_letters(session, limit=_LETTERS)
    return page(
        "overview.html",
        request,
        status=status,
        problems=problems(status),
        concerns=concerns(status),
        span=span,
        spans=list(Span),
        charts=[
            chart_shapes.outcomes(steps, span),
            chart_shapes.seconds(steps, span),
            chart_shapes.freshness(steps, span),
        ],
        runs=runs,
        connections=connections,
        letters=letters,
        reload_s=RELOAD_S,
    )


@router.get("/ops/style.css")
def style() -> FileResponse:
    """Return the one stylesheet."""
    return FileResponse(TEMPLATES / "style.css", media_type="text/css")


@router.get("/ops/live.js")
def script() -> FileResponse:
    """Return the one script: it keeps an open page current."""
    return FileResponse(TEMPLATES / "live.js", media_type="text/javascript")

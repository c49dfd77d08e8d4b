"""The operator's page: runs, one run row by row, connections, and deliveries that were given up.

It is rendered on the server and needs no scripts; a page that shows open runs reloads itself. It shows the runs of
every user, so operators log in with names and passwords of their own; without such log-ins the page is off. The audit
records by name whose run an operator looked at and what an operator sent again.
"""

import uuid
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from worker.api.problems import ProblemError
from worker.api.services import Services, ServicesDep, services
from worker.audit import acting_as, record_operation, record_view
from worker.credentials.operators import TooManyFailuresError
from worker.inert_text import inert
from worker.runs import run_queries
from worker.runs.run_queries import RunFilter
from worker.runs.states import CLOSED, RunStatus
from worker.status import concerns, dashboard, problems, read_status
from worker.webhooks.replay import replay_event

_HERE = Path(__file__).parent / "templates"


def _shown(value: Any) -> Any:  # noqa: ANN401 - what templates show
    return inert(value) if isinstance(value, str) and not isinstance(value, Markup) else value


_PAGES = Environment(
    loader=FileSystemLoader(_HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True, finalize=_shown
)
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
_ROWS = 200
_CHALLENGE = {"WWW-Authenticate": 'Basic realm="operators"'}


def operator(request: Request) -> str:
    """Return the operator's name, under which everything the request does is audited.

    Raises: ProblemError 404 when the page is off, 401 without a log-in, 429 after too many wrong ones.
    """
    logins = services(request).operators
    if logins is None:
        raise ProblemError(404, "not_found", "OPS_BASIC_AUTH is not set")
    try:
        name = logins.name_of(request.headers.get("Authorization", ""))
    except TooManyFailuresError:
        raise ProblemError(429, "too_many_requests", "too many wrong passwords", {"Retry-After": "60"}) from None
    if name is None:
        raise ProblemError(401, "unauthenticated", "operators only", _CHALLENGE)
    return name


def same_site(request: Request) -> None:
    """Refuse a form that another site made the operator's browser send. Raises: ProblemError 403."""
    try:
        origin = urlsplit(request.headers.get("Origin", "")).netloc
    except ValueError:
        origin = ""
    if not origin or origin != request.headers.get("Host"):
        raise ProblemError(403, "forbidden", "the form did not come from this page")


Operator = Annotated[str, Depends(operator)]
router = APIRouter(prefix="/ops", include_in_schema=False, dependencies=[Depends(operator)])


@router.get("")
def overview(services: ServicesDep) -> HTMLResponse:
    """Show the first look, runs, connections and dead letters."""
    with services.sessions() as session:
        status = read_status(session, services.runtime.redis)
        runs = run_queries.list_runs(session, RunFilter(limit=30))
        connections = dashboard.connections(session)
        letters = dashboard.dead_letters(session)
    live = any(RunStatus(run["status"]) in {RunStatus.RUNNING, RunStatus.QUEUED} for run in runs)
    return _page(
        "overview.html",
        status=status,
        problems=problems(status),
        concerns=concerns(status),
        runs=runs,
        connections=connections,
        letters=letters,
        reload_s=5 if live else 30,
    )


@router.get("/runs/{run_id}")
def run_story(
    run_id: uuid.UUID, name: Operator, services: ServicesDep, after: Annotated[int, Query(ge=0, le=2**63 - 1)] = 0
) -> HTMLResponse:
    """Show a run row by row, with the reasons."""
    with acting_as(f"ops:{name}"), services.sessions() as session:
        run = run_queries.run_of(session, run_id)
        record_view(session, table="bank_import_runs", row_id=str(run_id), user_id=run["user_id"])
        accounts = run_queries.accounts_of(session, run_id)
        decisions = run_queries.decisions_of(session, run_id, after_id=after, limit=_ROWS)
        rejections = run_queries.rejections_of(session, run_id, limit=_ROWS)
    return _page(
        "run.html",
        run=run,
        accounts=accounts,
        decisions=decisions,
        rejections=rejections,
        next_after=decisions[-1]["id"] if len(decisions) == _ROWS else None,
        reload_s=None if RunStatus(run["status"]) in CLOSED else 3,
    )


@router.post("/dead-letters/replay", dependencies=[Depends(same_site)])
def replay(
    event_id: Annotated[uuid.UUID, Form()],
    subscription_id: Annotated[uuid.UUID, Form()],
    name: Operator,
    services: ServicesDep,
) -> Response:
    """Send a dead letter again."""
    with acting_as(f"ops:{name}"):
        _replay(services, event_id, subscription_id)
    return RedirectResponse("/ops#dead-letters", status_code=303)


@router.get("/style.css")
def style() -> FileResponse:
    """Return the one stylesheet."""
    return FileResponse(_HERE / "style.css", media_type="text/css")


def _replay(services: Services, event_id: uuid.UUID, subscription_id: uuid.UUID) -> None:
    with services.sessions() as session:
        for letter in dashboard.dead_letters(session, limit=1000):
            if (letter["event_id"], letter["subscription_id"]) == (event_id, subscription_id):
                replay_event(session, letter["user_id"], subscription_id, event_id)
                record_operation(
                    session,
                    "webhooks replay",
                    table="webhook_subscriptions",
                    row_id=str(subscription_id),
                    user_id=letter["user_id"],
                    event_id=str(event_id),
                )
                return
    raise ProblemError(404, "not_found", "this delivery is not a dead letter any more")


def _page(template: str, **values: Any) -> HTMLResponse:  # noqa: ANN401 - what templates show
    return HTMLResponse(_PAGES.get_template(template).render(**values), headers=_HEADERS)


_PAGES.filters["moment"] = lambda value: "-" if value is None else f"{value:%Y-%m-%d %H:%M:%S}Z"
_PAGES.filters["short"] = lambda value: str(value)[:8]

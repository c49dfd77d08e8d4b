"""Renders the operator's pages: templates, headers, error pages, and notices after an action."""

import json
from collections.abc import Callable, Coroutine
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup
from starlette.datastructures import QueryParams

from worker.api import problems
from worker.api.ops.chart_shapes import bar_paths
from worker.errors import WorkerError
from worker.inert_text import inert

TEMPLATES = Path(__file__).parent / "templates"
_DIGITS = 7
RELOAD_S = 30
"""How often a page without scripts reloads itself."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self';"
    " form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
NOTICES = {
    "refresh": "A refresh was asked for.",
    "upload": "The file is kept, and a run that imports it was asked for.",
    "retry": "It was asked for again.",
    "cancel": "The run was cancelled, or stops at its next step.",
    "revert": "A run that takes it back was asked for.",
    "replay": "A run that tries the rejected rows again was asked for.",
    "pause": "The connection is paused.",
    "resume": "The connection is refreshed again.",
    "dismiss": "The rejected rows are left out; that is kept with your name and your reason.",
    "reopen": "The rejected rows are open again.",
    "unmatch": "The match was taken back, and stays so.",
    "send-again": "The delivery waits to be sent again.",
    "bulk": "Done for {did}. What has changed meanwhile was left alone: {left}.",
}


_TITLES = {
    401: "Log in",
    404: "Not found",
    409: "Not possible now",
    422: "Not understood",
    429: "Too many requests",
    500: "Something went wrong",
}
"""What error pages are called, by status."""


def _shown(value: Any) -> Any:  # noqa: ANN401 - what templates show
    return inert(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _interval(value: timedelta) -> str:
    """Return `1 day`, `6 hours`, or `90 minutes`: the largest unit that has no remainder."""
    for unit, name in _UNITS:
        if value % unit == timedelta(0) and value >= unit:
            count = value // unit
            return f"{count} {name}{'' if count == 1 else 's'}"
    return f"{value.total_seconds():g} seconds"


_UNITS = ((timedelta(days=1), "day"), (timedelta(hours=1), "hour"), (timedelta(minutes=1), "minute"))
_PAGES = Environment(
    loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True, finalize=_shown
)
_PAGES.filters["moment"] = lambda value: "-" if value is None else f"{value:%Y-%m-%d %H:%M:%S}Z"
_PAGES.filters["bar_paths"] = bar_paths
_PAGES.filters["interval"] = lambda value: "-" if value is None else _interval(value)
_PAGES.filters["short"] = lambda value: str(value)[:13]  # ids follow time: the first 8 are the same for a minute


def page(template: str, request: Request, *, http_status: int = 200, **values: Any) -> HTMLResponse:  # noqa: ANN401 - what templates show
    """Return a page. It shows the notice that the query parameter `done` names."""
    query = request.query_params
    notice = NOTICES.get(query.get("done", ""), "").format(did=_number(query, "did"), left=_number(query, "left"))
    rendered = _PAGES.get_template(template).render(
        notice=notice,
        path=request.url.path,
        query=query,
        reload_s=values.pop("reload_s", None),
        **values,
    )
    return HTMLResponse(rendered, status_code=http_status, headers=HEADERS)


def _number(query: QueryParams, name: str) -> int:
    given = query.get(name, "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < _DIGITS else 0


def confirmation(
    request: Request, *, question: str, button: str | None, fields: dict[str, str], back: str
) -> HTMLResponse:
    """Return the page that asks before an action is done; its form is sent to the same address.

    Args:
        button: None where there is nothing to do.
    """
    return page("confirm.html", request, question=question, button=button, fields=fields, back=back)


def done(path: str, notice: str, **counts: int) -> RedirectResponse:
    """Lead back to a page after an action, with a notice of what was done.

    Args:
        counts: Numbers in the words of the notice.
    """
    query = urlencode({"done": notice, **counts})
    return RedirectResponse(f"{path}{'&' if '?' in path else '?'}{query}", status_code=303)


class PageRoute(APIRoute):
    """A route whose errors are pages: an operator's browser shows words instead of JSON."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler with its errors turned into pages."""
        handle = super().get_route_handler()

        async def handler(request: Request) -> Response:
            try:
                return await handle(request)
            except (WorkerError, problems.ProblemError, RequestValidationError) as error:
                problem = problems.response_to(request, error)
            said = json.loads(bytes(problem.body))
            title = _TITLES.get(problem.status_code, HTTPStatus(problem.status_code).phrase)
            shown = page("error.html", request, http_status=problem.status_code, title=title, message=said["message"])
            for name, value in problem.headers.items():
                if name.lower() not in {"content-type", "content-length"}:
                    shown.headers[name] = value
            return shown

        return handler

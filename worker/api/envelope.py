"""What wraps every request and answer: its id, and a problem detail where the server refuses a body by itself."""

import re
import time
import uuid

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from worker.api import problems
from worker.telemetry.latencies import API_REQUEST, observe

_SOUND_ID = re.compile(r"[\x21-\x7e]{1,100}")
_TOO_LARGE = 413


class RequestIds:
    """Gives every request an id, the caller's where it sends a sound one; log lines and problems carry it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("X-Request-ID", "")
        request_id = given if _SOUND_ID.fullmatch(given) else uuid.uuid4().hex

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                headers["Cache-Control"] = "no-store"
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await self._app(scope, receive, send_with_id)


class Timed:
    """Times every request under the name of its operation; what no route knows is one name."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started_s, status = time.perf_counter(), "none"

        async def send_noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, send_noting)
        finally:
            operation = getattr(scope.get("route"), "name", "unknown")
            observe(API_REQUEST, time.perf_counter() - started_s, operation, status)


class RefusedBodies:
    """Turns the plain refusal of a body that is too large, which is sent before any route is asked, into a problem."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        refused = False

        async def send_problem(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start" and message["status"] == _TOO_LARGE:
                refused = Headers(raw=message["headers"]).get("content-type") != problems.MEDIA_TYPE
                if refused:
                    answer = problems.answer(_TOO_LARGE, "content_too_large")
                    await answer(scope, receive, send)
            if not refused:
                await send(message)

        await self._app(scope, receive, send_problem)

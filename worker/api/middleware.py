"""ASGI middleware: request ids and durations, lists as arrays, problems for bodies too large or of two lengths."""

import json
import re
import time
import uuid
from abc import ABC, abstractmethod

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from worker.api import problems
from worker.telemetry.latencies import API_REQUEST, observe

_SOUND_ID = re.compile(r"[\x21-\x7e]{1,100}")
_ARRAY = "list=array"
_BAD_REQUEST, _TOO_LARGE = 400, 413
_LARGEST = "a body has at most 64 KiB, a statement file 32 MiB: export fewer months at once"


class _HttpMiddleware(ABC):
    """An ASGI middleware for HTTP requests; other scopes pass through unchanged."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one scope."""
        if scope["type"] == "http":
            await self.handle(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    @abstractmethod
    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one HTTP request."""


class RequestIds(_HttpMiddleware):
    """Gives every request an id, the caller's where it sends a sound one; log lines and problems carry it."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Bind the id to the log context and add it to the response's headers."""
        sent_id = Headers(scope=scope).get("X-Request-ID", "")
        request_id = sent_id if _SOUND_ID.fullmatch(sent_id) else uuid.uuid4().hex
        scope["request_id"] = request_id

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                headers["Cache-Control"] = "no-store"
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await self._app(scope, receive, send_with_id)


class RequestTimes(_HttpMiddleware):
    """Measures every request under the name of its operation; requests without a route share the name `unknown`."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Observe duration and status."""
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


class OneLength(_HttpMiddleware):
    """Refuses a body that states its length twice: a proxy that believes the other one would see another request."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 400 and close the connection, as RFC 9112 has it: what follows on it may belong to somebody else."""
        headers = Headers(scope=scope)
        if "Transfer-Encoding" in headers and "Content-Length" in headers:
            said, closed = "state Content-Length or Transfer-Encoding, not both", {"Connection": "close"}
            await problems.answer(_BAD_REQUEST, "bad_request", detail=said, headers=closed)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


class TooLargeProblems(_HttpMiddleware):
    """Replaces the plain 413 of the body limit, which is sent before routing, with a problem detail."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the problem instead of the plain response."""
        replaced = False

        async def send_problem(message: Message) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start" and message["status"] == _TOO_LARGE:
                replaced = Headers(raw=message["headers"]).get("content-type") != problems.MEDIA_TYPE
                if replaced:
                    await problems.answer(_TOO_LARGE, "content_too_large", detail=_LARGEST)(scope, receive, send)
            if not replaced:
                await send(message)

        await self._app(scope, receive, send_problem)


class BareLists(_HttpMiddleware):
    """Answers a list as a plain array where a request asks for it with `Prefer: list=array`, as it was until 0.2."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Replace `{"items": […], "next": …}` by its items."""
        if scope["method"] != "GET" or _ARRAY not in Headers(scope=scope).get("Prefer", ""):
            await self._app(scope, receive, send)
            return
        start: Message | None = None
        parts: list[bytes] = []

        async def send_items(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and _is_json(message):
                start = message
            elif start is None:
                await send(message)
            else:
                parts.append(message.get("body", b""))
                if not message.get("more_body", False):
                    body = _items_of(b"".join(parts))
                    MutableHeaders(scope=start).update({"Content-Length": str(len(body)), "Preference-Applied": _ARRAY})
                    await send(start)
                    await send({"type": "http.response.body", "body": body})

        await self._app(scope, receive, send_items)


def _is_json(start: Message) -> bool:
    return Headers(scope=start).get("Content-Type", "").startswith("application/json")


def _items_of(body: bytes) -> bytes:
    """Return a body that is a list as its items, and any other as it is."""
    read = json.loads(body)
    if not isinstance(read, dict) or read.keys() != {"items", "next"}:
        return body
    return json.dumps(read["items"], ensure_ascii=False, separators=(",", ":")).encode()

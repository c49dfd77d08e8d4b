"""Serves an application on a port of its own, for tests that need sockets, and lists what it answers."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from fastapi import APIRouter
from fastapi.routing import APIRoute

from worker.api.request_deadlines import PromptRequestProtocol


@contextmanager
def serving(
    app: Callable[..., Any],
    protocol: type[PromptRequestProtocol] = PromptRequestProtocol,
    **options: Any,
) -> Iterator[int]:
    """Serve the application for the block, and yield its port of loopback."""
    options = {"proxy_headers": False, "timeout_graceful_shutdown": 1} | options
    config = uvicorn.Config(app, **options | {"port": 0, "http": protocol, "log_config": None, "access_log": False})
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            thread.join(0.02)
            assert thread.is_alive()
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(10)


def routes_of(router: APIRouter, prefix: str = "") -> Iterator[tuple[str, APIRoute]]:
    """Yield the paths and routes of routers within routers."""
    for route in router.routes:
        if isinstance(route, APIRoute):
            yield prefix + route.path, route
        elif (inner := getattr(route, "original_router", None)) is not None:
            yield from routes_of(inner, prefix + router.prefix)

"""The application: its routes, its errors, its contract. Built from a runtime, so that tests build the same one."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.middleware.body_limit import RequestBodyLimitMiddleware

from worker import __version__, heartbeat_files
from worker.api import connections, contract, files, linking, ops, problems, runs, suggestions, webhooks
from worker.api.auth import token_policy
from worker.api.limiting import UserLimit
from worker.api.middleware import RequestIds, RequestTimes, TooLargeProblems
from worker.api.query import KnownQuery
from worker.api.services import Services
from worker.client import WorkerClient
from worker.connections.linking import read_link_apps
from worker.runtime import (
    Runtime,
    check_signing_secrets,
    open_link_service,
    open_runtime,
    open_user_connection_service,
    read_operators,
)
from worker.settings import load_settings
from worker.status.metrics import exposition
from worker.telemetry.latencies import forget_latencies, start_measuring

MAX_BODY_BYTES = 64 * 1024
_PREFIX = "/bank-connections"
_OWN_MEASURES = heartbeat_files.directory() / "metrics" / "api"


def create_app(runtime: Runtime, *, measured_in: Path | None = None) -> FastAPI:
    """Build the application over a runtime, which is closed with it.

    measured_in: where processes leave their latencies, served beside the metrics. Raises: ConfigurationError.
    """
    app = FastAPI(
        title="FinMind bank worker",
        version=__version__,
        summary="Connect banks, import their transactions as expenses, and follow every run.",
        docs_url=None,
        redoc_url=None,
        openapi_url=f"{_PREFIX}/openapi.json",
        lifespan=_closing(runtime),
        generate_unique_id_function=_operation_id,
    )
    app.state.services = _services(runtime)
    api = APIRouter(prefix=_PREFIX, responses=contract.PROBLEMS, dependencies=[KnownQuery])
    for part in (connections.router, linking.router, runs.router, suggestions.router, files.router, webhooks.router):
        api.include_router(part)
    app.include_router(api)
    app.include_router(ops.router)
    app.add_middleware(RequestBodyLimitMiddleware, max_body_size=MAX_BODY_BYTES)
    app.add_middleware(TooLargeProblems)
    app.add_middleware(RequestTimes)
    app.add_middleware(RequestIds)  # the last one added is the outermost
    problems.install(app)
    contract.install(app)

    @app.get("/", include_in_schema=False)
    def home() -> RedirectResponse:
        return RedirectResponse("/ops")

    @app.get("/health", include_in_schema=False)
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/metrics", include_in_schema=False)
    def metrics() -> Response:
        return Response(exposition(runtime.sessions, runtime.redis, measured_in), media_type=CONTENT_TYPE_LATEST)

    return app


def app_from_environment() -> FastAPI:
    """Build the application of this process: what `uvicorn --factory` calls. Raises: ConfigurationError."""
    settings = load_settings()
    app = create_app(open_runtime(settings, role="api"), measured_in=settings.metrics_dir or _OWN_MEASURES)
    if settings.metrics_dir is None:
        forget_latencies(_OWN_MEASURES)
    start_measuring(settings.metrics_dir or _OWN_MEASURES, "api")
    return app


def _operation_id(route: APIRoute) -> str:
    return route.name


def _services(runtime: Runtime) -> Services:
    check_signing_secrets(runtime.settings)
    connection_service = open_user_connection_service(runtime)
    return Services(
        runtime=runtime,
        connection_service=connection_service,
        link_service=open_link_service(runtime, connection_service),
        link_apps=read_link_apps(runtime.settings.link_apps),
        client=WorkerClient(runtime.settings.redis_url.get_secret_value()),
        operators=read_operators(runtime.settings),
        tokens=token_policy(runtime.settings),
        limit=UserLimit(runtime.settings.api_requests_per_minute, runtime.settings.redis_url.get_secret_value()),
    )


def _closing(runtime: Runtime) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        app.state.services.client.close()
        app.state.services.limit.close()
        runtime.close()

    return lifespan

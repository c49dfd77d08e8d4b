"""Builds the API application from a runtime: routes, error handlers and OpenAPI contract."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Response
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute
from prometheus_client import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import Metric
from starlette.middleware.body_limit import RequestBodyLimitMiddleware

from worker import __version__
from worker.api import (
    accounts,
    connections,
    connectors,
    files,
    institutions,
    linking,
    openapi,
    ops,
    personal_data,
    preferences,
    problems,
    provider_webhooks,
    reference,
    rejections,
    run_requests,
    runs,
    suggestions,
    transactions,
    webhooks,
)
from worker.api.auth import token_policy
from worker.api.middleware import BareLists, OneLength, RequestIds, RequestTimes, TooLargeProblems
from worker.api.query import KnownQuery
from worker.api.rate_limit import UserLimit
from worker.api.services import Services
from worker.api.uploads import spool_into
from worker.api.webhook_verifiers import DispatcherNudge, WebhookVerifiers
from worker.client import WorkerClient
from worker.connections.linking import check_link_apps, read_link_apps
from worker.process import heartbeat_files
from worker.process.core_dumps import forbid_core_dumps
from worker.runtime import (
    Runtime,
    check_signing_secrets,
    open_link_service,
    open_runtime,
    open_user_connection_service,
    read_operators,
)
from worker.settings import load_settings
from worker.status.kept_readings import KeptReadings
from worker.status.prometheus import exposition
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
        redirect_slashes=False,  # Starlette would send people, and bodies with credentials, to where `Host` says
        openapi_url=f"{_PREFIX}/openapi.json",
        lifespan=_closing(runtime),
        generate_unique_id_function=_operation_id,
    )
    app.state.services = _services(runtime)
    parts = (
        accounts,
        connectors,
        connections,
        run_requests,
        linking,
        runs,
        rejections,
        suggestions,
        transactions,
        files,
        webhooks,
        personal_data,
        preferences,
        institutions,
    )
    for part in parts:
        app.include_router(part.router, prefix=_PREFIX, responses=openapi.PROBLEMS, dependencies=[KnownQuery])
    app.include_router(provider_webhooks.router, prefix=_PREFIX)
    app.include_router(ops.router)
    app.include_router(reference.router)
    app.add_middleware(RequestBodyLimitMiddleware, max_body_size=MAX_BODY_BYTES)
    app.add_middleware(BareLists)
    app.add_middleware(TooLargeProblems)
    app.add_middleware(OneLength)
    app.add_middleware(RequestTimes)
    app.add_middleware(RequestIds)  # the last one added is the outermost
    problems.install(app)
    openapi.install(app)
    _add_pages_of_operators(app, runtime, measured_in)
    return app


def _add_pages_of_operators(app: FastAPI, runtime: Runtime, measured_in: Path | None) -> None:
    """Add what no client of the API asks for: the way to the console, the health and the metrics."""

    @app.get("/", include_in_schema=False)
    def home() -> RedirectResponse:
        return RedirectResponse("/ops")

    @app.get("/health", include_in_schema=False)
    def health() -> dict[str, str]:
        return {"status": "ok"}

    kept: KeptReadings[Metric] = KeptReadings()

    @app.get("/metrics", include_in_schema=False)
    def metrics() -> Response:
        return Response(exposition(runtime.readings, runtime.broker, measured_in, kept), media_type=CONTENT_TYPE_LATEST)


def app_from_environment() -> FastAPI:
    """Build the application of this process: what `uvicorn --factory` calls. Raises: ConfigurationError."""
    forbid_core_dumps()
    settings = load_settings()
    if settings.statement_folder is not None:
        spool_into(settings.statement_folder)
    app = create_app(open_runtime(settings, role="api"), measured_in=settings.metrics_dir or _OWN_MEASURES)
    if settings.metrics_dir is None:
        forget_latencies(_OWN_MEASURES)
    start_measuring(settings.metrics_dir or _OWN_MEASURES, "api")
    return app


def _operation_id(route: APIRoute) -> str:
    return route.name


def _services(runtime: Runtime) -> Services:
    check_signing_secrets(runtime.settings)
    runtime.registry.check_enabled(runtime.settings.connectors_enabled)
    connection_service = open_user_connection_service(runtime)
    link_apps = read_link_apps(runtime.settings.link_apps)
    check_link_apps(link_apps, runtime.registry.names())
    link_service = open_link_service(runtime, connection_service, public_url=link_apps.public_url)
    client = WorkerClient(runtime.settings.messages_url)
    return Services(
        runtime=runtime,
        connection_service=connection_service,
        link_service=link_service,
        link_apps=link_apps,
        webhook_verifiers=WebhookVerifiers(runtime.registry, link_service, link_apps),
        nudge_dispatcher=DispatcherNudge(client.nudge_dispatcher),
        client=client,
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

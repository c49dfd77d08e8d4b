"""`finmind-worker api`: the HTTP API as a process."""

from importlib import import_module
from typing import Annotated

import typer

from worker.cli.environment import settings
from worker.errors import ConfigurationError
from worker.telemetry.logs import setup_logging


def api(
    *,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int | None, typer.Option("--port", min=1, max=65535, help="API_PORT by default.")] = None,
) -> None:
    """Serve the HTTP API until it is told to stop."""
    known = settings()
    try:
        uvicorn = import_module("uvicorn")
        application = import_module("worker.api.app").app_from_environment()
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"{error.name} is not installed: pip install finmind-worker[api]") from None
    setup_logging(level=known.log_level, json=known.log_json)
    uvicorn.run(
        application,
        host=host,
        port=port or known.api_port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )

"""`finmind-worker api`: the HTTP API as a process."""

from importlib import import_module
from ipaddress import ip_network
from typing import Annotated, Any

import typer

from worker.cli.environment import settings
from worker.errors import ConfigurationError
from worker.telemetry.logs import setup_logging

_MOST_CONNECTIONS = 2000
"""Further ones are answered 503, so that connections which never finish a request cannot fill the memory."""


def api(
    *,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int | None, typer.Option("--port", min=1, max=65535, help="API_PORT by default.")] = None,
    trusted_proxy: Annotated[
        str | None,
        typer.Option(
            "--trusted-proxy",
            metavar="ADDRESSES",
            help="Addresses or networks of proxies whose X-Forwarded-For names the peer, separated by commas.",
        ),
    ] = None,
    sample_page: Annotated[
        str | None,
        typer.Option("--sample-page", metavar="EMAIL", help="Also serve the sample page, logged in as this user."),
    ] = None,
) -> None:
    """Serve the HTTP API until it is stopped."""
    known = settings()
    of_proxy = proxy_options(trusted_proxy)
    try:
        uvicorn = import_module("uvicorn")
        application = import_module("worker.api.app").app_from_environment()
        protocol = import_module("worker.api.request_deadlines").PromptRequestProtocol
        if sample_page is not None:
            import_module("worker.api.sample_page").add_sample_page(application, sample_page)
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"{error.name} is not installed: pip install finmind-worker[api]") from None
    setup_logging(level=known.log_level, json=known.log_json)
    uvicorn.run(
        application,
        host=host,
        port=port or known.api_port,
        http=protocol,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
        limit_concurrency=_MOST_CONNECTIONS,
        **of_proxy,
    )


def proxy_options(trusted: str | None) -> dict[str, Any]:
    """Return what uvicorn is told about proxies: without one, `X-Forwarded-For` is what a stranger claims.

    Args:
        trusted: Addresses and networks of proxies, separated by commas.

    Raises: BadParameter, also for `*`, which would believe everybody.
    """
    try:
        networks = [str(ip_network(proxy.strip())) for proxy in (trusted or "").split(",") if proxy.strip()]
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--trusted-proxy") from None
    return {"proxy_headers": bool(networks), "forwarded_allow_ips": networks}

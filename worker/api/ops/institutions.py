"""Operator's pages of the banks: which are down, and how they usually do; and everything about one."""

from typing import Annotated, Any
from urllib.parse import urlencode

import redis
from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from worker.api.ops import chart_shapes
from worker.api.ops.filters import institution_filter, read_bank
from worker.api.ops.rendering import RELOAD_S, PageRoute, page
from worker.api.services import Services, ServicesDep
from worker.connectors.errors import ConnectorNotFoundError
from worker.errors import NotFoundError
from worker.runs import run_queries
from worker.runs.providers.outage_records import institution_of, institutions
from worker.runs.providers.throttle import BucketState, read_bucket
from worker.runs.run_filter import RunFilter
from worker.status.bank_pages import circuits_of, connection_states, failure_codes
from worker.status.charts import Span, activity
from worker.status.connection_pages import ConnectionFilter, ConnectionView, list_connections

router = APIRouter(prefix="/ops", route_class=PageRoute)
_MOST = 500
_RUNS, _CONNECTIONS = 15, 10


@router.get("/institutions")
def show_institutions(request: Request, services: ServicesDep) -> HTMLResponse:
    """Show the banks that a form asks for, those that are down first."""
    words, connector_name = institution_filter(request.query_params)
    with services.readings() as session:
        found = institutions(session, words=words, connector_name=connector_name, limit=_MOST + 1)
    return page(
        "institutions.html",
        request,
        institutions=found[:_MOST],
        more=len(found) > _MOST,
        connectors=services.runtime.registry.names(),
        reload_s=RELOAD_S,
    )


@router.get("/institutions/one")
def show_institution(
    request: Request, services: ServicesDep, span: Annotated[Span, Query()] = Span.DAY
) -> HTMLResponse:
    """Show a bank, or all of a connector: states, charts, circuits, limits, codes of failures, connections, runs.

    Raises: NotFoundError for a bank that nobody is connected with.
    """
    bank = read_bank(request.query_params)
    name, connector = bank.institution, bank.connector_name
    with services.readings() as session:
        states = connection_states(session, bank)
        if not states and (name is not None or connector not in services.runtime.registry.names()):
            raise NotFoundError("no such bank")
        steps = activity(session, span, bank)
        wanted = RunFilter(connector_name=connector, bank=name, limit=_RUNS)
        in_trouble = ConnectionFilter(
            view=ConnectionView.TROUBLE, connector_name=connector, bank=name, limit=_CONNECTIONS
        )
        found: dict[str, Any] = {
            "codes": failure_codes(session, bank, steps[0].from_at),
            "circuits": circuits_of(session, bank),
            "runs": run_queries.list_runs(session, wanted),
            "connections": list_connections(session, in_trouble),
            "known": None if name is None else institution_of(session, connector, name),
            "banks": [] if name else institutions(session, connector_name=connector, limit=_CONNECTIONS),
        }
    charts = [chart_shapes.outcomes(steps, span), chart_shapes.seconds(steps, span)]
    if any(step.fresh_ratio is not None for step in steps):
        charts.append(chart_shapes.freshness(steps, span))
    return page(
        "institution.html",
        request,
        bank=bank,
        states=states,
        span=span,
        spans=list(Span),
        charts=charts,
        throttle=_throttle(services, connector),
        of_bank=urlencode({"connector": connector, **({"bank": name} if name else {})}),
        reload_s=RELOAD_S,
        **found,
    )


def _throttle(services: Services, connector_name: str) -> BucketState | str | None:
    """Return what is left of the connector's burst limit, or why it is not known; None where there is no limit."""
    try:
        burst = services.runtime.registry.get(connector_name).capabilities.burst
        return None if burst is None else read_bucket(services.runtime.redis, connector_name, burst)
    except ConnectorNotFoundError:
        return "the connector is not installed"
    except redis.RedisError:
        return "Redis does not answer"

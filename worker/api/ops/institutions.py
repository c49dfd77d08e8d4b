"""Operator's page of the banks: which are down, and how they usually do."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from worker.api.ops.filters import institution_filter
from worker.api.ops.rendering import RELOAD_S, PageRoute, page
from worker.api.services import ServicesDep
from worker.runs.bank_outage_records import institutions

router = APIRouter(prefix="/ops", route_class=PageRoute)
_MOST = 500


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

"""Operator's page of the banks: which are down, and how they usually do."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from worker.api.ops.rendering import RELOAD_S, PageRoute, page
from worker.api.services import ServicesDep
from worker.runs.weather_records import institutions

router = APIRouter(prefix="/ops", route_class=PageRoute)
_MOST = 500


@router.get("/institutions")
def show_institutions(request: Request, services: ServicesDep) -> HTMLResponse:
    """Show the banks, those that are down first."""
    with services.readings() as session:
        found = institutions(session, limit=_MOST)
    return page("institutions.html", request, institutions=found, reload_s=RELOAD_S)

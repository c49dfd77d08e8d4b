"""Operator's page of the workers: queues, heartbeats, circuits, and running, waiting and next runs."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from worker.api.ops.rendering import PageRoute, page
from worker.api.services import ServicesDep
from worker.status.workload import workload

router = APIRouter(prefix="/ops", route_class=PageRoute)


@router.get("/work")
def show_work(request: Request, services: ServicesDep) -> HTMLResponse:
    """Show what the workers do now and next."""
    with services.readings() as session:
        status = services.status(session)
        found = workload(session, services.runtime.registry.names())
    return page("work.html", request, status=status, reload_s=5, work=found)

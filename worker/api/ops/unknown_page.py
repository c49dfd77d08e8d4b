"""The operator's page for an address that is none: words instead of JSON."""

from fastapi import APIRouter
from fastapi.responses import RedirectResponse

from worker.api.ops.rendering import PageRoute
from worker.errors import NotFoundError

router = APIRouter(route_class=PageRoute)


@router.get("/ops/{rest:path}")
def nowhere(rest: str) -> RedirectResponse:
    """Lead to the page without a slash at its end. Raises: NotFoundError."""
    if rest.strip("/") != rest or not rest:
        return RedirectResponse("/".join(filter(None, ["/ops", rest.strip("/")])))
    raise NotFoundError("there is no such page")

"""Serves the sample page of a person's banks (examples/finmind/page) with a token for one user, for `up --demo`."""

from pathlib import Path

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import FileResponse, PlainTextResponse, RedirectResponse, Response
from sqlalchemy import select

from worker.api.services import ServicesDep
from worker.credentials.access_tokens import make_access_token
from worker.errors import ConfigurationError, NotFoundError
from worker.models import User

_INSTALLED = Path(__file__).parent / "sample_page_files"
_IN_CHECKOUT = Path(__file__).parents[2] / "examples" / "finmind" / "page"
_FILES = ("index.html", "page.css", "page.js", "follow_run.js")
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " img-src data:; form-action 'none'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_LOOPBACK = frozenset({"127.0.0.1", "localhost"})
_TOKEN_MINUTES = 15


def add_sample_page(app: FastAPI, email: str) -> None:
    """Serve the page at `/sample`. Whoever reaches it on this machine is logged in as the user with this address.

    Raises:
        ConfigurationError: JWT_SECRET is not set, so that no token can be made.
    """
    settings = app.state.services.runtime.settings
    if settings.jwt_secret is None:
        raise ConfigurationError("JWT_SECRET is not set: the sample page could log nobody in")
    secret = settings.jwt_secret.get_secret_value()
    folder = _INSTALLED if _INSTALLED.is_dir() else _IN_CHECKOUT
    router = APIRouter(prefix="/sample", include_in_schema=False)

    @router.get("")
    def enter() -> RedirectResponse:
        return RedirectResponse("/sample/index.html")

    @router.post("/token")
    def token(request: Request, services: ServicesDep) -> Response:
        if request.url.hostname not in _LOOPBACK:  # a name that another site made point here
            raise NotFoundError("the sample page is served on this machine only")
        with services.sessions() as session:
            user_id = session.scalar(select(User.id).where(User.email == email))
        if user_id is None:
            raise NotFoundError(f"there is no user {email}")
        return PlainTextResponse(make_access_token(user_id, secret, minutes=_TOKEN_MINUTES), headers=_HEADERS)

    @router.get("/{name}")
    def file(name: str) -> FileResponse:
        if name not in _FILES:
            raise NotFoundError("no such file")
        return FileResponse(folder / name, headers=_HEADERS)

    app.include_router(router)

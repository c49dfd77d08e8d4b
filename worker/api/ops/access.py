"""Authenticates operators, and refuses forms of other sites."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from sqlalchemy.orm import Session

from worker.api.problems import ProblemError
from worker.api.services import Services, services
from worker.audit import acting_as
from worker.credentials.operators import TooManyFailuresError

_CHALLENGE = {"WWW-Authenticate": 'Basic realm="operators"'}


def operator(request: Request) -> str:
    """Return the operator's name, under which everything the request does is audited.

    Raises:
        ProblemError: 404 when the pages are off, 401 without a log-in, 429 after too many wrong ones.
    """
    logins = services(request).operators
    if logins is None:
        raise ProblemError(404, "not_found", "OPS_BASIC_AUTH is not set")
    try:
        peer = request.client.host if request.client else ""
        name = logins.name_of(request.headers.get("Authorization", ""), peer)
    except TooManyFailuresError:
        raise ProblemError(429, "too_many_requests", "too many wrong passwords", {"Retry-After": "60"}) from None
    if name is None:
        raise ProblemError(401, "unauthenticated", "operators only", _CHALLENGE)
    return name


def same_site(request: Request) -> None:
    """Refuse a form that another site made the operator's browser send. Raises: ProblemError 403."""
    try:
        origin = urlsplit(request.headers.get("Origin", "")).netloc
    except ValueError:
        origin = ""
    if not origin or origin != request.headers.get("Host"):
        raise ProblemError(403, "forbidden", "the form did not come from this page")


Operator = Annotated[str, Depends(operator)]
OwnForm = Depends(same_site)


@contextmanager
def acting_operator(services: Services, name: str) -> Iterator[Session]:
    """Open a transaction whose audit lines name the operator."""
    with acting_as(f"ops:{name}"), services.sessions() as session:
        yield session

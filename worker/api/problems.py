"""Returns every error as a problem detail (RFC 9457), without the request's content, which may contain a password."""

import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from psycopg2.errors import ForeignKeyViolation
from pydantic import BaseModel, Field
from sqlalchemy.exc import DataError, DBAPIError
from starlette.exceptions import HTTPException

from worker.api.auth import UnauthenticatedError
from worker.connectors.errors import (
    AuthenticationError,
    ConnectorError,
    ConnectorNotFoundError,
    ProviderUnavailableError,
    RateLimitError,
)
from worker.db.trouble import DatabaseTrouble, is_away, trouble_of
from worker.errors import (
    ConflictError,
    InvalidFieldsError,
    InvalidRequestError,
    KeyProviderUnavailableError,
    NotFoundError,
    WorkerError,
)
from worker.telemetry.logs import get_logger

MEDIA_TYPE = "application/problem+json"
log = get_logger(__name__)


class FieldProblem(BaseModel):
    """One field that is wrong, without its value."""

    field: str = Field(examples=["body.from_date"])
    message: str = Field(examples=["Input should be a valid date"])


class Problem(BaseModel):
    """What went wrong (RFC 9457). `code` is stable and meant for programs.

    `error` and `message` say the same in one sentence, under the names that FinMind's own routes and client use.
    """

    type: str = Field(examples=["urn:finmind-worker:problem:not_found"])
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    code: str = Field(examples=["not_found"])
    error: str = Field(examples=["no run 0b6c2a54-8f5e-4c39-9d0e-3f1f7f0c9c11"])
    message: str = Field(examples=["no run 0b6c2a54-8f5e-4c39-9d0e-3f1f7f0c9c11"])
    detail: str | None = Field(default=None, examples=["no run 0b6c2a54-8f5e-4c39-9d0e-3f1f7f0c9c11"])
    request_id: str | None = None
    errors: list[FieldProblem] = []


_STATUS: tuple[tuple[type[WorkerError], int], ...] = (
    (NotFoundError, 404),
    (ConflictError, 409),
    (ConnectorNotFoundError, 422),
    (InvalidRequestError, 422),
    (AuthenticationError, 422),
    (RateLimitError, 503),
    (ProviderUnavailableError, 502),
    (ConnectorError, 502),
    (KeyProviderUnavailableError, 503),
)


class ProblemError(Exception):
    """An error that only the API knows. headers: such as Retry-After."""

    def __init__(self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = headers


def answer(
    status: int,
    code: str,
    *,
    detail: str | None = None,
    headers: Mapping[str, str] | None = None,
    errors: list[FieldProblem] | None = None,
    request_id: str | None = None,
) -> JSONResponse:
    """Return the response for one problem. request_id: by default that of the log context."""
    sentence = _sentence(status, detail, errors or [])
    problem = Problem(
        type=f"urn:finmind-worker:problem:{code}",
        title=HTTPStatus(status).phrase,
        status=status,
        code=code,
        error=sentence,
        message=sentence,
        detail=detail,
        request_id=request_id or structlog.contextvars.get_contextvars().get("request_id"),
        errors=errors or [],
    )
    return JSONResponse(
        problem.model_dump(exclude_none=True), status_code=status, headers=headers, media_type=MEDIA_TYPE
    )


def _sentence(status: int, detail: str | None, errors: list[FieldProblem]) -> str:
    """Return what to show a person: the detail with the fields it is about, else the name of the status."""
    if errors:
        return "; ".join(f"{one.field.partition('.')[2] or one.field}: {one.message}" for one in errors[:3])
    return detail or HTTPStatus(status).phrase


def install(app: FastAPI) -> None:
    """Make every error of `app` a problem detail."""
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)


def response_to(request: Request, error: Exception) -> JSONResponse:
    """Return the problem that an error of a route becomes."""
    handler = next(handler for kind, handler in _HANDLERS.items() if isinstance(error, kind))
    response: JSONResponse = handler(request, error)
    return response


def _worker_error(_request: Request, error: WorkerError) -> JSONResponse:
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("request.failed", code=error.code, reason=str(error))
        return answer(status, error.code)
    if isinstance(error, ConnectorNotFoundError):
        # The error's own message repeats the requested name.
        return answer(status, error.code, detail="no such connector is installed; GET /connectors lists them")
    retry_after_s = error.retry_after_s if isinstance(error, RateLimitError) else None
    headers = {"Retry-After": str(int(retry_after_s))} if retry_after_s else None
    named = error.fields.items() if isinstance(error, InvalidFieldsError) else ()
    fields = [FieldProblem(field=field, message=message) for field, message in named]
    return answer(status, error.code, detail=str(error), headers=headers, errors=fields)


def _problem_error(_request: Request, error: ProblemError) -> JSONResponse:
    return answer(error.status, error.code, detail=error.detail, headers=error.headers)


def _unauthenticated(_request: Request, error: UnauthenticatedError) -> JSONResponse:
    log.info("request.unauthenticated", reason=str(error))
    return answer(401, "unauthenticated", detail="a valid token is needed", headers={"WWW-Authenticate": "Bearer"})


def _invalid_request(_request: Request, error: RequestValidationError) -> JSONResponse:
    fields = [
        FieldProblem(field=".".join(str(part) for part in problem["loc"]), message=_message(problem))
        for problem in error.errors()
    ]
    return answer(422, "invalid_request", detail="the request does not fit its schema", errors=fields)


def _message(problem: Mapping[str, Any]) -> str:
    # A parser's message may quote the body; messages of validators are our own.
    return "not valid JSON" if problem["type"] == "json_invalid" else str(problem["msg"])


def _http_error(request: Request, error: HTTPException) -> JSONResponse:
    code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_").replace("-", "_")
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_methods(request)) or headers.get("Allow", "")
    return answer(error.status_code, code, headers=headers)


def _methods(request: Request) -> list[str]:
    # The framework names only the methods of the first route that knows the path.
    paths = request.app.openapi()["paths"]
    path = request.url.path
    known = {path: paths[path]}.items() if path in paths else paths.items()
    found = (methods for template, methods in known if re.fullmatch(re.sub(r"{\w+}", "[^/]+", template), path))
    return sorted({method.upper() for methods in found for method in methods})


def _database_failed(request: Request, error: DBAPIError) -> JSONResponse:
    trouble = trouble_of(error)
    if trouble in {DatabaseTrouble.CONTENTION, DatabaseTrouble.CROWDED}:
        log.warning("request.contention", reason=type(error.orig).__name__)
        return answer(503, "busy", detail="another change was in the way; try again", headers={"Retry-After": "1"})
    if isinstance(error.orig, ForeignKeyViolation):  # the user or another row was deleted in the meantime
        return answer(404, "not_found", detail="the request is about something that was deleted")
    if not is_away(error):
        return _unexpected(request, error)
    log.error("request.database_down", trouble=trouble.value)
    return answer(503, "database_down", detail="try again in a moment", headers={"Retry-After": "5"})


def _unstorable(_request: Request, _error: DataError) -> JSONResponse:
    return answer(422, "invalid_request", detail="a value cannot be stored")


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    # Called outside of every middleware, so the id comes from the request, and the header is set here.
    request_id = request.scope.get("request_id")
    log.error("request.failed", reason=type(error).__name__, request_id=request_id, exc_info=error)
    headers = {"X-Request-ID": request_id, "Cache-Control": "no-store"} if request_id else None
    return answer(500, "internal", headers=headers, request_id=request_id)


_HANDLERS: Mapping[type[Exception], Callable[[Request, Any], JSONResponse]] = {
    WorkerError: _worker_error,
    ProblemError: _problem_error,
    UnauthenticatedError: _unauthenticated,
    RequestValidationError: _invalid_request,
    HTTPException: _http_error,
    DataError: _unstorable,
    DBAPIError: _database_failed,
    Exception: _unexpected,
}

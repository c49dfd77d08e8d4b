"""Completes the OpenAPI contract: problem details, webhook events and operation ids."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from worker.api.problems import MEDIA_TYPE, Problem
from worker.events import event_types, schema

_WHEN = {
    400: "The request cannot be read.",
    401: "There is no valid token.",
    404: "There is no such thing for this user.",
    409: "It is in the wrong state for this.",
    413: "The body is too large.",
    422: "The request does not fit; `errors` names the fields, never their values.",
    429: "Too many requests; Retry-After says when to go on.",
    502: "The bank or aggregator did not answer properly.",
    503: "Try again after Retry-After.",
}
_PROBLEM = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": description, "content": _PROBLEM} for status, description in _WHEN.items()
}


def install(app: FastAPI) -> None:
    """Make `app` serve the whole contract, computed once."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend it


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
    components = document["components"]["schemas"]
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    components.update(problem.pop("$defs", {}))
    components["Problem"] = problem
    document["webhooks"] = {name: _webhook(name, entry.description, entry.example) for name, entry in _events()}
    return document


def _events() -> Any:  # noqa: ANN401 - items of the catalogue
    return event_types().items()


def _webhook(name: str, description: str, example: Mapping[str, Any]) -> dict[str, Any]:
    body = {key: value for key, value in schema(name).items() if key != "$schema"}
    return {
        "post": {
            "operationId": f"on_{name.replace('.', '_')}",
            "summary": description,
            "requestBody": {"content": {"application/json": {"schema": {**body, "examples": [example]}}}},
            "responses": {"2XX": {"description": "Received; anything else is tried again."}},
        }
    }

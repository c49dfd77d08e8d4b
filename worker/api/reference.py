"""`/docs`: the HTTP API as a page for people, made of the OpenAPI document; nothing is loaded from elsewhere."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, HTMLResponse
from jinja2 import Environment, FileSystemLoader

_HERE = Path(__file__).parent
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
}
_PAGES = Environment(
    loader=FileSystemLoader(_HERE / "templates"), autoescape=True, trim_blocks=True, lstrip_blocks=True
)
_DEEPEST = 8
"""Levels of an example; what lies deeper is cut."""

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One parameter, or one field of a body.

    Attributes:
        place: `path`, `query`, `header` or `body`.
        kind: Its type in words, such as `string (date) or null`.
    """

    name: str
    place: str
    kind: str
    required: bool
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation of the API as the page shows it.

    Attributes:
        answers: Status and description of each answer.
        command: A curl command that calls it.
        example: The JSON of its first good answer, with invented values.
    """

    id: str
    method: str
    path: str
    title: str
    text: str
    fields: Sequence[Field]
    answers: Sequence[tuple[str, str]]
    command: str
    example: str | None


@router.get("/docs")
def reference(request: Request) -> HTMLResponse:
    """Show every operation with its parameters, a command to try it, and an answer."""
    document = request.app.openapi()
    shown = _PAGES.get_template("reference.html").render(
        document=document, groups=operations_by_tag(document), events=document["webhooks"], api=request.app.openapi_url
    )
    return HTMLResponse(shown, headers=_HEADERS)


@router.get("/docs/style.css")
def style() -> FileResponse:
    """Return the stylesheet, which the operator's pages use too."""
    return FileResponse(_HERE / "ops" / "templates" / "style.css", media_type="text/css")


def operations_by_tag(document: Mapping[str, Any]) -> dict[str, list[Operation]]:
    """Return the operations of an OpenAPI document, in its order, by their first tag. Pure."""
    found: dict[str, list[Operation]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            tag = next(iter(operation.get("tags", [])), "other")
            found.setdefault(tag, []).append(_operation(document, path, method, operation))
    return found


def _operation(document: Mapping[str, Any], path: str, method: str, operation: Mapping[str, Any]) -> Operation:
    title, _, text = operation.get("description", operation.get("summary", "")).partition("\n")
    body = operation.get("requestBody", {}).get("content", {})
    fields = [_parameter(document, one) for one in operation.get("parameters", [])]
    json_body = body.get("application/json", {}).get("schema")
    fields += _body_fields(document, json_body) if json_body else []
    good: Mapping[str, Any] = next(
        (one for status, one in operation["responses"].items() if status.startswith("2")), {}
    )
    answer = good.get("content", {}).get("application/json", {}).get("schema")
    return Operation(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        title=title,
        text=text.strip(),
        fields=fields,
        answers=[(status, one.get("description", "")) for status, one in operation["responses"].items()],
        command=_command(document, path, method, body),
        example=json.dumps(example_of(document, answer), indent=2, ensure_ascii=False) if answer else None,
    )


def _command(document: Mapping[str, Any], path: str, method: str, body: Mapping[str, Any]) -> str:
    lines = [f'curl -X {method.upper()} "$API{path}"', '-H "Authorization: Bearer $TOKEN"']
    if "application/json" in body:
        wanted = example_of(document, body["application/json"]["schema"])
        lines += ['-H "Content-Type: application/json"', f"-d '{json.dumps(wanted, ensure_ascii=False)}'"]
    elif body:
        lines += [f'-H "Content-Type: {next(iter(body))}"', "--data-binary @FILE"]
    return " \\\n  ".join(lines)


def _parameter(document: Mapping[str, Any], parameter: Mapping[str, Any]) -> Field:
    return Field(
        name=parameter["name"],
        place=parameter["in"],
        kind=kind_of(document, parameter["schema"]),
        required=parameter.get("required", False),
        description=parameter.get("description", ""),
    )


def _body_fields(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[Field]:
    whole = _resolved(document, schema)
    for name, field in whole.get("properties", {}).items():
        yield Field(
            name=name,
            place="body",
            kind=kind_of(document, field),
            required=name in whole.get("required", []),
            description=field.get("description", ""),
        )


def kind_of(document: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """Return the type of a schema in words. Pure."""
    if "anyOf" in schema:
        return " or ".join(kind_of(document, one) for one in schema["anyOf"])
    whole = _resolved(document, schema)
    if "enum" in whole:
        return " | ".join(map(str, whole["enum"]))
    if whole.get("type") == "array":
        return f"list of {kind_of(document, whole.get('items', {}))}"
    form = f" ({whole['format']})" if "format" in whole else ""
    return f"{whole.get('type', 'any')}{form}"


def example_of(document: Mapping[str, Any], schema: Mapping[str, Any], depth: int = 0) -> Any:  # noqa: ANN401 - JSON
    """Return a value that fits a schema: its own example where it has one, else an invented one. Pure."""
    whole = _resolved(document, schema)
    for given in ("examples", "example", "default", "enum"):
        if given in whole:
            value = whole[given]
            return value[0] if given in {"examples", "enum"} and value else value
    for choices in ("anyOf", "oneOf", "allOf"):
        if choices in whole:
            return example_of(document, whole[choices][0], depth)
    return _invented(document, whole, depth)


def _invented(document: Mapping[str, Any], schema: Mapping[str, Any], depth: int) -> Any:  # noqa: ANN401 - JSON
    kind = schema.get("type")
    if kind == "object" and depth < _DEEPEST:
        return {name: example_of(document, one, depth + 1) for name, one in schema.get("properties", {}).items()}
    if kind == "array" and depth < _DEEPEST:
        return [example_of(document, schema.get("items", {}), depth + 1)]
    simple = {
        "string": _TEXTS.get(schema.get("format", ""), "text"),
        "integer": schema.get("minimum", 0),
        "number": schema.get("minimum", 0),
        "boolean": False,
        "array": [],
    }
    return simple.get(str(kind), {})


_TEXTS = {
    "uuid": "0b6c2a54-8f5e-4c39-9d0e-3f1f7f0c9c11",
    "date": "2026-03-04",
    "date-time": "2026-03-04T12:00:00Z",
    "uri": "https://example.com/",
}


def _resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    found: Any = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return {**found, **{name: value for name, value in schema.items() if name != "$ref"}}

"""Writes docs/reference: the HTTP API from its OpenAPI document, the Python names from their source.

python -m tools.reference    writes both pages; a test compares them with what this would write
"""

import ast
import re
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from worker.api.app import create_app
from worker.api.reference import kind_of
from worker.credentials import generate_key
from worker.runtime import open_runtime
from worker.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "reference"
WIDTH = 118
_MADE = "`python -m tools.reference` writes this page; change the code that it comes from."

PUBLIC_NAMES: Mapping[str, frozenset[str]] = {
    "worker/client.py": frozenset({"WorkerClient", "run_status", "imported_expenses", "ImportedExpense"}),
    "worker/runs/states.py": frozenset({"RunRequest", "RunKind", "RunTrigger", "RunStatus"}),
    "worker/tasks/imports.py": frozenset({"import_connection", "refresh_connection"}),
    "worker/tasks/webhooks.py": frozenset({"publish_event"}),
    "worker/connectors/base.py": frozenset(),
    "worker/connectors/records.py": frozenset(),
    "worker/connectors/errors.py": frozenset(),
}
"""Modules with the names that other programs may rely on; an empty set stands for all that have no underscore."""


def pages() -> dict[str, str]:
    """Return the text of each page by its file name."""
    return {"http.md": http_page(_openapi()), "python.md": python_page()}


def http_page(document: Mapping[str, Any]) -> str:
    """Return the page of an OpenAPI document. Pure."""
    intro = (
        f"{document['info']['summary']} What it has in common, from tokens to lists and errors, is in"
        " [For the web app's developer](../web-app.md#the-http-api). Any operation may answer with a"
        " [Problem](#problem)."
    )
    parts = ["# HTTP API", _fill(_MADE), _fill(intro)]
    for tag, operations in _by_tag(document).items():
        parts.append(f"## {tag.capitalize()}")
        for method, path, operation in operations:
            parts += _operation(document, method, path, operation)
    parts += ["## Events", _fill("What is sent to webhook subscriptions; [Events](../events.md) has their data.")]
    parts.append("\n".join(_item(f"`{name}`: {one['post']['summary']}") for name, one in document["webhooks"].items()))
    parts.append("## Schemas")
    for name, schema in sorted(document["components"]["schemas"].items()):
        parts += [f"### {name}", *_paragraphs(schema.get("description", "")), *_fields(document, schema)]
    return "\n\n".join(parts) + "\n"


def python_page() -> str:
    """Return the page of the public classes, functions and tasks."""
    parts = ["# Python names", _fill(_MADE)]
    for module, names in PUBLIC_NAMES.items():
        parts.append(f"## {module.removesuffix('.py').replace('/', '.')}")
        for node in ast.parse((ROOT / module).read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and _is_public(node.name, names):
                parts += _definition(node)
    return "\n\n".join(parts) + "\n"


def _openapi() -> dict[str, Any]:
    settings = Settings(
        _env_file=None,
        database_url="postgresql://nowhere/finmind",
        redis_url="redis://nowhere",
        credential_keys=generate_key(),
        jwt_secret=generate_key(),
    )
    return create_app(open_runtime(settings, role="reference")).openapi()


def _by_tag(document: Mapping[str, Any]) -> dict[str, list[tuple[str, str, Mapping[str, Any]]]]:
    found: dict[str, list[tuple[str, str, Mapping[str, Any]]]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            tag = next(iter(operation.get("tags", [])), "other")
            found.setdefault(tag, []).append((method.upper(), path, operation))
    return found


def _operation(document: Mapping[str, Any], method: str, path: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield f"### `{method} {path}`"
    yield from _paragraphs(operation.get("description", operation.get("summary", "")))
    items = [
        _field(
            document,
            one["name"],
            one["schema"],
            text=one.get("description", ""),
            required=one.get("required", False),
            place=one["in"],
        )
        for one in operation.get("parameters", [])
    ]
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        items.append(_item(f"body ({media_type}): {_kind(document, content['schema'])}"))
    for status, answer in operation["responses"].items():
        if status.startswith("2"):
            kinds = [_kind(document, one["schema"]) for one in answer.get("content", {}).values() if "schema" in one]
            items.append(_item(f"answer {status}: {' or '.join(kinds) or answer['description']}"))
    yield "\n".join(items)


def _fields(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[str]:
    if "enum" in schema:
        yield _fill("One of " + ", ".join(f"`{value}`" for value in schema["enum"]) + ".")
    required = schema.get("required", [])
    items = [
        _field(document, name, one, text=one.get("description", ""), required=name in required)
        for name, one in schema.get("properties", {}).items()
    ]
    if items:
        yield "\n".join(items)


def _field(
    document: Mapping[str, Any],
    name: str,
    schema: Mapping[str, Any],
    *,
    text: str,
    required: bool,
    place: str = "",
) -> str:
    said = ", ".join(filter(None, (place, _kind(document, schema), "required" if required else "")))
    return _item(f"`{name}` ({said})" + (f": {' '.join(text.split())}" if text else ""))


def _kind(document: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_kind(document, one) for one in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_kind(document, schema.get('items', {}))}"
    if words := schema.get("x-extensible-enum"):
        return ", ".join((*words, "or a later version's word"))
    return kind_of(document, schema).replace(" | ", ", ")


def _is_public(name: str, names: frozenset[str]) -> bool:
    return name in names if names else not name.startswith("_")


def _definition(node: ast.ClassDef | ast.FunctionDef) -> Iterator[str]:
    yield f"### {node.name}"
    yield _signature(node)
    yield from _paragraphs(ast.get_docstring(node) or "")
    for inner in node.body if isinstance(node, ast.ClassDef) else ():
        if isinstance(inner, ast.FunctionDef) and not inner.name.startswith("_"):
            yield _signature(inner)
            yield from _paragraphs(ast.get_docstring(inner) or "")


def _signature(node: ast.ClassDef | ast.FunctionDef) -> str:
    """Return the code block that declares a function, or a class with its fields."""
    if isinstance(node, ast.FunctionDef):
        node.args.args = [argument for argument in node.args.args if argument.arg not in {"self", "cls"}]
        returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
        lines = [f"{node.name}({ast.unparse(node.args)}){returns}"]
    else:
        bases = ", ".join(map(ast.unparse, node.bases))
        lines = [f"class {node.name}({bases})" if bases else f"class {node.name}"]
        lines += [f"    {ast.unparse(one)}" for one in node.body if isinstance(one, ast.AnnAssign | ast.Assign)]
    wrapped = [part for line in lines for part in textwrap.wrap(line, WIDTH, subsequent_indent=" " * 8)]
    return "\n".join(["```python", *wrapped, "```"])


def _paragraphs(docstring: str) -> Iterator[str]:
    """Yield the paragraphs of a docstring; a section such as `Args:` becomes a list."""
    for block in re.split(r"\n\s*\n", textwrap.dedent(docstring).strip()):
        heading, _, rest = block.partition("\n")
        if not re.fullmatch(r"(Args|Attributes|Raises|Returns):", heading):
            yield _fill(" ".join(block.split()))
            continue
        yield heading
        items = re.split(r"\n(?=\S)", textwrap.dedent(rest))
        yield "\n".join(_item(re.sub(r"^([\w, ]+): ", r"`\1`: ", " ".join(item.split()))) for item in items)


def _item(text: str) -> str:
    return _fill(f"- {text}", indent="  ")


def _fill(text: str, indent: str = "") -> str:
    return textwrap.fill(text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def main() -> None:
    """Write the pages."""
    FOLDER.mkdir(exist_ok=True)
    for name, page in pages().items():
        (FOLDER / name).write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()

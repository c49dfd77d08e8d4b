"""The words that a connector looks for. They stay unchanged in a recording, because its code is public anyway.

Every other word of a response is replaced. The words are the string constants and names of fields of the connector's
own modules and of the decisions about rows, without docstrings, messages and names of arguments; a manifest's words
are its values, without those of its samples, which are answers of somebody's bank.
"""

import ast
import inspect
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from worker import connectors
from worker.connectors.base import BankConnector
from worker.importer import decide

_WORD = re.compile(r"[^\W\d_]{2,}")
_SHARED = ("berlin", "reading.py", "records.py", "http.py", "error_meanings.py")


@cache
def vocabulary_of(connector_type: type[BankConnector]) -> frozenset[str]:
    """Return the words, in lower case."""
    folder = Path(str(inspect.getsourcefile(connectors))).parent
    own = Path(str(inspect.getsourcefile(connector_type)))
    package = own.parent if own.parent != folder else own
    places = [package, *(folder / name for name in _SHARED), Path(str(inspect.getsourcefile(decide))).parent]
    words: set[str] = set()
    for place in places:
        for source in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            words.update(_words_of_code(source.read_text(encoding="utf-8")))
    for name in connector_type.Config.model_fields:
        words.update(name.casefold().split("_"))
    plan = getattr(connector_type, "plan", None)
    if plan is not None:
        words.update(_words_of_values(plan.manifest.model_dump(mode="json", exclude={"samples"})))
    return frozenset(words)


@cache
def counts_of(connector_type: type[BankConnector]) -> frozenset[str]:
    """Return the fields that a manifest reads as the number of records or pages, such as a `total`."""
    plan = getattr(connector_type, "plan", None)
    if plan is None:
        return frozenset()
    return frozenset(path.rpartition(".")[2] for path in _counting_paths(plan.manifest.model_dump(mode="json")))


@cache
def headers_of(connector_type: type[BankConnector]) -> frozenset[str]:
    """Return the headers of answers that a manifest reads, in lower case, such as that of the next page's token."""
    plan = getattr(connector_type, "plan", None)
    if plan is None:
        return frozenset()
    manifest = plan.manifest
    lists = (*manifest.accounts, *manifest.balances, *manifest.transactions, manifest.parents)
    named = [getattr(getattr(one, "paging", None), "header", None) for one in lists]
    named += [] if manifest.limits.headers is None else [name for _, name in manifest.limits.headers]
    return frozenset(name.lower() for name in named if name)


def _counting_paths(value: Any) -> Iterator[str]:  # noqa: ANN401 - JSON
    match value:
        case {"paging": {} as paging, **rest}:
            yield from (path for name in ("total", "pages") if isinstance(path := paging.get(name), str))
            yield from _counting_paths(list(rest.values()))
        case dict():
            yield from _counting_paths(list(value.values()))
        case list():
            for part in value:
                yield from _counting_paths(part)
        case _:
            return


def _words_of_code(source: str) -> Iterator[str]:
    for text in _constants(ast.parse(source)):
        yield from (word.casefold() for word in _WORD.findall(text))


def _words_of_values(value: Any) -> Iterator[str]:  # noqa: ANN401 - JSON
    match value:
        case str():
            yield from (word.casefold() for word in _WORD.findall(value))
        case dict():
            for part in value.values():
                yield from _words_of_values(part)
        case list():
            for part in value:
                yield from _words_of_values(part)
        case _:
            return


def _constants(node: ast.AST) -> Iterator[str]:
    """Yield the string constants below a node that code can compare a response with."""
    if isinstance(node, ast.JoinedStr | ast.Raise):
        return
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    if isinstance(node, ast.keyword) and node.arg in {"description", "title", "help"}:
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        yield node.target.id.replace("_", " ")
    for child in ast.iter_child_nodes(node):
        yield from _constants(child)

"""Says in sentences what the model of manifests refuses: the key, and what is allowed there. Pure."""

import difflib
from collections.abc import Iterator, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from worker.connectors.manifest.key_lines import Loc
from worker.connectors.manifest.model import Manifest
from worker.connectors.manifest.values import AmountValue, DayValue, MomentValue, TextValue


def explained(error: ValidationError) -> Iterator[tuple[Loc, str]]:
    """Yield each mistake with its place in the file, one sentence for all the shapes that a value may have."""
    found = list(error.errors(include_url=False))
    telling = [(_without_tags(one["loc"]), one) for one in found if not _says_nothing(one, found)]
    shapes: dict[Loc, list[str]] = {}
    for loc, one in telling:
        shape = _shape(one)
        if shape is None:
            yield one["loc"], _sentence(one, loc)
        elif not any(other != loc and other[: len(loc)] == loc for other, _ in telling):
            shapes.setdefault(loc, []).append(shape)
    for loc, wanted in shapes.items():
        yield loc, f"{written_key(loc)}: must be {', or '.join(dict.fromkeys(wanted))}"


def _says_nothing(one: Any, found: Sequence[Any]) -> bool:  # noqa: ANN401 - pydantic's own dictionary
    """Say whether a list is only called empty because its elements are wrong, which is said of them."""
    return bool(one["type"] == "too_short" and _is_wrong_inside(one["loc"], found))


def _is_wrong_inside(loc: Sequence[str | int], found: Sequence[Any]) -> bool:
    return any(other["loc"][: len(loc)] == loc and other["type"] != "too_short" for other in found)


def written_key(loc: Sequence[str | int]) -> str:
    """Write a place as the file does, elements of lists counted from 1: `samples.2.rows.1.amount`."""
    named = []
    for at, part in enumerate(loc):
        if isinstance(part, int) and part == 0 and (loc[:at] in _ALONE):
            continue
        named.append(str(part + 1) if isinstance(part, int) else part)
    return ".".join(named) or "the manifest"


_ALONE = {("accounts",), ("balances",), ("transactions",)}
"""Tables that are written without a number when there is one of them."""


def _sentence(problem: Any, loc: Loc) -> str:  # noqa: ANN401 - pydantic's own dictionary
    key = written_key(loc)
    match problem["type"]:
        case "extra_forbidden":
            allowed = sorted(_keys_at(problem["loc"][:-1]))
            near = difflib.get_close_matches(str(loc[-1]), allowed, n=1)
            hint = f", did you mean '{near[0]}'?" if near else ";"
            return f"{key}: there is no such key{hint} allowed here: {', '.join(allowed)}"
        case "missing":
            return f"{key}: is missing"
        case "union_tag_not_found":
            return f"{key}: needs a kind: {', '.join(_tags(problem))}"
        case "union_tag_invalid":
            return f"{key}: kind is none of {', '.join(_tags(problem))}"
        case _:
            return f"{key}: {problem['msg'].removeprefix('Value error, ')}"


def _shape(problem: Any) -> str | None:  # noqa: ANN401 - pydantic's own dictionary
    """Return what a value must be, where it is something else altogether; None for every other mistake."""
    if problem["type"] in ("literal_error", "enum"):
        return f"one of {problem['ctx']['expected'].replace(' or ', ', ')}"
    if problem["type"] in ("model_type", "model_attributes_type"):
        models, keys = _models_at(problem["loc"]), sorted(_keys_at(problem["loc"]))
        path = "a path, or " if any(model in _PATHS_TOO for model in models) else ""
        return f"{path}a table with {', '.join(keys)}" if keys else "a table"
    return next((shape for kinds, shape in _SHAPES.items() if problem["type"].startswith(kinds)), None)


_PATHS_TOO = (TextValue, AmountValue, DayValue, MomentValue)
"""Values that may be written as a path alone."""

_SHAPES = {
    ("string_type",): "a text",
    ("bool_",): "true or false",
    ("int_",): "a whole number",
    ("float_",): "a number",
    ("dict_",): "a table",
    ("tuple_", "list_"): "a list",
    ("date_",): "a day such as 2026-01-31",
    ("decimal_",): 'an amount in quotes such as "-12.50"',
}


def _tags(problem: Any) -> list[str]:  # noqa: ANN401 - pydantic's own dictionary
    return [kind for model in _models_at(problem["loc"]) if (kind := _kind_of(model)) is not None]


def _without_tags(loc: Sequence[str | int]) -> tuple[str | int, ...]:
    """Leave out the names that pydantic gives to the branches of a union: no key of the file has them."""
    return tuple(part for at, part in enumerate(loc) if not _is_tag(loc[:at], part))


def _is_tag(before: Sequence[str | int], part: str | int) -> bool:
    if not isinstance(part, str):
        return False
    names_a_branch = any(part in (_kind_of(model), model.__name__) for model in _models_at(before))
    return part in ("str", "int", "bool") or "[" in part or names_a_branch


def _keys_at(loc: Sequence[str | int]) -> set[str]:
    return {field.alias or name for model in _models_at(loc) for name, field in model.model_fields.items()}


def _models_at(loc: Sequence[str | int]) -> list[type[BaseModel]]:
    """Return the models that may stand at a place."""
    models: list[type[BaseModel]] = [Manifest]
    for part in loc:
        branch = [model for model in models if part in (_kind_of(model), model.__name__)]
        below = [
            inner
            for model in models
            for name, field in model.model_fields.items()
            if part in (name, field.alias)
            for inner in _models_in(field.annotation)
        ]
        models = branch or below or models
    return models


def _models_in(annotation: Any) -> list[type[BaseModel]]:  # noqa: ANN401 - any annotation
    """Return the models that an annotation mentions, at any depth."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in _models_in(inner)]


def _kind_of(model: type[BaseModel]) -> str | None:
    field = model.model_fields.get("kind")
    found = get_args(field.annotation) if field is not None else ()
    return str(found[0]) if found else None

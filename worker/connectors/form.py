"""Fields that a person fills in to connect a bank; the operator's and the worker's own fields are told apart."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from pydantic import SecretBytes, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from worker.connectors.base import BankConnector

FORM = "x-form"
"""Key of a field's schema that says who fills it in (`person`, `operator` or `worker`) and where it is found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FormField:
    """One field of a form.

    Attributes:
        by: Who fills it in.
        link: Page on which the value is found.
        choices: The only values it may have.
    """

    name: str
    title: str
    help: str
    by: Literal["person", "operator", "worker"]
    secret: bool
    required: bool
    link: str | None = None
    choices: tuple[str, ...] = ()
    default: str | None = None


def form_fields(connector: type[BankConnector]) -> list[FormField]:
    """Return every field of a connector's config, with who fills it in."""
    return [_field(connector, name, field) for name, field in connector.Config.model_fields.items()]


def config_schema(connector: type[BankConnector]) -> dict[str, Any]:
    """Return the JSON Schema of a connector's config, whose properties say who fills them in."""
    schema = connector.Config.model_json_schema()
    for one in form_fields(connector):
        found = schema.get("properties", {}).get(one.name)
        if isinstance(found, dict):
            found.setdefault(FORM, {"by": one.by, "link": one.link})
    return schema


def _field(connector: type[BankConnector], name: str, field: FieldInfo) -> FormField:
    said = field.json_schema_extra.get(FORM) if isinstance(field.json_schema_extra, Mapping) else None
    stated: Mapping[str, Any] = said if isinstance(said, Mapping) else {}
    is_secret = any(kind in (SecretStr, SecretBytes) for kind in _kinds(field.annotation))
    default = field.default if field.default not in (None, PydanticUndefined) else None
    return FormField(
        name=name,
        title=field.title or name.replace("_", " ").capitalize(),
        help=field.description or "",
        by=stated.get("by") or ("person" if connector.form.asks_for(name) else "operator"),
        secret=is_secret,
        required=field.is_required(),
        link=stated.get("link"),
        choices=tuple(str(one) for one in _kinds(field.annotation) if isinstance(one, str)),
        default=None if default is None or is_secret else str(default),
    )


def _kinds(annotation: Any) -> Iterator[Any]:  # noqa: ANN401 - any annotation
    """Yield an annotation and everything inside it."""
    yield annotation
    for inner in get_args(annotation):
        yield from _kinds(inner)

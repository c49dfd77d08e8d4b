"""The catalogue of events: one JSON Schema per type and API version, shipped as files beside this module.

Within a version, changes only add optional fields; any other change makes a new version.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from worker.errors import InvalidRequestError

API_VERSION = "2026-11-01"
API_VERSIONS = (API_VERSION,)
"""Newest first."""

_PYTHON_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "object": Mapping,
    "array": list,
    "null": type(None),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EventType:
    """One entry of the catalogue.

    Attributes:
        schema: JSON Schema of the envelope's `data`.
    """

    name: str
    api_version: str
    description: str
    schema: Mapping[str, Any]
    example: Mapping[str, Any]


@cache
def event_types(api_version: str = API_VERSION) -> Mapping[str, EventType]:
    """Return the catalogue of one version by name. Raises: InvalidRequestError when there is no such version."""
    if api_version not in API_VERSIONS:
        raise InvalidRequestError(f"no API version {api_version!r}; there is {', '.join(API_VERSIONS)}")
    folder = resources.files("worker.events") / "schemas" / api_version
    loaded = [json.loads(file.read_text(encoding="utf-8")) for file in folder.iterdir() if file.name.endswith(".json")]
    return {entry["title"]: _entry(entry, api_version) for entry in sorted(loaded, key=lambda entry: entry["title"])}


def event_type(name: str, api_version: str = API_VERSION) -> EventType:
    """Return one entry. Raises: InvalidRequestError when there is no such type or version."""
    try:
        return event_types(api_version)[name]
    except KeyError:
        raise InvalidRequestError(f"no event type {name!r}; see `finmind-worker webhooks types`") from None


def schema(name: str, api_version: str = API_VERSION) -> dict[str, Any]:
    """Return the JSON Schema of the whole envelope of one type."""
    entry = event_type(name, api_version)
    return {
        "$schema": entry.schema["$schema"],
        "title": name,
        "description": entry.description,
        "type": "object",
        "properties": {
            "id": {"type": "string", "pattern": "^evt_[0-9a-f]{32}$"},
            "type": {"const": name},
            "api_version": {"const": api_version},
            "occurred_at": {"type": "string", "format": "date-time"},
            "sequence": {"type": "integer", "minimum": 1},
            "data": {key: value for key, value in entry.schema.items() if key != "$schema"},
        },
        "required": ["id", "type", "api_version", "occurred_at", "sequence", "data"],
        "additionalProperties": False,
    }


def check_data(name: str, data: Mapping[str, Any]) -> None:
    """Raise when data has unknown or missing fields or wrong JSON types for its event type.

    It checks no formats and needs no library, for callers in the web app; tests validate against the full schema.
    Raises: InvalidRequestError naming the field.
    """
    entry = event_type(name, API_VERSION)
    properties = entry.schema["properties"]
    if missing := [field for field in entry.schema["required"] if field not in data]:
        raise InvalidRequestError(f"{name}: missing {', '.join(missing)}")
    if unknown := sorted(set(data) - set(properties)):
        raise InvalidRequestError(f"{name}: unknown {', '.join(unknown)}")
    for field, value in data.items():
        if not _has_type(value, properties[field]["type"]):
            raise InvalidRequestError(f"{name}: {field} must be {properties[field]['type']}")


def _has_type(value: object, allowed: str | list[str]) -> bool:
    names = [allowed] if isinstance(allowed, str) else allowed
    if isinstance(value, bool):
        return "boolean" in names
    return any(isinstance(value, _PYTHON_TYPES[name]) for name in names)


def _entry(loaded: dict[str, Any], api_version: str) -> EventType:
    return EventType(
        name=loaded["title"],
        api_version=api_version,
        description=loaded["description"],
        schema={key: value for key, value in loaded.items() if key not in {"title", "description", "examples"}},
        example=loaded["examples"][0],
    )

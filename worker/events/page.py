"""Generates docs/events.md from the schemas: `python -m worker.events.page > docs/events.md`."""

import json
import sys
from collections.abc import Mapping
from typing import Any

from worker.events.catalogue import API_VERSION, API_VERSIONS, EventType, event_types

_INTRODUCTION = """# Events

<!-- Written by `python -m worker.events.page`; change the schemas under worker/events/schemas instead. -->

What a webhook can tell you. How to subscribe, verify and answer is in [webhooks.md](webhooks.md).

Every event comes in the same envelope:

| field | |
|---|---|
| `id` | `evt_` and 32 hex digits; the same in every attempt and every replay: use it to recognise what you have seen |
| `type` | one of the types below |
| `api_version` | the shape of `data`; versions: {versions} |
| `occurred_at` | when it happened, ISO 8601 in UTC |
| `sequence` | grows in the order events were written, with gaps; delivery order is best effort, this one is not |
| `data` | see below |

Money is a decimal string beside its currency, never a number. Inside a version fields are only added, so ignore the
ones you do not know. The JSON Schemas are shipped in the package under `worker/events/schemas/`.
"""


def render_page() -> str:
    """Return the whole page."""
    entries = event_types(API_VERSION).values()
    index = "\n".join(f"| [`{entry.name}`](#{_anchor(entry.name)}) | {entry.description} |" for entry in entries)
    parts = [_INTRODUCTION.format(versions=", ".join(f"`{version}`" for version in API_VERSIONS))]
    parts.append(f"| type | what happened |\n|---|---|\n{index}\n")
    parts += [_section(entry) for entry in entries]
    return "\n".join(parts)


def _section(entry: EventType) -> str:
    fields = "\n".join(_row(name, rule) for name, rule in entry.schema["properties"].items())
    example = json.dumps(entry.example, indent=2, ensure_ascii=False)
    return (
        f"## {entry.name}\n\n{entry.description}\n\n| field of `data` | type | |\n|---|---|---|\n{fields}\n\n"
        f"```json\n{example}\n```\n"
    )


def _row(name: str, rule: Mapping[str, Any]) -> str:
    return f"| `{name}` | {_type(rule)} | {rule['description']} |"


def _type(rule: Mapping[str, Any]) -> str:
    names = [rule["type"]] if isinstance(rule["type"], str) else list(rule["type"])
    if "pattern" in rule:
        names[0] = "decimal string"
    elif "format" in rule:
        names[0] = rule["format"]
    elif "enum" in rule:
        names[0] = ", ".join(f"`{value}`" for value in rule["enum"])
    elif names[0] == "object":
        names[0] = "object of " + ", ".join(f"`{field}`" for field in rule["properties"])
    return " or ".join(names)


def _anchor(name: str) -> str:
    return name.replace(".", "")


if __name__ == "__main__":
    sys.stdout.write(render_page())

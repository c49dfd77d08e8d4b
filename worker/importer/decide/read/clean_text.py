"""Cleans and shortens texts of banks to what is stored: descriptions, ids, raw records."""

import html
import json
import unicodedata
from collections.abc import Mapping
from typing import Any

from pydantic_core import PydanticSerializationError, to_json

from worker.importer.decide.read.identity import digest
from worker.inert_text import composed

MAX_ID = 255
MAX_RAW = 16_000


def clean(text: str) -> str:
    """Return the text without control characters and HTML entities, in one Unicode form; `raw` keeps it all."""
    if "&" in text and ";" in text:
        text = html.unescape(text)
    if text.isascii() and text.isprintable():
        return text.strip()
    text = composed(text.encode("utf-8", "replace").decode("utf-8"))
    return " ".join("".join(c if unicodedata.category(c) not in {"Cc", "Cs"} else " " for c in text).split())


def id_text(external_id: str | None, longest: int = MAX_ID) -> str | None:
    """Return a provider's id as it is stored: in full if it fits, otherwise its beginning and a digest."""
    external_id = (external_id or "").strip()
    if len(external_id) <= longest and external_id.isprintable():
        return external_id or None
    suffix = digest(external_id).hex()
    return f"{clean(external_id)[: longest - 1 - len(suffix)]}~{suffix}"


def plain_text(text: str) -> str:
    """Return the text as Postgres takes it: without NULs, with `?` for halves of surrogate pairs."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "")


def json_text(record: Mapping[str, Any] | None) -> str | None:
    """Return a provider's record as JSON that Postgres takes, or a note of its size when it is too large."""
    if record is None:
        return None
    text = _json(record)
    if text is None or "\\u0000" in text:
        text = _json(_storable(record)) or ""
    if len(text) > MAX_RAW:
        return json.dumps({"omitted": "larger than the cap", "characters": len(text)})
    return text


def _json(record: Any) -> str | None:  # noqa: ANN401 - JSON, more or less
    try:
        return to_json(record, fallback=_plainer, inf_nan_mode="null").decode()
    except PydanticSerializationError:
        return None


def _plainer(value: object) -> object:
    """Return what JSON has for a value that it does not know."""
    return dict(value) if isinstance(value, Mapping) else str(value)


def _storable(value: Any) -> Any:  # noqa: ANN401 - JSON, more or less
    match value:
        case str():
            return plain_text(value)
        case bytes():
            return plain_text(value.decode("utf-8", "replace"))
        case Mapping():
            return {_storable(str(name)): _storable(part) for name, part in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_storable(part) for part in value]
        case _:
            return value

"""Reads manifests from texts, the package and directories.

What is wrong is said with file, line, key and what is allowed there.
"""

import json
import re
import tomllib
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from worker.connectors.manifest.agreement import disagreements
from worker.connectors.manifest.explanations import explained, written_key
from worker.connectors.manifest.key_lines import KeyLines
from worker.connectors.manifest.model import MANIFEST_NAME, Manifest
from worker.errors import ConfigurationError

__all__ = [
    "MANIFEST_NAME",
    "ManifestError",
    "json_schema",
    "list_directory",
    "load_manifest",
    "parse_manifest",
    "shipped",
    "skeleton",
]

MAX_BYTES = 256 * 1024
_TOML_PLACE = re.compile(r"at line (\d+), column")


class ManifestError(ConfigurationError):
    """A manifest cannot be used. The message has a line for each thing that is wrong."""


def parse_manifest(text: str, origin: str) -> Manifest:
    """Read a manifest. origin: its file, for messages. Raises: ManifestError."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = _TOML_PLACE.search(str(error))
        line = place[1] if place else str(len(text.splitlines()) or 1)
        raise ManifestError(_on_one_line(f"{origin}:{line}: not valid TOML: {error}")) from None
    lines = KeyLines(text)
    try:
        manifest = Manifest.model_validate(data)
    except ValidationError as error:
        problems = [f"{origin}:{lines.of(loc)}: {message}" for loc, message in explained(error)]
    else:
        problems = [
            f"{origin}:{lines.of(loc)}: {written_key(loc)}: {message}" for loc, message in disagreements(manifest)
        ]
        if not problems:
            manifest.remember_lines(origin, lines)
            return manifest
    raise ManifestError("\n".join(dict.fromkeys(map(_on_one_line, problems))))


def _on_one_line(message: str) -> str:
    """Write what does not print as an escape, because a message is a line."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in message)


def load_manifest(path: Path) -> Manifest:
    """Read a manifest from a file. Raises: ManifestError."""
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
        text = content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path}: cannot be read ({type(error).__name__})") from None
    if len(content) > MAX_BYTES:
        raise ManifestError(f"{path}: larger than {MAX_BYTES // 1024} KB")
    manifest = parse_manifest(text, str(path))
    if manifest.name != path.stem:
        place = manifest.place(("name",))
        raise ManifestError(f"{place}: name: is '{manifest.name}', but the file is called {path.name}")
    return manifest


@cache
def shipped() -> dict[str, str]:
    """Return the shipped manifests as texts, by the name of the connector, which is that of the file."""
    folder = resources.files("worker.connectors.manifest") / "providers"
    return {
        item.name.removesuffix(".toml"): item.read_text("utf-8")
        for item in sorted(folder.iterdir(), key=lambda item: item.name)
        if item.name.endswith(".toml")
    }


def skeleton(name: str) -> str:
    """Return a commented manifest of an invented bank, to be changed to a real one."""
    text = (resources.files("worker.connectors.manifest") / "skeleton.toml").read_text("utf-8")
    return text.replace("NAME.toml", f"{name}.toml").replace('name = "NAME"', f'name = "{name}"', 1)


def list_directory(folder: Path) -> list[Path]:
    """Return the manifests of a directory, by name of file. Raises: ManifestError when it is none."""
    if not folder.is_dir():
        raise ManifestError(f"CONNECTOR_MANIFESTS: {folder} is no directory")
    return sorted(folder.glob("*.toml"))


def json_schema() -> str:
    """Return the JSON Schema of manifests, for editors; one definition on each line."""
    schema = _without_titles(Manifest.model_json_schema())
    definitions = schema.pop("$defs")
    lines = [f"{json.dumps(name)}: {json.dumps(found, ensure_ascii=False)}" for name, found in definitions.items()]
    head = json.dumps({"title": "Manifest of a FinMind connector", **schema}, ensure_ascii=False)
    return f'{head[:-1]}, "$defs": {{\n' + ",\n".join(lines) + "\n}}\n"


def _without_titles(found: Any) -> Any:  # noqa: ANN401 - any part of a schema
    """Leave out the titles that pydantic makes of the names of keys."""
    if isinstance(found, list):
        return [_without_titles(one) for one in found]
    if not isinstance(found, dict):
        return found
    return {name: _without_titles(value) for name, value in found.items() if name != "title" or isinstance(value, dict)}

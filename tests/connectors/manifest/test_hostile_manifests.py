"""Whatever a manifest's file holds: it is read, or refused in sentences that name the file, never with a traceback."""

import tomllib
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from worker.connectors.manifest.connector import make_connector
from worker.connectors.manifest.loading import ManifestError, load_manifest, parse_manifest, shipped, skeleton

TEXTS = [
    skeleton("bank"),
    *shipped().values(),
    *(one.read_text() for one in (Path(__file__).parent / "others").iterdir()),
]
SETTINGS = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
PLAIN = st.none() | st.booleans() | st.integers() | st.text(max_size=12) | st.dates() | st.floats()
ANY = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def said_of(path, error):
    for line in str(error).splitlines():
        assert line.startswith((path, "no installed package", "the hook")), line


def read(text):
    try:
        make_connector(parse_manifest(text, "bank.toml"))
    except ManifestError as error:
        said_of("bank.toml:", error)


def places(found, way=()):
    yield way
    inner = found.items() if isinstance(found, dict) else enumerate(found) if isinstance(found, list) else ()
    for key, value in inner:
        yield from places(value, (*way, key))


def written(found):
    """Write a value as TOML, tables in line."""
    match found:
        case bool():
            return str(found).lower()
        case dict():
            pairs = (f"{quoted(name)} = {written(value)}" for name, value in found.items() if value is not None)
            return "{" + ", ".join(pairs) + "}"
        case list() | tuple():
            return "[" + ", ".join(written(one) for one in found if one is not None) + "]"
        case str():
            return quoted(found)
        case float():
            return "nan" if found != found else repr(found)  # noqa: PLR0124 - only nan is unlike itself
        case _:
            return str(found)


def quoted(text):
    marks = {'"': '\\"', "\\": "\\\\"}
    return '"' + "".join(marks.get(one, one if one.isprintable() else f"\\U{ord(one):08x}") for one in text) + '"'


@SETTINGS
@given(st.sampled_from(TEXTS), st.data())
def test_any_part_of_a_manifest_may_be_anything(text, data):
    found = tomllib.loads(text)
    *way, last = data.draw(st.sampled_from([place for place in places(found) if place]))
    around = found
    for step in way:
        around = around[step]
    value = data.draw(ANY.filter(lambda one: "\ud800" not in repr(one)))
    if value is None:
        del around[last]
    else:
        around[last] = value
    lines = "\n".join(f"{quoted(name)} = {written(value)}" for name, value in found.items())
    read(lines)


@SETTINGS
@given(st.sampled_from(TEXTS), st.data())
def test_a_text_with_parts_cut_out_or_doubled_is_read_or_refused(text, data):
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 200)))
    kept = data.draw(st.sampled_from(["", text[start:end] * 2, "\x00", "\ufeff", "]]", "'''", "{"]))
    read(text[:start] + kept + text[end:])


@SETTINGS
@given(st.binary(max_size=300) | st.sampled_from([one.encode()[:700] for one in TEXTS]))
def test_any_bytes_are_no_manifest_or_are_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("manifests") / "bank.toml"
    path.write_bytes(content)
    try:
        load_manifest(path)
    except ManifestError as error:
        said_of(str(path), error)

"""Compares what a manifest asks for a window with the documented request that a sample shows."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

from worker.connectors.base import Window
from worker.connectors.manifest.checking.findings import ManifestFinding, of_sample, wrong
from worker.connectors.manifest.checking.questions import flat, read_edge, values_in
from worker.connectors.manifest.checking.samples import Samples
from worker.connectors.manifest.key_lines import Loc
from worker.connectors.manifest.model import NAMED, Manifest
from worker.connectors.manifest.paging_kinds import NumberPaging, OffsetPaging
from worker.connectors.manifest.plan import named_by
from worker.connectors.manifest.request_filling import Edges
from worker.connectors.manifest.requests import TransactionsRequest
from worker.connectors.manifest.rules import Sample

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_BEGIN = frozenset({"from", "start", "since", "after", "begin", "min", "gte", "gt", "ge", "lower", "starting"})
_END = frozenset({"to", "end", "until", "till", "before", "max", "lte", "lt", "le", "upper", "ending"})


def misplaced_edges(manifest: Manifest) -> Iterator[ManifestFinding]:
    """Yield edges of windows that are asked for in another way than the documentation does."""
    samples = Samples(manifest)
    for number, request in enumerate(manifest.transactions):
        edges = named_by(request) & {"from", "to"}
        if not edges:
            continue
        yield from _exchanged(("transactions", number), request)
        if not any(one.asked for one in samples.good(request.name)) and not request.like:
            message = (
                "no sample shows how a window is asked for, so that a wrong edge goes unnoticed: state `asked`, the"
                " documented request, and `days`, the first and the last day that it asks for"
            )
            yield wrong(("transactions", number), message)
    for number, request in enumerate(manifest.transactions):
        yield from _first_page(("transactions", number, "paging"), request, samples)
    for number, sample in enumerate(manifest.samples):
        requested = [one for one in manifest.transactions if one.name == sample.of]
        if sample.asked is not None and sample.days is not None and requested:
            yield from _different(manifest, number, sample, requested[0])


def _first_page(loc: Loc, request: TransactionsRequest, samples: Samples) -> Iterator[ManifestFinding]:
    """Yield that pages are counted from another number than the documented requests show."""
    paging = request.paging
    if not isinstance(paging, NumberPaging | OffsetPaging):
        return
    asked = (one.asked for one in samples.good(request.name) if one.asked)
    shown = [text for one in asked if (text := _texts_of(one).get(paging.param)) is not None]
    if shown and str(paging.start) not in shown:
        message = (
            f"the first page is asked for with {paging.param} = {paging.start}, but `asked` shows {', '.join(shown)}:"
            " state start, or an `asked` of the first page"
        )
        yield wrong(loc, message)


def _exchanged(loc: tuple[str, int], request: TransactionsRequest) -> Iterator[ManifestFinding]:
    """Yield parameters whose name says one edge and whose value is the other."""
    texts = [*flat(request.params).items(), *flat(request.json_body or {}).items(), *(request.form or {}).items()]
    for name, text in texts:
        words = {word.casefold() for word in _WORD.findall(name)}
        for edge, own, other in (("from", _BEGIN, _END), ("to", _END, _BEGIN)):
            if NAMED.fullmatch(text) and text == f"{{{edge}}}" and words & other and not words & own:
                yield wrong((*loc, "params"), f"'{name}' is given {{{edge}}}: the edges are exchanged")


def _different(
    manifest: Manifest, number: int, sample: Sample, request: TransactionsRequest
) -> Iterator[ManifestFinding]:
    assert sample.asked is not None
    assert sample.days is not None
    edges = Edges(said=request.window, zone=ZoneInfo(manifest.timezone))
    wanted = edges.values(Window(from_on=sample.days[0], to_on=sample.days[1]))
    found = _shown(request, sample.asked)
    if found is None:
        yield of_sample(number, f"`asked` is no request to '{request.path}'", "asked")
        return
    for name in sorted(_texts_of(sample.asked).keys() - _sent(request)):
        yield of_sample(number, f"`asked` has '{name}', which the manifest never sends", "asked")
    for message in _other_constants(request, sample.asked):
        yield of_sample(number, message, "asked")
    for edge in sorted(named_by(request) & {"from", "to"}):
        text = found.get(edge)
        if text is None:
            yield of_sample(number, f"`asked` holds nothing in the place of {{{edge}}}", "asked")
            continue
        stated, made = read_edge(text, request.window), read_edge(wanted[edge], request.window)
        if stated is None:
            yield of_sample(number, f"`asked` has '{text}' for {{{edge}}}, which is not window.format", "asked")
        elif _whole(stated) != _whole(made):
            message = f"for these days {{{edge}}} would be '{wanted[edge]}', but `asked` has '{text}': see window"
            yield of_sample(number, message, "asked")


def _other_constants(request: TransactionsRequest, asked: str) -> Iterator[str]:
    shown = _texts_of(asked)
    for name, text in sorted(_constant(request).items()):
        if name in shown and shown[name] != text:
            yield f"`asked` has {name} = '{shown[name]}', and the manifest sends '{text}'"


def _texts_of(asked: str) -> dict[str, str]:
    """Return the parameters of a documented request with their values; of a repeated one the last."""
    if asked.lstrip().startswith("{"):
        return flat(json.loads(asked))
    return dict(parse_qsl(urlsplit(asked).query, keep_blank_values=True))


def _constant(request: TransactionsRequest) -> dict[str, str]:
    """Return the parameters that every request for a first page has with the same single value.

    The size of a page may be another one than in the documentation.
    """
    said = {**request.params, **(request.json_body or {}), **(request.form or {})}
    moving = {getattr(request.paging, "param", None)}
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in said.items()
        if name not in moving and isinstance(value, str | bool) and value and not NAMED.search(str(value))
    }


def _sent(request: TransactionsRequest) -> set[str]:
    """Return the parameters that a request may have, with that of its further pages."""
    said = {*flat(request.params), *flat(request.json_body or {}), *(request.form or {})}
    paging = getattr(request.paging, "param", None)
    return said | ({paging} if paging else set())


def _whole(edge: date | datetime | None) -> date | datetime | None:
    """Leave out parts of a second: a documented `23:59:59.999` and `23:59:59` are the same edge."""
    return edge.replace(microsecond=0) if isinstance(edge, datetime) else edge


def _shown(request: TransactionsRequest, asked: str) -> Mapping[str, str] | None:
    """Return what a documented request has in the places of the named values; None when it is another request."""
    if asked.lstrip().startswith("{"):
        pairs = [(name, str(value)) for name, value in flat(json.loads(asked)).items()]
        return values_in(request, pairs)
    parts = urlsplit(asked.removeprefix(f"{request.method} "))
    pairs = parse_qsl(parts.query.replace("+", "%2B"), keep_blank_values=True)  # documented offsets have a plain plus
    pattern = "".join(
        re.escape(text) if at % 2 == 0 else f"(?P<{text.replace('.', '__')}>[^/?]+)"
        for at, text in enumerate(re.split(NAMED, urlsplit(request.path).path.strip("/")))
    )
    found = re.search(f"(?:^|/){pattern}$", parts.path.rstrip("/"))
    if found is None and parts.path:
        return None
    in_path = {name.replace("__", "."): value for name, value in (found.groupdict() if found else {}).items()}
    return {**in_path, **values_in(request, pairs)}

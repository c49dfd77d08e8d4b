"""Puts records into a sample's answer, page by page, in the manner of paging that the sample shows. Pure."""

import copy
from typing import Any
from urllib.parse import urlsplit

import httpx2

from worker.connectors.manifest.checking.leaves import get, places_of, put, steps_of
from worker.connectors.manifest.checking.questions import AskedRequest
from worker.connectors.manifest.paging_kinds import (
    HeaderPaging,
    LastIdPaging,
    LastMomentPaging,
    LinkHeaderPaging,
    LinkPaging,
    NumberPaging,
    OffsetPaging,
    TokenPaging,
)
from worker.connectors.manifest.requests import ListRequest

PAGE = "sample_page_from"
"""Parameter of the links that lead to further pages here."""

Json = Any
Shown = bool | str | int | None
"""What a sample states to lead to its next page."""


def paged(
    request: ListRequest, asked: AskedRequest, sample: Json, rows: list[Json], size: int, shown: Shown
) -> httpx2.Response:
    """Answer with one page of the rows. shown: what the sample says leads to its next page."""
    paging = request.paging
    if request.single and rows:
        return httpx2.Response(200, json=_whole(sample, request, rows[0]))
    size = _size(request, size)
    start = _start(request, asked, rows, size)
    page = rows[start : start + size]
    more = start + size < len(rows)
    body = _whole(sample, request, page)
    headers = {}
    match paging:
        case TokenPaging():
            _lead_on(body, sample, shown, paging.next, str(start + size) if more else None)
            _say(body, paging.more, value=more)
        case LinkPaging():
            link = _link(
                asked.url, start + size, get(sample, steps_of(paging.next)) if shown in (None, True) else shown
            )
            _lead_on(body, sample, shown, paging.next, link if more else None)
        case LinkHeaderPaging():
            headers = {"Link": f'<{_link(asked.url, start + size, "https://")}>; rel="next"'} if more else {}
        case HeaderPaging():
            headers = {paging.header: str(start + size)} if more else {}
        case OffsetPaging() | NumberPaging() | LastIdPaging():
            _say(body, paging.more, value=more)
            _say(body, paging.last, value=not more)
            _say(body, paging.total, value=len(rows))
            if isinstance(paging, NumberPaging):
                _say(body, paging.pages, value=max(1, -(-len(rows) // size)))
        case _:
            pass
    return httpx2.Response(200, json=body, headers=headers)


def _size(request: ListRequest, size: int) -> int:
    match request.paging:
        case None:
            return 10**6
        case LastMomentPaging() as paging:
            return paging.full_page
        case _:
            return size


def _start(request: ListRequest, asked: AskedRequest, rows: list[Json], size: int) -> int:
    match request.paging:
        case TokenPaging() | HeaderPaging() as paging:
            return int(asked.param(paging.param) or 0)
        case OffsetPaging() as paging:
            return int(asked.param(paging.param) or paging.start) - paging.start
        case NumberPaging() as paging:
            return (int(asked.param(paging.param) or paging.start) - paging.start) * size
        case LastIdPaging() as paging:
            ids = [str(get(row, steps_of(paging.id))) for row in rows]
            last = asked.param(paging.param)
            return ids.index(last) + 1 if last in ids else 0
        case _:
            return int(asked.param(PAGE) or 0)


def with_pending(response: httpx2.Response, path: str, rows: list[Json]) -> httpx2.Response:
    """Put rows into the second list of an answer."""
    body = response.json()
    put(body, steps_of(path), rows)
    kept = {name: value for name, value in response.headers.items() if not name.startswith("content-")}
    return httpx2.Response(200, json=body, headers=kept)


def _whole(sample: Json, request: ListRequest, records: Json) -> Json:
    if not request.records:
        return records
    written = copy.deepcopy(sample)
    steps = request.records.split(".")
    if "*" in steps:
        return _in_first_group(written, steps, records)
    put(written, steps_of(request.records), records)
    return written


def _in_first_group(written: Json, steps: list[str], records: Json) -> Json:
    """Put all records into the first of several lists, and empty the others."""
    at = steps.index("*")
    groups = get(written, steps_of(".".join(steps[:at]))) if at else written
    rest = steps_of(".".join(steps[at + 1 :]))
    for number, key in enumerate(list(groups) if isinstance(groups, dict) else range(len(groups))):
        if rest:
            put(groups[key], rest, records if number == 0 else [])
        else:
            groups[key] = records if number == 0 else []
    return written


def _lead_on(body: Json, sample: Json, shown: Shown, path: str, value: str | None) -> None:
    """Write what leads on where the sample shows it, which need not be where the manifest looks for it."""
    places = places_of(sample, shown) if shown not in (None, True) else []
    for steps in places or [steps_of(path)]:
        put(body, steps, value)


def _say(body: Json, path: str | None, *, value: bool | int) -> None:
    if path is not None:
        put(body, steps_of(path), value)


def _link(url: httpx2.URL, start: int, shown: object) -> str:
    """Return the address of the page from `start` on, in the sample's manner: whole, a path, or a query."""
    whole = str(url.copy_merge_params({PAGE: start}))
    if not isinstance(shown, str) or "://" in shown:
        return whole
    parts = urlsplit(whole)
    return f"{parts.path}?{parts.query}" if shown.startswith("/") else f"?{parts.query}"

"""Understands what a manifest's connector asks: which request it is, of which account, which days, which page. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

import httpx2

from worker.connectors.manifest.model import NAMED, Manifest
from worker.connectors.manifest.places import located
from worker.connectors.manifest.requests import DayWindow, ManifestRequest, TransactionsRequest
from worker.connectors.testing import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedRequest:
    """A request of a manifest as it came in. values: of the names it holds, such as `account` and `from`."""

    request: ManifestRequest
    values: Mapping[str, str]
    params: Mapping[str, str]
    url: httpx2.URL

    def param(self, name: str) -> str | None:
        """Return a parameter, from the address or the body."""
        return self.params.get(name)


def understand(
    manifest: Manifest, base_url: str, request: httpx2.Request, body: Mapping[str, str]
) -> AskedRequest | None:
    """Return which request of the manifest this is, of several the one whose parameters it has; None for none."""
    params = {**dict(request.url.params), **body}
    pairs = [*request.url.params.multi_items(), *body.items()]
    fitting: list[tuple[int, AskedRequest]] = []
    for _, wanted in located(manifest):
        found = _match_path(wanted, base_url, request)
        if found is None or wanted.method != request.method:
            continue
        if all(pair in pairs for pair in _constants(wanted)):
            values = found | values_in(wanted, pairs)
            asked = AskedRequest(request=wanted, values=values, params=params, url=request.url)
            fitting.append((_likeness(wanted, params), asked))
    return max(fitting, key=lambda pair: pair[0])[1] if fitting else None


def _likeness(wanted: ManifestRequest, params: Mapping[str, str]) -> int:
    """Count the parameters of a request that are there, less those that are not; a cursor may be there."""
    said = [name in params for name, _ in _parameters(wanted)]
    return 2 * sum(said) - len(said) + (getattr(wanted, "param", None) in params)


def _match_path(wanted: ManifestRequest, base_url: str, request: httpx2.Request) -> dict[str, str] | None:
    url = wanted.path if "://" in wanted.path else f"{base_url.rstrip('/')}/{wanted.path.lstrip('/')}"
    parts = urlsplit(url)
    pattern = "".join(
        re.escape(text) if at % 2 == 0 else f"(?P<{text.replace('.', '__')}>[^/]+)"
        for at, text in enumerate(re.split(NAMED, parts.path.rstrip("/") or "/"))
    )
    found = re.fullmatch(pattern, request.url.raw_path.decode().partition("?")[0].rstrip("/") or "/")
    if found is None or parts.hostname != request.url.host:
        return None
    return {name.replace("__", "."): unquote(value) for name, value in found.groupdict().items()}


def values_in(wanted: ManifestRequest, pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return the named values that parameters of a request hold, alone or within a text such as `ge:{from}`."""
    found: dict[str, str] = {}
    for name, text in _parameters(wanted):
        if NAMED.search(text):
            pattern = "".join(
                re.escape(part) if at % 2 == 0 else f"(?P<{part.replace('.', '__')}>.+)"
                for at, part in enumerate(re.split(NAMED, text))
            )
            matches = (re.fullmatch(pattern, value) for key, value in pairs if key == name)
            first = next((one for one in matches if one), None)
            found |= {key.replace("__", "."): value for key, value in (first.groupdict() if first else {}).items()}
    return found


def _constants(wanted: ManifestRequest) -> Iterator[tuple[str, str]]:
    """Yield the parameters that are always the same; the first page has another page than the next ones."""
    moving = {getattr(getattr(wanted, "paging", None), "param", None), getattr(wanted, "param", None)}
    for name, text in _parameters(wanted):
        if name not in moving and not NAMED.search(text):
            yield name, text


def _parameters(wanted: ManifestRequest) -> Iterator[tuple[str, str]]:
    for named in (wanted.params, wanted.json_body or {}, wanted.form or {}):
        for name, value in named.items():
            for one in value if isinstance(value, tuple) else (value,):
                if isinstance(one, str):
                    yield name, one
                elif isinstance(one, dict):
                    yield from ((f"{name}.{inner}", text) for inner, text in flat(one).items())


def flat(found: Mapping[str, Any]) -> dict[str, str]:
    """Return the texts and numbers of a body by their way, with dots between the steps."""
    texts: dict[str, str] = {}
    for name, value in found.items():
        if isinstance(value, Mapping):
            texts |= {f"{name}.{inner}": text for inner, text in flat(value).items()}
        else:
            texts[name] = str(value)
    return texts


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedDays:
    """The window of a request, as the provider understands it by the manifest's `window`."""

    declared: DayWindow
    zone: ZoneInfo
    first: date | datetime | None
    last: date | datetime | None

    def holds(self, entry: Entry) -> bool:
        """Say whether an entry is of the window."""
        at = entry.booked_at or entry.made_at
        days_zone = ZoneInfo(self.declared.zone) if self.declared.zone else self.zone
        return self._after_first(at, days_zone) and self._before_last(at, days_zone)

    def _after_first(self, at: datetime, zone: ZoneInfo) -> bool:
        if self.first is None:
            return True
        found = at if isinstance(self.first, datetime) else at.astimezone(zone).date()
        return found >= self.first if self.declared.from_edge == "inclusive" else found > self.first

    def _before_last(self, at: datetime, zone: ZoneInfo) -> bool:
        if self.last is None:
            return True
        found = at if isinstance(self.last, datetime) else at.astimezone(zone).date()
        return found <= self.last if self.declared.to_edge == "inclusive" else found < self.last

    def cut(self, longest_days: int | None) -> "AskedDays":
        """Return what a provider gives that cuts longer windows without a word."""
        if longest_days is None or self.first is None:
            return self
        last = self.last if self.last is not None else datetime.now(UTC)
        earliest = last - timedelta(days=longest_days + (1 if isinstance(last, datetime) else 0))
        if isinstance(earliest, datetime) == isinstance(self.first, datetime) and earliest > self.first:
            return AskedDays(declared=self.declared, zone=self.zone, first=earliest, last=self.last)
        return self


def asked_days(asked: AskedRequest, request: TransactionsRequest, zone: ZoneInfo) -> AskedDays:
    """Read the window of a request."""
    declared = request.window
    first, last = (read_edge(asked.values.get(name), declared) for name in ("from", "to"))
    return AskedDays(declared=declared, zone=zone, first=first, last=last)


def read_edge(text: str | None, declared: DayWindow) -> date | datetime | None:
    """Read an edge; None for what is no edge, such as the id that a further page is asked for by."""
    if not text:
        return None
    try:
        return _parsed(text, declared)
    except (ValueError, OverflowError):
        return None


def _parsed(text: str, declared: DayWindow) -> date | datetime:
    match declared.format:
        case "day":
            return date.fromisoformat(text)
        case "unix_s":
            return datetime.fromtimestamp(int(text), UTC)
        case "unix_ms":
            return datetime.fromtimestamp(int(text) / 1000, UTC)
        case "moment" | "moment_ms":
            return datetime.fromisoformat(text)
        case pattern:
            return datetime.strptime(text, pattern).date()  # noqa: DTZ007 - a day has no zone

"""Fills a manifest's requests with values: paths, parameters, bodies, and the edges of windows. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import parse_qsl, quote, urljoin, urlsplit
from zoneinfo import ZoneInfo

from worker.connectors.base import Window
from worker.connectors.errors import InvalidDataError
from worker.connectors.http import is_secure
from worker.connectors.manifest.model import NAMED
from worker.connectors.manifest.requests import DayWindow, ManifestRequest

Values = Mapping[str, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One request to the provider, filled in; its login comes later."""

    method: str
    url: str
    endpoint: str
    account_id: str | None = None
    params: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] | None = None
    json: Mapping[str, Any] | None = None
    form: Mapping[str, str] | None = None

    def with_value(self, name: str, value: str | int) -> "Question":
        """Return the same question with one parameter more: in the body where it has one, else in the address.

        Dots in the name lead into a JSON body: `page.cursor`.
        """
        if self.json is not None:
            return replace(self, json=_with_key(self.json, name.split("."), value))
        if self.form is not None:
            return replace(self, form={**self.form, name: str(value)})
        kept = tuple(pair for pair in self.params if pair[0] != name)
        return replace(self, params=(*kept, (name, str(value))))

    def at(self, link: str, hosts: frozenset[str]) -> "Question":
        """Return the question that a link of the provider asks. Raises: InvalidDataError for another host."""
        if "/" not in link and "=" in link and not link.startswith("?"):
            link = f"?{link}"
        try:
            parts = urlsplit(urljoin(self.url, link))
        except ValueError:
            raise InvalidDataError(f"{self.endpoint}: what leads to the next page is no address") from None
        url = parts._replace(query="", fragment="").geturl()
        if (parts.hostname or "") not in hosts or not is_secure(url):
            raise InvalidDataError(f"{self.endpoint}: the next page is on a host that is not declared")
        return replace(self, url=url, params=tuple(parse_qsl(parts.query, keep_blank_values=True)))


def _with_key(body: Mapping[str, Any], steps: Sequence[str], value: str | int) -> dict[str, Any]:
    first, *rest = steps
    inner = body.get(first)
    below = _with_key(inner if isinstance(inner, Mapping) else {}, rest, value) if rest else value
    return {**body, first: below}


def ask(base_url: str, request: ManifestRequest, values: Values, account_id: str | None = None) -> Question:
    """Fill a request with values. A parameter whose values are not known is left out."""
    path = fill(request.path, {name: _step(value) for name, value in values.items() if value is not None})
    if path is None:
        raise InvalidDataError(f"{request.name}: a value that its path names is not known")
    url = path if "://" in path else f"{base_url.rstrip('/')}/{path.lstrip('/')}"
    named = [(name, text) for name, value in request.params.items() for text in _texts(value)]
    params = tuple((name, found) for name, text in named if (found := fill(text, values)) is not None)
    return Question(
        method=request.method,
        url=url if path.strip("/") else base_url,
        endpoint=request.name,
        account_id=account_id,
        params=params,
        headers=fill_known(request.headers, values),
        json=None if request.json_body is None else _filled(request.json_body, values),
        form=None if request.form is None else fill_known(request.form, values),
    )


def _step(value: str) -> str:
    """Write a value as one step of a path; it is none that leads upwards."""
    return quote(value, safe="").replace(".", "%2E") if value.strip(".") == "" else quote(value, safe="")


def fill(text: str, values: Values) -> str | None:
    """Put values in the places of their names; None when one of them is not known."""
    names = NAMED.findall(text)
    if any(values.get(name) is None for name in names):
        return None
    return NAMED.sub(lambda found: str(values[found[1]]), text)


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401 - a parameter of a manifest
    for one in value if isinstance(value, tuple) else (value,):
        yield str(one).lower() if isinstance(one, bool) else str(one)


def _filled(found: Any, values: Values) -> Any:  # noqa: ANN401 - a body of a manifest
    match found:
        case str():
            return fill(found, values)
        case dict():
            return {name: done for name, value in found.items() if (done := _filled(value, values)) is not None}
        case list():
            return [_filled(value, values) for value in found]
        case _:
            return found


def fill_known(texts: Mapping[str, str], values: Values) -> dict[str, str]:
    """Return the texts whose values are known: an optional key that is missing is left out."""
    return {name: found for name, text in texts.items() if (found := fill(text, values)) is not None}


def pieces(window: Window, longest_days: int | None) -> Iterator[Window]:
    """Cut a window into those that one request may ask for, newest first."""
    to_on = window.to_on
    while to_on >= window.from_on:
        from_on = (
            window.from_on if longest_days is None else max(window.from_on, to_on - timedelta(days=longest_days - 1))
        )
        yield Window(from_on=from_on, to_on=to_on)
        to_on = from_on - timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Edges:
    """Writes the edges of windows as the provider wants them. zone: the bank's, whose days are meant."""

    said: DayWindow
    zone: ZoneInfo

    def values(self, window: Window) -> dict[str, str]:
        """Return `{from}` and `{to}` for the days of a window, both included."""
        first = datetime.combine(window.from_on, time(), self.zone)
        after = datetime.combine(window.to_on + timedelta(days=1), time(), self.zone)
        if self._by_day:
            return {"from": self._day(self._first_day(first)), "to": self._day(self._last_day(after))}
        step = timedelta(milliseconds=1) if self.said.format in ("moment_ms", "unix_ms") else timedelta(seconds=1)
        begin = first if self.said.from_edge == "inclusive" else _minus(first, step)
        end = after if self.said.to_edge == "exclusive" else _minus(after, step)
        return {"from": self.moment(begin), "to": self.moment(end)}

    def moment(self, at: datetime) -> str:
        """Write a moment in the window's format."""
        match self.said.format:
            case "unix_s":
                return str(int(at.timestamp()))
            case "unix_ms":
                return str(int(at.timestamp() * 1000))
            case "moment":
                return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            case "moment_ms":
                return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z"
            case _:
                return self._day(at.astimezone(self._days_zone).date())

    @property
    def _by_day(self) -> bool:
        return self.said.format == "day" or "%" in self.said.format

    @property
    def _days_zone(self) -> ZoneInfo:
        return ZoneInfo(self.said.zone) if self.said.zone else self.zone

    def _first_day(self, first: datetime) -> date:
        day = first.astimezone(self._days_zone).date()
        return day if self.said.from_edge == "inclusive" else day - timedelta(days=1)

    def _last_day(self, after: datetime) -> date:
        day = _minus(after, timedelta(microseconds=1)).astimezone(self._days_zone).date()
        return day if self.said.to_edge == "inclusive" else day + timedelta(days=1)

    def _day(self, day: date) -> str:
        return day.isoformat() if self.said.format == "day" else day.strftime(self.said.format)


def _minus(at: datetime, step: timedelta) -> datetime:
    """Go back in real time, also across a change of clocks."""
    return (at.astimezone(UTC) - step).astimezone(at.tzinfo)

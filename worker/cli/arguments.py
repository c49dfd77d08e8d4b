"""Parses arguments that several commands share: days, durations, and `name=value` options."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import typer
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from worker.errors import InvalidRequestError

_DURATION = re.compile(r"([0-9]+)(m|h|d)")
_SECONDS = {"m": 60, "h": 3600, "d": 86_400}
_LONGEST_S = 36_525 * 86_400
"""A hundred years: what is longer was mistyped, and could not be counted back from today."""


def read_day(value: str) -> date:
    """Read `YYYY-MM-DD`, or raise what typer shows as wrong usage."""
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise typer.BadParameter(f"{value!r} is not a day; write it as 2026-01-31") from None


def read_interval(value: str) -> timedelta | None:
    """Read `30m`, `6h`, `2d`, or `never` for None."""
    if value == "never":
        return None
    interval = _duration(value)
    if interval is None:
        raise InvalidRequestError(f"{value!r} is not an interval; write 30m, 6h, 2d or never")
    return interval


def read_moment(value: str | None, session: Session) -> datetime | None:
    """Read a moment, or how long ago it was by the database's clock: `2h`, `3d` or `2026-11-22T09:00Z`."""
    if value is None:
        return None
    ago = _duration(value)
    if ago is not None:
        now: datetime = session.execute(select(func.now())).scalar_one()
        return now - ago
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise InvalidRequestError(f"{value!r} is no moment; write 2h, 3d or 2026-11-22T09:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _duration(value: str) -> timedelta | None:
    match = _DURATION.fullmatch(value)
    if match is None:
        return None
    number, seconds = match[1].lstrip("0") or "0", _SECONDS[match[2]]
    if len(number) > len(str(_LONGEST_S)) or int(number) * seconds > _LONGEST_S:
        raise InvalidRequestError(f"{value[:20]!r} is longer than a hundred years")
    return timedelta(seconds=int(number) * seconds)


def read_hours(value: str) -> tuple[int | None, int | None]:
    """Read `6-22` as hours of the day, or `any` for no preference."""
    if value == "any":
        return None, None
    match = re.fullmatch(r"(\d{1,2})-(\d{1,2})", value)
    if match is None:
        raise InvalidRequestError(f"{value!r} is not a range of hours; write 6-22, or any")
    return int(match[1]), int(match[2])


def read_choices(given: Sequence[str]) -> dict[str, Any]:
    """Read `name=value` pairs; values are JSON where they can be, else text; an empty one means the default."""
    choices: dict[str, Any] = {}
    for pair in given:
        name, separator, value = pair.partition("=")
        if not separator:
            raise InvalidRequestError(f"{pair!r} is not a choice; write --option import_pending=hide")
        choices[name.strip().replace("-", "_")] = _json_or_text(value) if value else None
    return choices


def _json_or_text(value: str) -> Any:  # noqa: ANN401 - whatever JSON holds
    try:
        return json.loads(value)
    except ValueError:
        return value

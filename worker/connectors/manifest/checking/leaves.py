"""Looks into sample answers: where a value lies, and how a value is written there. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

Steps = tuple[str | int, ...]
_NUMBER = re.compile(r"^[+-]?\d+(\.\d+)?$")
_WITH_COMMA = re.compile(r"^[+-]?[\d.]*\d,\d+$")
_DAY_LENGTH = len("2026-01-31")
_UNIX_MS_FROM = 10**11


def leaves(found: Any, steps: Steps = ()) -> Iterator[tuple[Steps, Any]]:  # noqa: ANN401 - a sample's JSON
    """Yield every plain value with the way to it."""
    match found:
        case dict():
            for name, value in found.items():
                yield from leaves(value, (*steps, name))
        case list():
            for at, value in enumerate(found):
                yield from leaves(value, (*steps, at))
        case _:
            yield steps, found


def steps_of(path: str) -> Steps:
    """Turn a manifest's path into steps; numbers stay names of an object's keys until they are followed."""
    return tuple(int(step) if re.fullmatch(r"-?\d+", step) else step for step in path.split(".")) if path else ()


def get(found: Any, steps: Sequence[str | int]) -> Any:  # noqa: ANN401 - a sample's JSON
    """Return what lies there, None where nothing does."""
    for step in steps:
        try:
            found = found[step]
        except (KeyError, IndexError, TypeError):
            return None
    return found


def put(found: Any, steps: Sequence[str | int], value: Any) -> None:  # noqa: ANN401 - a sample's JSON
    """Put a value there, and the objects on the way to it."""
    *way, last = steps or ("",)
    for at, step in enumerate(way):
        if isinstance(found, dict) and found.get(step) is None:
            found[step] = [] if isinstance(steps[at + 1], int) else {}
        found = get(found, [step])
    if (isinstance(found, dict) and steps) or (isinstance(found, list) and isinstance(last, int) and last < len(found)):
        found[last] = value  # type: ignore[index]  # a list has an int here


def places_of(record: Any, value: object) -> list[Steps]:  # noqa: ANN401 - a sample's JSON
    """Return where a record holds this text or number."""
    wanted = str(value).casefold()
    return [steps for steps, found in leaves(record) if found is not None and str(found).strip().casefold() == wanted]


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenNumber:
    """A number as a sample writes it, for an amount that is known.

    Attributes:
        minor: Whether it counts minor units.
        way: 1 where its sign is that of the amount, -1 where it is the opposite.
        comma: Whether a comma marks its decimals.
    """

    steps: Steps
    text: bool
    minor: bool
    way: int
    comma: bool = False

    def write(self, amount: Decimal, decimals: int) -> str | int | float:
        """Write another amount in the same manner."""
        number = amount * self.way
        if self.minor:
            whole = int(number.scaleb(decimals))
            return str(whole) if self.text else whole
        text = format(number, "f")
        return (text.replace(".", ",") if self.comma else text) if self.text else float(number)


def written_numbers(record: Any, amount: Decimal, decimals: int) -> list[WrittenNumber]:  # noqa: ANN401 - a sample's JSON
    """Return every place where a record holds an amount: in major or in minor units, with its sign or another."""
    found = []
    for steps, value in leaves(record):
        number = _number(value)
        if number is None or not amount:
            continue
        for minor, scaled in ((False, amount), (True, amount.scaleb(decimals))):
            if abs(number) == abs(scaled) and not (minor and decimals == 0):
                way = 1 if number == scaled else -1
                is_text, comma = isinstance(value, str), bool(_WITH_COMMA.match(str(value)))
                found.append(WrittenNumber(steps=steps, text=is_text, minor=minor, way=way, comma=comma))
                break
    return found


def _number(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        return None
    text = str(value).strip()
    if _WITH_COMMA.match(text):
        text = text.replace(".", "").replace(",", ".")
    try:
        return Decimal(text) if _NUMBER.match(text) else None
    except InvalidOperation:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Zones:
    """Where the bank is that is played, and where the one of the samples is."""

    bank: ZoneInfo
    samples: ZoneInfo


def write_time(sample: Any, at: datetime, stated_on: date | None, zones: Zones, pattern: str) -> Any:  # noqa: ANN401 - a sample's JSON
    """Write a moment as the sample writes its own.

    The sample's own text decides how, together with the day that it is stated to be of: a moment that would be of
    another day at the bank is a day that was only written as a moment.
    """
    local = at.astimezone(zones.bank)
    if isinstance(sample, int | float | Decimal):
        return int(at.timestamp() * 1000) if sample > _UNIX_MS_FROM else int(at.timestamp())
    if "%" in pattern:
        return local.strftime(pattern)
    if not isinstance(sample, str) or len(sample) == _DAY_LENGTH:
        return local.date().isoformat()
    return _as_written(sample, at, stated_on, zones)


def _as_written(sample: str, at: datetime, stated_on: date | None, zones: Zones) -> str:
    """Write a moment with an offset, with `Z`, or without either, as the sample does."""
    local, shown, zone = at.astimezone(zones.bank), datetime.fromisoformat(sample), zones.samples
    if shown.tzinfo is None:
        of_bank, of_utc = (shown.replace(tzinfo=one).astimezone(zone).date() for one in (zone, UTC))
        written = at.astimezone(UTC) if of_utc == stated_on != of_bank else local
        return written.replace(tzinfo=None).isoformat()
    is_a_day = stated_on is not None and shown.astimezone(zone).date() != stated_on
    if is_a_day and stated_on is not None and sample.startswith(stated_on.isoformat()):
        return local.date().isoformat() + sample[_DAY_LENGTH:]
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if sample.endswith("Z") else local.isoformat()


def day_as_moment(sample: Any, on: date) -> Any:  # noqa: ANN401 - a sample's JSON
    """Write a day in a sample's manner, where the sample has a time that means nothing."""
    return on.isoformat() + sample[_DAY_LENGTH:] if isinstance(sample, str) else on.isoformat()

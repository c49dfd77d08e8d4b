"""Compiles the values of a manifest into readers, once per connector, so that a row costs no interpretation. Pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from worker.connectors.errors import InvalidDataError
from worker.connectors.manifest.values import Conditions, DayValue, MomentValue, StateValue, TextValue

_DAY_LENGTH = len("2026-01-31")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What surrounds a record.

    Attributes:
        account: What was kept of its account, and under `parent.NAME` of the parent.
        account_id: Its account's id; None where the record names it.
        currency: Its account's currency.
        currencies: Currencies of all accounts by id, for records that name their account.
        answer: The whole answer.
        config: The connection's config, without its secrets.
    """

    account: Mapping[str, Any] = field(default_factory=dict)
    account_id: str | None = None
    currency: str | None = None
    currencies: Mapping[str, str | None] = field(default_factory=dict)
    answer: Any = None
    config: Mapping[str, Any] = field(default_factory=dict)


Record = Mapping[str, Any]
Reader = Callable[[Record, Scene], Any]
TextReader = Callable[[Record, Scene], str | None]
Hooks = Mapping[str, Callable[[Record], str | None]]


def place(path: str) -> Reader:
    """Return a reader of what lies at a path; None where nothing does."""
    if path.startswith("@account."):
        name = path.removeprefix("@account.")
        return lambda _record, scene: scene.account.get(name)
    if path.startswith("@parent."):
        key = path.removeprefix("@")
        return lambda _record, scene: scene.account.get(key)
    if path.startswith("@config."):
        name = path.removeprefix("@config.")
        return lambda _record, scene: scene.config.get(name)
    if path.startswith("@answer."):
        inner = place(path.removeprefix("@answer."))
        return lambda _record, scene: inner(scene.answer, scene)
    steps = path.split(".")
    if len(steps) == 1:
        only = steps[0]
        return lambda record, _scene: record.get(only) if record.__class__ is dict else _step(record, only)
    return lambda record, _scene: walk(record, steps)


def walk(found: Any, steps: Sequence[str]) -> Any:  # noqa: ANN401 - the provider's own JSON
    """Follow steps into an answer; None where they lead nowhere."""
    for step in steps:
        found = _step(found, step)
        if found is None:
            return None
    return found


def _step(found: Any, step: str) -> Any:  # noqa: ANN401 - the provider's own JSON
    if isinstance(found, dict):
        return found.get(step)
    if isinstance(found, list) and re.fullmatch(r"-?\d+", step):
        return found[int(step)] if -len(found) <= int(step) < len(found) else None
    return None


def text_reader(value: TextValue, hooks: Hooks) -> TextReader:
    """Return a reader of a text."""
    if value.const is not None:
        const = value.const
        return lambda _record, _scene: const
    if value.hook is not None:
        call = hooks[value.hook]
        return lambda record, _scene: call(record)
    if value.first:
        every = [_plain_text(path) for path in value.first]
        return lambda record, scene: next((text for read in every if (text := read(record, scene))), None)
    if value.join:
        parts = [_plain_text(path) for path in value.join]
        return lambda record, scene: " ".join(text for read in parts if (text := read(record, scene))) or None
    read = _plain_text(value.path or "")
    if not value.choices and value.otherwise is None:
        return read
    choices, otherwise = value.choices, value.otherwise

    def choose(record: Record, scene: Scene) -> str | None:
        text = read(record, scene)
        return otherwise if text is None else choices.get(text, otherwise)

    return choose


def _plain_text(path: str) -> TextReader:
    read = place(path)

    def plain(record: Record, scene: Scene) -> str | None:
        found = read(record, scene)
        if isinstance(found, str):
            return found.strip() or None
        return None if found is None else as_text(found, path) or None

    return plain


def as_text(found: object, path: str) -> str:
    """Return a plain JSON value as text; texts of a list are joined with blanks. Raises: InvalidDataError."""
    if isinstance(found, str):
        return found
    if isinstance(found, bool):
        return "true" if found else "false"
    if isinstance(found, int | Decimal):
        return format(found, "f") if isinstance(found, Decimal) else str(found)
    if isinstance(found, list) and all(isinstance(one, str) for one in found):
        return " ".join(one.strip() for one in found if one.strip())
    raise InvalidDataError(f"{path} is no text")


def conditions(wanted: Conditions) -> Callable[[Record, Scene], bool]:
    """Return whether all conditions hold; true where there are none.

    A value that begins with `@` is a place, such as the id of the account itself: `@account.id`.
    """
    places = {path: [place(str(value)) for value in values if is_place(value)] for path, values in wanted.items()}
    checks = [
        (place(path), {_comparable(value) for value in values if not is_place(value)}, places[path])
        for path, values in wanted.items()
    ]
    if not any(others for _, _, others in checks):
        return lambda record, scene: all(_comparable(read(record, scene)) in values for read, values, _ in checks)

    def hold(record: Record, scene: Scene) -> bool:
        for read, values, others in checks:
            found = _comparable(read(record, scene))
            same = found is not None and any(found == _comparable(other(record, scene)) for other in others)
            if not same and found not in values:
                return False
        return True

    return hold


def is_place(value: object) -> bool:
    """Say whether a value of a condition names a place instead of a text."""
    return isinstance(value, str) and value.startswith("@")


def _comparable(value: object) -> object:
    """True and 1 are two values, 5 and Decimal(5) are one, and text that cannot be hashed is none."""
    if isinstance(value, bool):
        return ("bool", value)
    return value if isinstance(value, str | int | Decimal) else None


def day_reader(value: DayValue) -> Callable[[Record, Scene], date | None]:
    """Return a reader of a day."""
    read, path, pattern = place(value.path), value.path, value.format

    def day(record: Record, scene: Scene) -> date | None:
        text = read(record, scene)
        if text is None or text == "":
            return None
        try:
            if pattern == "day":
                if len(text) != _DAY_LENGTH:
                    raise InvalidDataError(f"{path} is no plain day: say format, or use a field that takes a moment")
                return date.fromisoformat(text)
            if pattern == "moment":
                datetime.fromisoformat(text)
                return date.fromisoformat(text[:_DAY_LENGTH])
            return datetime.strptime(text, pattern).date()  # noqa: DTZ007 - a day has no zone
        except (ValueError, TypeError):
            raise InvalidDataError(f"{path} is no day") from None

    return day


def moment_reader(value: MomentValue) -> Callable[[Record, Scene], datetime | None]:
    """Return a reader of an aware moment."""
    read, path, pattern = place(value.path), value.path, value.format
    zone = ZoneInfo(value.zone) if value.zone else None

    def moment(record: Record, scene: Scene) -> datetime | None:
        found = read(record, scene)
        if not found:
            return None
        try:
            if pattern in ("unix_s", "unix_ms"):
                return datetime.fromtimestamp(float(found) / (1000 if pattern == "unix_ms" else 1), UTC)
            at = datetime.fromisoformat(found) if pattern == "moment" else datetime.strptime(found, pattern)  # noqa: DTZ007 - a zone is asked for below
        except (ValueError, TypeError, OverflowError, OSError):
            raise InvalidDataError(f"{path} is no moment") from None
        if at.tzinfo is None:
            if zone is None:
                raise InvalidDataError(f"{path} has no zone: say zone")
            at = at.replace(tzinfo=zone)
        return at

    return moment


def state_reader(value: StateValue | str) -> Callable[[Record, Scene], str]:
    """Return a reader of `posted`, `pending` or `ignored`."""
    if isinstance(value, str):
        return lambda _record, _scene: value
    read, path, absent, otherwise = place(value.path), value.path, value.absent, value.otherwise
    known = {
        _comparable(found): state
        for state, values in (("posted", value.posted), ("pending", value.pending), ("ignored", value.ignored))
        for found in values
    }

    def state(record: Record, scene: Scene) -> str:
        found = read(record, scene)
        if found is None or found == "":
            if absent is None:
                raise InvalidDataError(f"{path} is missing, so that the row's state is not known")
            return absent
        named = known.get(_comparable(found), otherwise) if known else otherwise
        if named is None:
            raise InvalidDataError(f"{path} has a value that this manifest does not name")
        return named

    return state

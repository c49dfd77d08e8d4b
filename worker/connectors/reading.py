"""Reads a provider's JSON defensively: a missing part is named, and a bad row does not affect others. Pure."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any, TypeVar

from worker.connectors.base import RejectedRow
from worker.connectors.errors import InvalidDataError
from worker.connectors.json_answers import check_row, shortened
from worker.inert_text import inert

KindT = TypeVar("KindT")
RowT = TypeVar("RowT")

_SHOWN_CHARACTERS = 100
_NOTHING = frozenset({"", "notprovided", "not provided", "null", "none", "n/a", "-"})


def part(answer: object, name: str, kind: type[KindT]) -> KindT:
    """Return a part of an answer that the provider promises. Raises: InvalidDataError naming it."""
    value = answer.get(name) if isinstance(answer, Mapping) else None
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise InvalidDataError(f"{name} is missing or of another kind")
    return value


def listed(answer: Mapping[str, Any], name: str) -> list[Any]:
    """Return a list of an answer, empty where it is null: some services send that for nothing.

    Raises:
        InvalidDataError: when it is missing or something else.
    """
    return [] if name in answer and answer[name] is None else part(answer, name, list)


def inside(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a nested object that may be absent, null or something else: then it is empty."""
    value = record.get(name)
    return value if isinstance(value, Mapping) else {}


def objects(value: object) -> list[Mapping[str, Any]]:
    """Return the objects of a list that may be absent or null, without anything else in it."""
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list | tuple) else []


def text(record: Mapping[str, Any], *names: str) -> str | None:
    """Return the first of these fields that holds words, trimmed."""
    values = (record.get(name) for name in names)
    return next((value.strip() for value in values if isinstance(value, str) and value.strip()), None)


def day_text(record: Mapping[str, Any], *names: str) -> str | None:
    """Return the first of these fields that states a day. Raises: InvalidDataError for one that holds no words."""
    for name in names:
        value = record.get(name)
        if value is not None and not isinstance(value, str):
            raise InvalidDataError(f"{name} is not a date")
    return text(record, *names)


def account_left_out(record: object) -> str:
    """Return the warning about an account that cannot be read, by the name or the last digits that it has."""
    known = record if isinstance(record, Mapping) else {}
    name = text(known, "name", "official_name", "mask") or "one without a name"
    return f"an account without an id was left out: {inert(name)[:_SHOWN_CHARACTERS]}"


def ids_of(records: Sequence[Any]) -> tuple[list[str], list[str]]:
    """Return the ids of a list of accounts, and a warning for each entry that is none."""
    ids = [one for one in records if isinstance(one, str) and one.strip()]
    return ids, [account_left_out(None)] * (len(records) - len(ids))


def meaningful(text: object) -> str | None:
    """Return the text, or None for the words banks use for nothing."""
    if not isinstance(text, str) or text.strip().casefold() in _NOTHING:
        return None
    return text.strip()


def usable_id(text: object) -> str | None:
    """Return an id, or None for what some banks fill in where they have none: such words, or nothing but zeros."""
    words = meaningful(text)
    return words if words is not None and words.strip("0") else None


@dataclass(frozen=True, slots=True)
class StatedDay:
    """A day as the bank states it, or an aware moment (UTC); at most one of them is set."""

    on: date | None = None
    at: datetime | None = None


def read_day(text: str | None, field: str) -> StatedDay:
    """Read a day or a moment.

    A moment without an offset is of the bank's own day. So is one at exactly midnight of its offset: it is a day that
    was written as a moment.

    Raises:
        InvalidDataError: naming the field.
    """
    text = meaningful(text)
    if text is None:
        return StatedDay()
    try:
        if len(text) == len("2026-01-31"):
            return StatedDay(date.fromisoformat(text))
        moment = datetime.fromisoformat(text)
        is_day = moment.tzinfo is None or moment.time() == time()
        return StatedDay(moment.date()) if is_day else StatedDay(None, moment.astimezone(UTC))
    except (ValueError, OverflowError) as error:  # also a moment before the first day of the calendar
        raise InvalidDataError(f"{field} is not a date") from error


def read_moment(value: object) -> datetime | None:
    """Return an aware moment in UTC, or None for anything else."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        return moment.astimezone(UTC) if moment is not None and moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


class RepeatedRecords:
    """Leaves out records that an earlier page of the same list held already: lists move while they are paged.

    Equal records of one page are two. One of a later page counts as the one before only if it is equal in all fields
    and, where a page does not say which days it holds, has something that identifies it.

    Args:
        identifying: Fields of which one must be filled; None: equality is enough.
    """

    def __init__(self, identifying: Sequence[str] | None = None) -> None:
        self._identifying = identifying
        self._seen: set[str] = set()

    def leave_out(self, records: Sequence[Any]) -> list[Any]:
        """Return the records of the next page without those that were there."""
        texts = [self._text(record) for record in records]
        fresh = [record for record, text in zip(records, texts, strict=True) if text not in self._seen]
        self._seen.update(text for text in texts if text is not None)
        return fresh

    def _text(self, record: object) -> str | None:
        if not isinstance(record, Mapping):
            return None
        if self._identifying is not None and not any(record.get(name) for name in self._identifying):
            return None
        try:
            return json.dumps(record, sort_keys=True, default=str)
        except RecursionError:
            return None


def read_rows(
    records: Iterable[Any],
    read: Callable[[Mapping[str, Any]], RowT],
    *,
    account_id: str | None = None,
    id_field: str,
) -> tuple[tuple[RowT, ...], tuple[RejectedRow, ...]]:
    """Return what `read` made of the records, and those it refused with InvalidDataError.

    Args:
        account_id: Whom refused rows belong to; None = the record's own `account_id`.
        id_field: Where a record has its id.
    """
    rows: list[RowT] = []
    rejected: list[RejectedRow] = []
    for record in records:
        try:
            check_row(record)
        except InvalidDataError as error:
            rejected.append(_refused(shortened(record), error, account_id, id_field))
            continue
        try:
            rows.append(read(_object(record)))
        except InvalidDataError as error:
            rejected.append(_refused(record, error, account_id, id_field))
    return tuple(rows), tuple(rejected)


def _refused(record: object, error: InvalidDataError, account_id: str | None, id_field: str) -> RejectedRow:
    known = record if isinstance(record, Mapping) else {}
    return RejectedRow(
        code=error.code,
        message=str(error),
        raw=json.dumps(record, default=str, ensure_ascii=False),
        account_id=account_id or text(known, "account_id"),
        external_id=text(known, id_field),
    )


def _object(record: object) -> Mapping[str, Any]:
    if not isinstance(record, Mapping):
        raise InvalidDataError("a record is not an object")
    return record

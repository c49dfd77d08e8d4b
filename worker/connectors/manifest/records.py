"""Finds the records of an answer, and those that an earlier page of the same list held already. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from worker.connectors.errors import InvalidDataError
from worker.connectors.manifest.fields import walk


def records_of(body: Any, path: str, endpoint: str, *, single: bool = False) -> list[Any]:  # noqa: ANN401 - the provider's own JSON
    """Return the records of an answer; a list that is null is empty. Raises: InvalidDataError where it is missing."""
    found = _lists_at(body, path.split(".") if path else [], endpoint, path)
    if single:
        if len(found) != 1 or not isinstance(found[0], Mapping):
            raise InvalidDataError(f"{endpoint}: {path or 'the answer'} is no object")
        return found
    records: list[Any] = []
    for one in found:
        if not isinstance(one, list):
            raise InvalidDataError(f"{endpoint}: {path or 'the answer'} is no list")
        records += one
    if records and not any(isinstance(record, Mapping) for record in records):
        raise InvalidDataError(f"{endpoint}: {path or 'the answer'} holds no objects")
    return records


def _lists_at(found: Any, steps: Sequence[str], endpoint: str, path: str) -> list[Any]:  # noqa: ANN401 - the provider's own JSON
    for at, step in enumerate(steps):
        if step == "*":
            inner = list(found.values()) if isinstance(found, Mapping) else found
            if not isinstance(inner, list):
                raise InvalidDataError(f"{endpoint}: {path} is missing")
            return [one for value in inner for one in _lists_at(value, steps[at + 1 :], endpoint, path)]
        if not isinstance(found, Mapping) or step not in found:
            raise InvalidDataError(f"{endpoint}: {path} is missing")
        found = found[step]
    return [[] if found is None and steps else found]


def parts_of(records: Iterable[Any], each: str) -> list[Any]:
    """Return the parts of every record, each with the record around it; a record without the list is kept whole."""
    steps, found = each.split("."), list[Any]()
    for record in records:
        parts = walk(record, steps) if isinstance(record, Mapping) else None
        if not isinstance(parts, list) or not all(isinstance(part, Mapping) for part in parts):
            found.append(record)  # it is rejected with its text, because the fields are not where they should be
            continue
        around = {name: value for name, value in record.items() if name != steps[0]}
        found += [{**part, AROUND: around} for part in parts]
    return found


AROUND = "@record"
"""Key under which a part holds the record around it."""


class EarlierPages:
    """Leaves out rows that an earlier page of the same list held: lists grow at their head while they are paged.

    Args:
        by_id: rows are the same when their ids are; else when they are equal, compared with the page before only.
    """

    def __init__(self, *, by_id: bool) -> None:
        self._by_id = by_id
        self._ids: set[object] = set()
        self._before: list[Any] = []

    def leave_out(self, records: list[Any], ids: Sequence[object]) -> list[Any]:
        """Return the records of the next page that are new. ids: of the records, None where there is none."""
        if self._by_id:
            fresh = [
                record for record, found in zip(records, ids, strict=True) if found is None or found not in self._ids
            ]
            self._ids.update(ids)
            return fresh
        before = list(self._before)
        self._before = records
        return [record for record in records if not _taken(before, record)]


def _taken(before: list[Any], record: Any) -> bool:  # noqa: ANN401 - the provider's own JSON
    if record in before:
        before.remove(record)
        return True
    return False

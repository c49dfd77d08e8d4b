"""Reading a provider's JSON without trusting its shape: a missing part is named, a bad row costs no other. Pure."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from worker.connectors.base import RejectedRow, Transaction
from worker.connectors.errors import InvalidDataError

KindT = TypeVar("KindT")


def part(answer: object, name: str, kind: type[KindT]) -> KindT:
    """Return a part of an answer that the provider promises. Raises: InvalidDataError naming it."""
    value = answer.get(name) if isinstance(answer, Mapping) else None
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise InvalidDataError(f"{name} is missing or of another kind")
    return value


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


def read_rows(
    records: Iterable[Any],
    read: Callable[[Mapping[str, Any]], Transaction],
    *,
    account_id: str | None = None,
    id_field: str,
) -> tuple[tuple[Transaction, ...], tuple[RejectedRow, ...]]:
    """Return what `read` made of the records, and those it refused with InvalidDataError.

    account_id: whom refused rows belong to; None = the record's own `account_id`. id_field: where a record has its id.
    """
    transactions: list[Transaction] = []
    rejected: list[RejectedRow] = []
    for record in records:
        try:
            transactions.append(read(_object(record)))
        except InvalidDataError as error:
            known = record if isinstance(record, Mapping) else {}
            rejected.append(
                RejectedRow(
                    code=error.code,
                    message=str(error),
                    raw=json.dumps(record, default=str, ensure_ascii=False),
                    account_id=account_id or text(known, "account_id"),
                    external_id=text(known, id_field),
                )
            )
    return tuple(transactions), tuple(rejected)


def _object(record: object) -> Mapping[str, Any]:
    if not isinstance(record, Mapping):
        raise InvalidDataError("a record is not an object")
    return record

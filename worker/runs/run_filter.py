"""Filter, order and page of a list of runs, as SQL conditions. Reads nothing."""

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, func, literal_column, or_, select, tuple_

from worker.models import BankConnection, BankImportRun
from worker.runs.states import RunKind, RunStatus

_ID_BEGINNING = re.compile(r"[0-9a-f]{8,32}|[0-9a-f]*[a-f][0-9a-f]*")
_SHORTEST_BEGINNING = 4
_LARGEST_USER_ID = 2**31 - 1
_ID_LENGTH = 32


class RunOrder(StrEnum):
    """How a list of runs is sorted. By length, runs of up to five seconds count as equal: the newest come first."""

    NEWEST = "newest"
    OLDEST = "oldest"
    LONGEST = "longest"
    MOST_CHANGED = "most_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class After:
    """The last run, or connection, of the page before: the next page goes on behind it.

    Attributes:
        queued_at: When it was asked for, or made.
        value: What it was sorted by besides its time: seconds, rows changed, a name; 0 in an order by time.
    """

    queued_at: datetime
    run_id: uuid.UUID
    value: float | str = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """Which runs to list. None, or nothing, leaves a condition out.

    Attributes:
        text: The beginning of an id of a run or connection, a user's id, or words of a bank's name or of a message.
        institution: Words of the name of the bank or of its connection.
        bank: The whole name of the bank.
        from_at: Asked for at this moment or later.
        until_at: Asked for before this moment.
        few_named: Connections by the words in their names, where somebody looked and found few.
        few_of_bank: The connections of `bank`, where somebody looked and found few.
    """

    user_id: int | None = None
    connection_id: uuid.UUID | None = None
    statuses: Sequence[RunStatus] = ()
    kinds: Sequence[RunKind] = ()
    code: str | None = None
    connector_name: str | None = None
    institution: str | None = None
    bank: str | None = None
    dry_run: bool | None = None
    text: str | None = None
    from_at: datetime | None = None
    until_at: datetime | None = None
    order: RunOrder = RunOrder.NEWEST
    after: After | None = None
    limit: int = 50
    few_named: Mapping[str, Sequence[uuid.UUID]] = field(default_factory=dict)
    few_of_bank: Sequence[uuid.UUID] | None = None


def id_range(beginning: str) -> tuple[uuid.UUID, uuid.UUID] | None:
    """Return the first and the last id that begin with these characters; None when no id begins so. Pure."""
    digits = beginning.strip().lower().replace("-", "")
    if not _SHORTEST_BEGINNING <= len(digits) <= _ID_LENGTH or not _ID_BEGINNING.fullmatch(digits):
        return None
    return uuid.UUID(digits.ljust(_ID_LENGTH, "0")), uuid.UUID(digits.ljust(_ID_LENGTH, "f"))


def words_of(text: str | None) -> str | None:
    """Return the words to look for in names and messages; None when a text names an id or a user. Pure."""
    words = (text or "").strip()
    return words if words and id_range(words) is None and read_user_id(words) is None else None


def read_user_id(text: str) -> int | None:
    """Return the user that a text names by number; None when it names none. Pure."""
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(_LARGEST_USER_ID))
    return int(text) if is_number and int(text) <= _LARGEST_USER_ID else None


def select_runs(wanted: RunFilter) -> Sequence[Select[BankImportRun]]:
    """Return the queries that together hold the wanted runs in order; the caller stops when its page is full.

    In an order by time that is one. In the others the first query has the runs that stand out, by an index of them
    alone, and the second the many that do not, the newest first.
    """
    runs, after = select(BankImportRun).where(*_conditions(wanted)), wanted.after
    by_time = tuple_(BankImportRun.queued_at, BankImportRun.id)
    place = () if after is None else (after.queued_at, after.run_id)
    if wanted.order is RunOrder.OLDEST:
        return [runs.where(*([by_time > place] if place else [])).order_by(*by_time.clauses)]
    not_listed = [by_time < place] if place else []
    newest_first = [column.desc() for column in by_time.clauses]
    value = _SORTED_BY.get(wanted.order)
    if value is None:
        return [runs.where(*not_listed).order_by(*newest_first)]
    least = _STANDS_OUT[wanted.order]
    alike = runs.where(func.coalesce(value, 0) <= least)
    if after is not None and float(after.value) <= least:
        return [alike.where(*not_listed).order_by(*newest_first)]
    standing_out = runs.where(value > literal_column(str(least))).order_by(value.desc(), *newest_first)
    if after is not None:
        standing_out = standing_out.where(tuple_(value, *by_time.clauses) < (after.value, *place))
    return [standing_out, alike.order_by(*newest_first)]


def place_of(run: Mapping[str, Any], order: RunOrder) -> After:
    """Return the place behind one run of a list, for the page that follows. Pure."""
    value = 0.0
    if order is RunOrder.LONGEST and run["finished_at"] and run["started_at"]:
        value = (run["finished_at"] - run["started_at"]).total_seconds()
    elif order is RunOrder.MOST_CHANGED:
        value = run["created"] + run["updated"] + run["linked"] + run["removed"]
    return After(queued_at=run["queued_at"], run_id=run["id"], value=value)


_run = BankImportRun
_SORTED_BY: dict[RunOrder, ColumnElement[Any]] = {
    RunOrder.LONGEST: func.extract("epoch", _run.finished_at - _run.started_at),
    RunOrder.MOST_CHANGED: _run.created + _run.updated + _run.linked + _run.removed,
}
_STANDS_OUT = {RunOrder.LONGEST: 5, RunOrder.MOST_CHANGED: 0}
"""Runs of at most so many seconds, or changed rows, count as equal; idx_bank_import_runs_longest has the others."""


def _conditions(wanted: RunFilter) -> list[ColumnElement[bool]]:
    equal = {
        BankImportRun.user_id: wanted.user_id,
        BankImportRun.connection_id: wanted.connection_id,
        BankImportRun.code: wanted.code,
        BankImportRun.dry_run: wanted.dry_run,
    }
    found = [column == value for column, value in equal.items() if value is not None]
    if wanted.statuses:
        found.append(BankImportRun.status.in_(wanted.statuses))
    if wanted.kinds:
        found.append(BankImportRun.kind.in_(wanted.kinds))
    if wanted.from_at is not None:
        found.append(BankImportRun.queued_at >= wanted.from_at)
    if wanted.until_at is not None:
        found.append(BankImportRun.queued_at < wanted.until_at)
    return found + _of_bank_and_words(wanted)


def _of_bank_and_words(wanted: RunFilter) -> list[ColumnElement[bool]]:
    found = []
    if wanted.connector_name is not None:
        found.append(_of_connections(BankConnection.connector_name == wanted.connector_name))
    if wanted.institution:
        found.append(_of_names(wanted.institution, wanted.few_named))
    if wanted.few_of_bank is not None:
        found.append(BankImportRun.connection_id.in_(wanted.few_of_bank))
    elif wanted.bank is not None:
        found.append(_of_connections(BankConnection.institution_name == wanted.bank))
    if wanted.text and wanted.text.strip():
        found.append(_matches(wanted.text.strip(), wanted.few_named))
    return found


def _matches(text: str, few_named: Mapping[str, Sequence[uuid.UUID]]) -> ColumnElement[bool]:
    among = id_range(text)
    if among is not None:
        return or_(BankImportRun.id.between(*among), BankImportRun.connection_id.between(*among))
    user_id = read_user_id(text)
    if user_id is not None:
        return BankImportRun.user_id == user_id
    return or_(BankImportRun.message.icontains(text, autoescape=True), _of_names(text, few_named))


def _of_names(words: str, few_named: Mapping[str, Sequence[uuid.UUID]]) -> ColumnElement[bool]:
    ids = few_named.get(words)
    return _of_connections(named(words)) if ids is None else BankImportRun.connection_id.in_(ids)


def _of_connections(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return BankImportRun.connection_id.in_(select(BankConnection.id).where(condition))


def named(words: str) -> ColumnElement[bool]:
    """Return the condition that the name of a connection or of its bank contains these words."""
    # Half the time of ILIKE, which looks for the letters of both cases at every place.
    names = (BankConnection.display_name, BankConnection.institution_name)
    return or_(*(func.strpos(func.lower(name), func.lower(words)) > literal_column("0") for name in names))

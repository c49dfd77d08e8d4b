"""Reads the filter forms of the operator's pages: empty fields are left out, wrong ones are refused by name."""

import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TypeVar
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from worker.api.paging import read_cursor
from worker.errors import InvalidRequestError
from worker.runs.run_filter import RunFilter, RunOrder, id_range, read_user_id
from worker.runs.states import RunKind, RunStatus
from worker.status.charts import Bank
from worker.status.connection_pages import ConnectionFilter, ConnectionOrder, ConnectionView

Choice = TypeVar("Choice", bound=StrEnum)
PAGE_ROWS = 50
_LONGEST_TEXT = 100
_LONGEST_NAME = 200
RANGES = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=31)}
"""How far back a list of runs looks; `all` has no limit."""
CONNECTION_STATUSES = ("active", "needs_user", "paused", "error", "disconnected")


def run_filter(
    query: QueryParams, now_at: datetime, *, limit: int = PAGE_ROWS, until_at: datetime | None = None
) -> RunFilter:
    """Return the runs a form asks for.

    Args:
        until_at: Only runs that were asked for before this moment, whatever the form says.

    Raises: InvalidRequestError.
    """
    words = _text(query, "q")
    from_at, stated_until_at = _moment(query, "from"), _moment(query, "until")
    named = query.get("range") or ("all" if from_at or stated_until_at or (words and id_range(words)) else "day")
    if named != "all":
        if named not in RANGES:
            raise InvalidRequestError(f"range: one of {', '.join([*RANGES, 'all'])}")
        from_at = max(now_at - RANGES[named], from_at or datetime.min.replace(tzinfo=UTC))
    return RunFilter(
        text=words,
        statuses=_choices(query.getlist("status"), RunStatus, "status"),
        kinds=_choices(query.getlist("kind"), RunKind, "kind"),
        code=_text(query, "code"),
        connector_name=_text(query, "connector"),
        institution=_text(query, "institution"),
        bank=_whole_name(query, "bank"),
        user_id=_user_id(query),
        connection_id=_id(query, "connection"),
        dry_run={"dry": True, "real": False}.get(query.get("dry", "")),
        from_at=from_at,
        until_at=min(filter(None, (until_at, stated_until_at)), default=None),
        order=next(iter(_choices([query.get("sort", "")], RunOrder, "sort")), RunOrder.NEWEST),
        after=read_cursor(query.get("after") or None),
        limit=limit,
    )


def connection_filter(query: QueryParams) -> ConnectionFilter:
    """Return the connections a form asks for. Raises: InvalidRequestError."""
    statuses = [status for status in query.getlist("status") if status]
    if unknown := [status for status in statuses if status not in CONNECTION_STATUSES]:
        raise InvalidRequestError(f"status: no such status {unknown[0]!r}")
    order = next(iter(_choices([query.get("sort", "")], ConnectionOrder, "sort")), ConnectionOrder.NEWEST)
    return ConnectionFilter(
        view=next(iter(_choices([query.get("view", "")], ConnectionView, "view")), None),
        statuses=statuses,
        text=_text(query, "q"),
        connector_name=_text(query, "connector"),
        institution=_text(query, "institution"),
        bank=_whole_name(query, "bank"),
        user_id=_user_id(query),
        order=order,
        after=read_cursor(query.get("after") or None, by_name=order is ConnectionOrder.NAME),
        limit=PAGE_ROWS,
    )


def without_page(query: QueryParams, **also: str) -> str:
    """Return the query string of the same filter from its first page, with other values where given."""
    kept = [
        (name, value)
        for name, value in query.multi_items()
        if value and name not in {"after", "done", "did", "left", *also}
    ]
    return urlencode([*kept, *((name, value) for name, value in also.items() if value)])


def institution_filter(query: QueryParams) -> tuple[str | None, str | None]:
    """Return the words and the connector of the banks a form asks for. Raises: InvalidRequestError."""
    return _text(query, "q"), _text(query, "connector")


def read_bank(query: QueryParams) -> Bank:
    """Return the bank that an address names; without `name`, all of the connector. Raises: InvalidRequestError."""
    connector_name = _text(query, "connector")
    if connector_name is None:
        raise InvalidRequestError("connector: the connector of the bank")
    return Bank(connector_name=connector_name, institution=_whole_name(query, "name"))


def _text(query: QueryParams, name: str) -> str | None:
    return _bounded(name, query.get(name, "").strip(), _LONGEST_TEXT)


def _whole_name(query: QueryParams, name: str) -> str | None:
    """Return the name of a bank with blanks at its ends, if it has any: an address names it, nobody types it."""
    return _bounded(name, query.get(name, ""), _LONGEST_NAME)


def _bounded(name: str, given: str, longest: int) -> str | None:
    if len(given) > longest or "\x00" in given:
        raise InvalidRequestError(f"{name}: at most {longest} characters")
    return given or None


def _user_id(query: QueryParams) -> int | None:
    given = query.get("user", "").strip()
    found = read_user_id(given)
    if given and found is None:
        raise InvalidRequestError("user: the number of a user")
    return found


def _id(query: QueryParams, name: str) -> uuid.UUID | None:
    given = query.get(name, "").strip()
    try:
        return uuid.UUID(given) if given else None
    except ValueError:
        raise InvalidRequestError(f"{name}: a whole id") from None


def _moment(query: QueryParams, name: str) -> datetime | None:
    given = query.get(name, "").strip()
    try:
        found = datetime.fromisoformat(given) if given else None
    except ValueError:
        raise InvalidRequestError(f"{name}: a day or a moment such as 2026-03-01T14:00") from None
    return found.replace(tzinfo=UTC) if found is not None and found.tzinfo is None else found


def _choices(given: Iterable[str], kind: type[Choice], name: str) -> Sequence[Choice]:
    try:
        return [kind(one) for one in given if one]
    except ValueError:
        raise InvalidRequestError(f"{name}: one of {', '.join(kind)}") from None

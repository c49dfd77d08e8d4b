"""Queries of connections for operators: a filtered list, and the details of one."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, func, select, text, tuple_
from sqlalchemy.orm import Session

from worker.models import BankConnection
from worker.models.transaction import REJECTION_IS_OPEN
from worker.runs.run_filter import After, id_range, named, read_user_id, words_of
from worker.runs.run_queries import few_named

DAYS = 14


class ConnectionView(StrEnum):
    """Connections that something waits for: a mend, an answer of their person, or rows to be tried again."""

    TROUBLE = "trouble"
    QUESTIONS = "questions"
    REJECTIONS = "rejections"


class ConnectionOrder(StrEnum):
    """How a list of connections is sorted; `stalest` is by the last good run, `next` by the next refresh."""

    NEWEST = "newest"
    OLDEST = "oldest"
    NAME = "name"
    STALEST = "stalest"
    NEXT = "next"
    MOST_FAILURES = "most_failures"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionFilter:
    """Which connections to list, and in which order. None, or nothing, leaves a condition out.

    Attributes:
        view: Only those that need a person, fail, or whose ledger may not agree with the bank (`trouble`), that have
            open suggestions (`questions`), or rejected rows that nobody has resolved (`rejections`).
        bank: The whole name of the bank.
        text: The beginning of an id, a user's id, or words of a name.
        after: The last connection of the page before, as `place_of` names it.
    """

    view: ConnectionView | None = None
    statuses: Sequence[str] = ()
    connector_name: str | None = None
    institution: str | None = None
    bank: str | None = None
    user_id: int | None = None
    text: str | None = None
    order: ConnectionOrder = ConnectionOrder.NEWEST
    after: After | None = None
    limit: int = 50


_VIEWS = {
    # The same words as in idx_bank_connections_trouble.
    ConnectionView.TROUBLE: text(
        "(status IN ('needs_user', 'error') OR consecutive_failures > 0"
        " OR (problem_code IS NOT NULL AND status <> 'disconnected'))"
    ),
    ConnectionView.QUESTIONS: text(
        # Suggestion by suggestion: of the open ones there are few, of the transactions very many.
        "bank_connections.id = ANY(ARRAY(SELECT unnest(ARRAY["
        "(SELECT a.connection_id FROM bank_connection_accounts a WHERE a.id = s.account_id),"
        " (SELECT a.connection_id FROM bank_transactions t JOIN bank_connection_accounts a ON a.id = t.account_id"
        " WHERE t.id = s.transaction_id)]) FROM bank_match_suggestions s WHERE s.status = 'open'))"
    ),
    ConnectionView.REJECTIONS: text(
        f"bank_connections.id IN (SELECT connection_id FROM bank_import_rejections WHERE {REJECTION_IS_OPEN})"  # noqa: S608 - a constant
    ),
}
_NEVER = 10**12
_DESCENDING = (ConnectionOrder.NEWEST, ConnectionOrder.MOST_FAILURES)
_SORTED_BY: dict[ConnectionOrder, ColumnElement[Any]] = {
    ConnectionOrder.NAME: BankConnection.display_name.expression,
    ConnectionOrder.STALEST: func.coalesce(func.extract("epoch", BankConnection.last_good_at), 0),
    ConnectionOrder.NEXT: func.coalesce(func.extract("epoch", BankConnection.next_refresh_at), _NEVER),
    ConnectionOrder.MOST_FAILURES: BankConnection.consecutive_failures.expression,
}
_HISTORY = """
    SELECT connection_id, CURRENT_DATE - finished_at::date AS days_ago, sum(created + updated + linked)::int AS rows_,
           round(avg(EXTRACT(EPOCH FROM finished_at - started_at))::numeric, 2)::float AS seconds,
           bool_or(status = 'failed') AS failed
    FROM bank_import_runs
    WHERE connection_id = ANY(:ids) AND finished_at > CURRENT_DATE - :days AND started_at IS NOT NULL AND NOT dry_run
    GROUP BY 1, 2"""
_OPEN = text(
    f"""
    SELECT
      (SELECT count(*) FROM bank_import_rejections WHERE connection_id = :id AND {REJECTION_IS_OPEN}) AS rejections,
      (SELECT count(*) FROM bank_match_suggestions s JOIN bank_connections c ON c.id = :id AND c.user_id = s.user_id
       WHERE s.status = 'open' AND EXISTS (
         SELECT 1 FROM bank_connection_accounts a WHERE a.connection_id = c.id AND (a.id = s.account_id
           OR a.id = (SELECT t.account_id FROM bank_transactions t WHERE t.id = s.transaction_id)))) AS suggestions"""  # noqa: S608 - a constant
)
_ALLOWANCES = text(
    """
    SELECT endpoint, account_external_id IS NOT NULL AS of_one_account, calls_limit,
      greatest(0, calls_limit - calls_used) AS calls_left, window_ends_at AS renewed_at
    FROM bank_quota_usage WHERE connection_id = :id AND window_ends_at > now()
    ORDER BY endpoint, account_external_id"""
)
_SHOWN = (
    "id",
    "user_id",
    "connector_name",
    "display_name",
    "institution_name",
    "status",
    "status_code",
    "problem_code",
    "problem_message",
    "consecutive_failures",
    "last_failure_code",
    "last_good_at",
    "next_refresh_at",
    "rate_limited_until",
    "created_at",
)


def list_connections(session: Session, wanted: ConnectionFilter) -> list[dict[str, Any]]:
    """Return one page of connections, each with `history`: per day of two weeks rows, seconds, failed."""
    row = BankConnection
    value, ascending = _SORTED_BY.get(wanted.order), wanted.order not in _DESCENDING
    key = tuple_(*([] if value is None else [value]), row.created_at, row.id)
    query = select(*(getattr(row, name) for name in _SHOWN)).where(*_conditions(session, wanted)).limit(wanted.limit)
    if wanted.after is not None:
        place = (*([] if value is None else [wanted.after.value]), wanted.after.queued_at, wanted.after.run_id)
        query = query.where(key > place if ascending else key < place)
    query = query.order_by(*(key.clauses if ascending else [column.desc() for column in key.clauses]))
    found = [dict(one) for one in session.execute(query).mappings()]
    days = [
        dict(day)
        for day in session.execute(text(_HISTORY), {"ids": [one["id"] for one in found], "days": DAYS}).mappings()
    ]
    return [one | {"history": history([day for day in days if day["connection_id"] == one["id"]])} for one in found]


def place_of(connection: Mapping[str, Any], order: ConnectionOrder) -> After:
    """Return the place behind one connection of a list, for the page that follows. Pure."""
    value: float | str = 0
    match order:
        case ConnectionOrder.NAME:
            value = connection["display_name"]
        case ConnectionOrder.STALEST:
            value = connection["last_good_at"].timestamp() if connection["last_good_at"] else 0
        case ConnectionOrder.NEXT:
            value = connection["next_refresh_at"].timestamp() if connection["next_refresh_at"] else _NEVER
        case ConnectionOrder.MOST_FAILURES:
            value = connection["consecutive_failures"]
        case _:
            pass
    return After(queued_at=connection["created_at"], run_id=connection["id"], value=value)


def open_questions(session: Session, connection_id: uuid.UUID) -> Mapping[str, int]:
    """Return how many rejected rows and suggestions of one connection wait for somebody."""
    return dict(session.execute(_OPEN, {"id": connection_id}).mappings().one())


def allowances(session: Session, connection_id: uuid.UUID) -> list[dict[str, Any]]:
    """Return what is left of a connection's allowances, and when each is renewed (UTC)."""
    return [dict(row) for row in session.execute(_ALLOWANCES, {"id": connection_id}).mappings()]


def history(days: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one entry per day, oldest first; days without a run hold zeros. Pure."""
    known = {day["days_ago"]: day for day in days}
    nothing = {"rows_": 0, "seconds": 0.0, "failed": False}
    return [
        {
            "days_ago": ago,
            "rows": known.get(ago, nothing)["rows_"] or 0,
            "seconds": known.get(ago, nothing)["seconds"] or 0.0,
            "failed": known.get(ago, nothing)["failed"],
        }
        for ago in range(DAYS - 1, -1, -1)
    ]


def _conditions(session: Session, wanted: ConnectionFilter) -> list[Any]:
    few = {} if wanted.user_id is not None else few_named(session, words_of(wanted.text), wanted.institution)
    row = BankConnection
    found: list[Any] = [_VIEWS[wanted.view]] if wanted.view else []
    found += [row.status.in_(wanted.statuses)] if wanted.statuses else [row.status != "disconnected"]
    equal: dict[Any, Any] = {row.user_id: wanted.user_id, row.connector_name: wanted.connector_name}
    equal |= {row.institution_name: wanted.bank}
    found += [column == value for column, value in equal.items() if value is not None]
    if wanted.institution:
        found.append(_of_names(wanted.institution, few))
    if wanted.text and wanted.text.strip():
        found.append(_matches(wanted.text.strip(), few))
    return found


def _matches(words: str, few: Mapping[str, Sequence[uuid.UUID]]) -> ColumnElement[bool]:
    among = id_range(words)
    if among is not None:
        return BankConnection.id.between(*among)
    user_id = read_user_id(words)
    return _of_names(words, few) if user_id is None else BankConnection.user_id == user_id


def _of_names(words: str, few: Mapping[str, Sequence[uuid.UUID]]) -> ColumnElement[bool]:
    ids = few.get(words)
    return named(words) if ids is None else BankConnection.id.in_(ids)

"""Writes events to the outbox table in the caller's transaction (transactional outbox).

No event is written for a user without a subscription to its type. Imports only SQLAlchemy, because the web app uses it
too.
"""

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ARRAY, Text, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from worker.db.prepared import prepared
from worker.errors import InvalidRequestError
from worker.events import API_VERSION, check_data

MAX_DEDUP_KEY_CHARS = 200

# A paused subscription counts too: its events are delivered when it resumes.
_LISTENERS = "SELECT 1 FROM webhook_subscriptions s WHERE s.user_id = {user_id} AND s.status IN ('active', 'paused')"
LISTENS = f"EXISTS ({_LISTENERS})"
SUBSCRIBES = f"EXISTS ({_LISTENERS} AND s.event_types && :filters)"

# No index is named: the rule that a key is used once may be kept beside the table (docs/decisions/0018-partitions.md).
# Then a number that is taken (a sequence behind its table) leaves an event out as well: a wanted event that was not
# written is tried again without that rule, unless its key is used.
_EVENT = """
    INSERT INTO webhook_events (user_id, type, api_version, data, dedup_key)
    SELECT :user_id, :type, :api_version, :data, :dedup_key"""
_RECORD = prepared(
    f"""
    WITH wanted AS (SELECT WHERE {SUBSCRIBES.format(user_id=":user_id")}),
    written AS ({_EVENT} FROM wanted ON CONFLICT DO NOTHING RETURNING id)
    SELECT EXISTS (SELECT FROM wanted) AND NOT EXISTS (SELECT FROM written)
    """  # noqa: S608 - constants
).bindparams(bindparam("data", type_=JSONB), bindparam("filters", type_=ARRAY(Text)))

# A statement of its own sees a key that another transaction took meanwhile. A number that is taken is an error here.
_RECORD_UNLESS_ANNOUNCED = text(
    f"""{_EVENT}
    WHERE NOT EXISTS (SELECT FROM webhook_events
      WHERE user_id = :user_id AND type = :type AND dedup_key = CAST(:dedup_key AS text))
    """
).bindparams(bindparam("data", type_=JSONB))

_EXPENSE = """jsonb_build_object(
        'id', e.id, 'amount', e.amount::text, 'currency', e.currency, 'expense_type', e.expense_type,
        'description', e.notes, 'date', e.spent_at, 'category_id', e.category_id, 'run_id', CAST(:run_id AS uuid))"""

# OFFSET 0 makes Postgres look the ids up first; otherwise it starts from the subscribers and reads all their expenses.
_THESE = """(SELECT id, user_id, category_id, amount, currency, expense_type, notes, spent_at FROM expenses
    WHERE id = ANY(CAST(:expense_ids AS bigint[])) OFFSET 0) e"""

_RECORD_EXPENSES = text(
    f"""
    INSERT INTO webhook_events (user_id, type, api_version, data)
    SELECT e.user_id, :type, :api_version, {_EXPENSE} FROM {_THESE}
    WHERE {SUBSCRIBES.format(user_id="e.user_id")}
    """  # noqa: S608 - constants of this module
).bindparams(bindparam("filters", type_=ARRAY(Text)))

# A batch takes a third of the time; the relay unpacks it outside of the import. docs/decisions/0050-event-batches.md
_RECORD_MANY_EXPENSES = text(
    f"""
    INSERT INTO webhook_event_batches (user_id, type, api_version, items)
    SELECT e.user_id, :type, :api_version, jsonb_agg({_EXPENSE}) FROM {_THESE}
    WHERE {SUBSCRIBES.format(user_id="e.user_id")}
    GROUP BY e.user_id
    """  # noqa: S608 - constants of this module
).bindparams(bindparam("filters", type_=ARRAY(Text)))

MANY = 200
"""From so many expenses on, their events are written as a batch."""


def filters_for(event_type: str) -> list[str]:
    """Return the filters that match this type: the type itself, its prefix, and `*`."""
    return [event_type, event_type.partition(".")[0] + ".*", "*"]


def record(
    session: Session, *, user_id: int, event_type: str, data: dict[str, Any], dedup_key: str | None = None
) -> None:
    """Write one event, unless no subscription of the user wants it or `dedup_key` was used before.

    Args:
        data: The event's data by the schema of its type; amounts are decimal strings.

    Raises: InvalidRequestError.
    """
    check_data(event_type, data)
    if dedup_key is not None and len(dedup_key) > MAX_DEDUP_KEY_CHARS:
        raise InvalidRequestError(f"a dedup_key has at most {MAX_DEDUP_KEY_CHARS} characters")
    values = {
        "user_id": user_id,
        "type": event_type,
        "api_version": API_VERSION,
        "data": data,
        "dedup_key": dedup_key,
    }
    if session.scalar(_RECORD, values | {"filters": filters_for(event_type)}):
        session.execute(_RECORD_UNLESS_ANNOUNCED, values)


def record_expenses(session: Session, *, event_type: str, expense_ids: Sequence[int], run_id: uuid.UUID | None) -> None:
    """Write one `expense.*` event per expense in one statement; call it before a delete, after an insert or update.

    Args:
        run_id: The run that changed the expenses; None when no run did (a connection was removed).
    """
    if expense_ids:
        session.execute(
            _RECORD_EXPENSES if len(expense_ids) < MANY else _RECORD_MANY_EXPENSES,
            {
                "type": event_type,
                "api_version": API_VERSION,
                "expense_ids": "{" + ",".join(map(str, expense_ids)) + "}",
                "run_id": run_id and str(run_id),
                "filters": filters_for(event_type),
            },
        )


def publish(session: Session, user_id: int, type: str, data: dict[str, Any], dedup_key: str | None = None) -> None:  # noqa: A002 - the public name of the argument
    """Write one event for another program in its transaction, such as `expense.updated` after an edit by hand.

    Args:
        dedup_key: A second event of this user and type under the same key is not written.

    Raises: InvalidRequestError naming what does not fit.
    """
    record(session, user_id=user_id, event_type=type, data=data, dedup_key=dedup_key)

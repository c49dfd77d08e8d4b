"""Events are written in the transaction that makes them true; delivery follows from the rows."""

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

API_VERSION = "2026-11-01"

_RECORD = text(
    """
    INSERT INTO webhook_events (user_id, type, api_version, data, dedup_key)
    SELECT :user_id, :type, :api_version, :data, :dedup_key
    WHERE EXISTS (SELECT 1 FROM webhook_subscriptions WHERE user_id = :user_id AND status IN ('active', 'paused'))
    ON CONFLICT ON CONSTRAINT uq_webhook_events_dedup_key DO NOTHING
    """
).bindparams(bindparam("data", type_=JSONB))

_RECORD_EXPENSES = text(
    """
    INSERT INTO webhook_events (user_id, type, api_version, data)
    SELECT e.user_id, :type, :api_version, jsonb_build_object(
        'id', e.id, 'amount', e.amount::text, 'currency', e.currency, 'expense_type', e.expense_type,
        'description', e.notes, 'date', e.spent_at, 'category_id', e.category_id, 'run_id', CAST(:run_id AS uuid))
    FROM expenses e
    WHERE e.id = ANY(:expense_ids)
      AND EXISTS (SELECT 1 FROM webhook_subscriptions s WHERE s.user_id = e.user_id AND s.status IN ('active', 'paused'))
    ORDER BY e.id
    """
)


def record(
    session: Session, *, user_id: int, event_type: str, data: dict[str, Any], dedup_key: str | None = None
) -> None:
    """Write one event, unless the user subscribes to nothing or `dedup_key` was announced before."""
    session.execute(
        _RECORD,
        {"user_id": user_id, "type": event_type, "api_version": API_VERSION, "data": data, "dedup_key": dedup_key},
    )


def record_expenses(session: Session, *, event_type: str, expense_ids: Sequence[int], run_id: uuid.UUID | None) -> None:
    """Write one `expense.*` event per expense in one statement; call it before a delete, after an insert or update.

    run_id: the run that did it; None when no run did (a connection was removed).
    """
    if expense_ids:
        session.execute(
            _RECORD_EXPENSES,
            {
                "type": event_type,
                "api_version": API_VERSION,
                "expense_ids": list(expense_ids),
                "run_id": run_id and str(run_id),
            },
        )

"""Turns rows of `webhook_inbox`, written by other programs, into events, oldest first."""

import uuid
from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from worker import outbox
from worker.errors import InvalidRequestError
from worker.models import WebhookInbox
from worker.telemetry.logs import get_logger

BATCH = 200
_REASON_CHARS = 500

log = get_logger(__name__)


def take_over(session: Session, *, only: uuid.UUID | None = None) -> int:
    """Turn waiting rows into events and return how many were looked at.

    A row that does not match its type's schema is refused and kept with the reason until it is pruned.

    Args:
        only: The id of one row.
    """
    waiting = (
        select(WebhookInbox)
        .where(WebhookInbox.refused_reason.is_(None))
        .order_by(WebhookInbox.created_at, WebhookInbox.id)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    rows: Sequence[WebhookInbox] = session.scalars(
        waiting if only is None else waiting.where(WebhookInbox.id == only)
    ).all()
    for row in rows:
        _take_over(session, row)
    return len(rows)


def prune_refused(session: Session, *, keep_days: int) -> None:
    """Delete refused rows that are older than `keep_days`."""
    old = select(WebhookInbox).where(
        WebhookInbox.refused_reason.is_not(None),
        WebhookInbox.created_at < func.now() - func.make_interval(0, 0, 0, keep_days),
    )
    for row in session.scalars(old):
        session.delete(row)


def _take_over(session: Session, row: WebhookInbox) -> None:
    try:
        outbox.record(session, user_id=row.user_id, event_type=row.type, data=dict(row.data), dedup_key=row.dedup_key)
    except (InvalidRequestError, TypeError, ValueError) as error:
        row.refused_reason = str(error)[:_REASON_CHARS] or type(error).__name__
        log.warning("webhook_event.refused", user_id=row.user_id, inbox_id=str(row.id), reason=row.refused_reason)
    else:
        session.delete(row)

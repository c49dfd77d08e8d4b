"""From events to deliveries: one row per event and subscription that wants it."""

from sqlalchemy import CursorResult, text
from sqlalchemy.orm import Session

# Never a "last seen" cursor: transactions commit out of order. A test event goes to its own subscription only.
_RELAY = text(
    """
    WITH taken AS (
      SELECT id, user_id, type, subscription_id, sequence FROM webhook_events
      WHERE fanned_out_at IS NULL ORDER BY sequence LIMIT :batch FOR UPDATE SKIP LOCKED
    ), made AS (
      INSERT INTO webhook_deliveries (event_id, subscription_id, next_attempt_at)
      SELECT t.id, s.id, now() FROM taken t JOIN webhook_subscriptions s
        ON s.user_id = t.user_id AND s.status IN ('active', 'paused')
       AND CASE WHEN t.subscription_id IS NOT NULL THEN s.id = t.subscription_id
                ELSE s.event_types && ARRAY['*', CAST(t.type AS text), split_part(t.type, '.', 1) || '.*'] END
      ORDER BY t.sequence
      ON CONFLICT ON CONSTRAINT uq_webhook_deliveries_event DO NOTHING
    )
    UPDATE webhook_events e SET fanned_out_at = now() FROM taken t WHERE e.id = t.id
    """
)


def relay(session: Session, *, batch: int) -> int:
    """Fan out up to `batch` waiting events, oldest first, and return how many; two relays at once share the work."""
    result = session.execute(_RELAY, {"batch": batch})
    assert isinstance(result, CursorResult)
    return int(result.rowcount)

"""Fans events out: writes one delivery per event and subscription that wants it, and unpacks event batches."""

from sqlalchemy import CursorResult, TextClause, text
from sqlalchemy.orm import Session

# No "last seen" cursor, because transactions commit out of order. A test event goes to its own subscription only.
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


_UNPACK = text(
    """
    WITH taken AS (
      DELETE FROM webhook_event_batches WHERE id = (
        SELECT id FROM webhook_event_batches ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
      RETURNING user_id, type, api_version, items, occurred_at
    )
    INSERT INTO webhook_events (user_id, type, api_version, data, occurred_at)
    SELECT t.user_id, t.type, t.api_version, i.item, t.occurred_at
    FROM taken t CROSS JOIN LATERAL jsonb_array_elements(t.items) AS i(item)
    """
)


def relay(session: Session, *, batch: int) -> int:
    """Fan out up to `batch` waiting events, oldest first, and return how many. Several processes may relay at once.

    A batch is unpacked only when few events wait, so that a large import does not delay other users' events.
    """
    fanned_out = _count(session, _RELAY, {"batch": batch})
    if fanned_out < batch and _count(session, _UNPACK, {}):
        fanned_out += _count(session, _RELAY, {"batch": batch})
    return fanned_out


def _count(session: Session, statement: TextClause, parameters: dict[str, int]) -> int:
    result = session.execute(statement, parameters)
    assert isinstance(result, CursorResult)
    return result.rowcount

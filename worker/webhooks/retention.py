"""Forgetting old events with their deliveries and attempts, in batches, and never what is still due."""

from sqlalchemy import CursorResult, text

from worker.db.engine import Sessions

# Deliveries and attempts go with their event. What waits for a subscription that still listens stays.
_PRUNE = text(
    """
    DELETE FROM webhook_events WHERE id IN (
      SELECT e.id FROM webhook_events e
      WHERE e.occurred_at < now() - make_interval(days => :keep_days) AND e.fanned_out_at IS NOT NULL
        AND NOT EXISTS (
          SELECT 1 FROM webhook_deliveries d JOIN webhook_subscriptions s ON s.id = d.subscription_id
          WHERE d.event_id = e.id AND (d.state = 'leased'
            OR d.state = 'pending' AND s.status IN ('active', 'paused')))
        AND NOT EXISTS (
          SELECT 1 FROM webhook_deliveries d
          WHERE d.event_id = e.id AND d.finished_at >= now() - make_interval(days => :keep_days))
      ORDER BY e.sequence LIMIT :batch FOR UPDATE SKIP LOCKED)
    """
)


def prune(sessions: Sessions, *, keep_days: int, batch: int = 1000, max_batches: int = 100) -> int:
    """Delete events older than `keep_days`, a batch per transaction, and return how many went."""
    pruned = 0
    for _ in range(max_batches):
        with sessions() as session:
            result = session.execute(_PRUNE, {"keep_days": keep_days, "batch": batch})
            assert isinstance(result, CursorResult)
        pruned += result.rowcount
        if result.rowcount < batch:
            break
    return pruned

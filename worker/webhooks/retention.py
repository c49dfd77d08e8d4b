"""Deletes old events with their deliveries and attempts, in batches. Events that are still due stay."""

from sqlalchemy import CursorResult, text

from worker.db.engine import Sessions
from worker.runs.retention.pace import RemovalPace

# Deliveries and attempts are deleted with their event. What waits for a subscription that is not removed stays.
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


_ROWS_PER_EVENT = 3
"""An event goes with a delivery and an attempt, when one receiver listens."""


def prune(sessions: Sessions, *, keep_days: int, pace: RemovalPace, batch: int = 1000) -> int:
    """Delete events older than `keep_days`, a batch per transaction, and return how many went."""
    pruned, gone = 0, batch
    while gone == batch and pace.goes_on():
        with sessions() as session:
            result = session.execute(_PRUNE, {"keep_days": keep_days, "batch": batch})
            assert isinstance(result, CursorResult)
            gone = result.rowcount
        pruned += gone
        pace.rest(gone * _ROWS_PER_EVENT)
    return pruned

"""Deletes old events with their deliveries and attempts, by the week or in batches. Events that are still due stay."""

from datetime import datetime

from sqlalchemy import CursorResult, TextClause, text

from worker.db.engine import Sessions
from worker.runs.retention.pace import RemovalPace
from worker.runs.retention.partitions import change_partitions

# In partitions a week goes as a whole, once all of it is old (docs/decisions/0018-partitions.md). Batches then delete
# what is older: of a week in which something waits, or that nobody made a partition for.
_BEFORE = text(
    """
    SELECT CASE relkind WHEN 'p' THEN date_trunc('week', until_at, 'UTC') ELSE until_at END
    FROM pg_class, (SELECT now() - make_interval(days => :keep_days) AS until_at) days
    WHERE oid = to_regclass('webhook_events')
    """
)

# Deliveries and attempts are deleted with their event. What waits for a subscription that is not removed stays.
_PRUNE = text(
    """
    DELETE FROM webhook_events WHERE id IN (
      SELECT e.id FROM webhook_events e
      WHERE e.occurred_at < :before_at AND e.fanned_out_at IS NOT NULL
        AND NOT EXISTS (
          SELECT 1 FROM webhook_deliveries d JOIN webhook_subscriptions s ON s.id = d.subscription_id
          WHERE d.event_id = e.id AND (d.state = 'leased'
            OR d.state = 'pending' AND s.status IN ('active', 'paused')))
        AND NOT EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.event_id = e.id AND d.finished_at >= :before_at)
      ORDER BY e.sequence LIMIT :batch FOR UPDATE SKIP LOCKED)
    """
)
_PRUNE_KEYS = text(
    """
    DELETE FROM webhook_event_keys WHERE (user_id, type, dedup_key) IN (
      SELECT user_id, type, dedup_key FROM webhook_event_keys WHERE created_at < :before_at LIMIT :batch)
    """
)

_ROWS_PER_EVENT = 3
"""An event goes with a delivery and an attempt, when one receiver listens."""


def prune(sessions: Sessions, *, keep_days: int, pace: RemovalPace, batch: int = 1000) -> int:
    """Delete events older than `keep_days`, a batch or a week per transaction; return how many went in batches."""
    with sessions() as session:
        before_at = session.execute(_BEFORE, {"keep_days": keep_days}).scalar_one()
    while pace.goes_on() and change_partitions(sessions, "drop_event_week", before_at):
        pass
    pruned = _in_batches(sessions, _PRUNE, before_at, pace, batch, _ROWS_PER_EVENT)
    _in_batches(sessions, _PRUNE_KEYS, before_at, pace, batch, 1)
    return pruned


def _in_batches(
    sessions: Sessions, statement: TextClause, before_at: datetime, pace: RemovalPace, batch: int, rows_each: int
) -> int:
    deleted, gone = 0, batch
    while gone == batch and pace.goes_on():
        with sessions() as session:
            result = session.execute(statement, {"before_at": before_at, "batch": batch})
            assert isinstance(result, CursorResult)
            gone = result.rowcount
        deleted += gone
        pace.rest(gone * rows_each)
    return deleted

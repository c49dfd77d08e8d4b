"""Claims due deliveries: leases them, within each subscription's cap and rate, and writes their attempt rows.

Several processes may claim at once; a subscription is locked by one of them at a time.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.events import EventEnvelope


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimPolicy:
    """Limits of claiming.

    Attributes:
        cap: Deliveries of one subscription under way at once; 1 while it fails.
        rate_per_s: Deliveries per second of one subscription that states no rate of its own.
        lease_s: How long a delivery is leased; then it is sent again. Longer than one whole exchange takes.
    """

    cap: int = 8
    rate_per_s: int = 100
    lease_s: float = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedDelivery:
    """A leased delivery with everything that sending it needs.

    Attributes:
        clean: The subscription has no failure on record.
        claimed_at: The moment that its signature states, by the clock of Postgres: receivers refuse one that is minutes
            off, and the clock of a worker's machine may be.
    """

    delivery_id: int
    attempt_id: int
    attempt: int
    token: uuid.UUID
    subscription_id: uuid.UUID
    user_id: int
    url: str
    secret_encrypted: bytes
    secret_version: int
    clean: bool
    claimed_at: datetime
    envelope: EventEnvelope


# The recursion steps from one subscription with waiting deliveries to the next, never through their rows. Whose
# deliveries are under way already comes last: else those of a few users, who let us wait, would take each place that
# comes free as long as theirs are the oldest.
_LOCK_TURNS = text(
    """
    WITH RECURSIVE waiting AS (
      (SELECT subscription_id, next_attempt_at FROM webhook_deliveries
       WHERE state = 'pending' ORDER BY subscription_id, next_attempt_at LIMIT 1)
      UNION ALL
      SELECT n.subscription_id, n.next_attempt_at FROM waiting w CROSS JOIN LATERAL (
        SELECT subscription_id, next_attempt_at FROM webhook_deliveries
        WHERE state = 'pending' AND subscription_id > w.subscription_id
        ORDER BY subscription_id, next_attempt_at LIMIT 1) n
    ), under_way AS MATERIALIZED (
      SELECT o.user_id, count(*) AS deliveries
      FROM webhook_deliveries l JOIN webhook_subscriptions o ON o.id = l.subscription_id
      WHERE l.state = 'leased' GROUP BY o.user_id
    )
    SELECT s.id FROM waiting w JOIN webhook_subscriptions s ON s.id = w.subscription_id
      LEFT JOIN under_way u ON u.user_id = s.user_id
    WHERE w.next_attempt_at <= now() AND s.status = 'active'
      AND (s.breaker_until IS NULL OR s.breaker_until <= now())
      AND (s.rate_next_at IS NULL OR s.rate_next_at < now() + interval '1 second')
      AND (SELECT count(*) FROM webhook_deliveries l WHERE l.subscription_id = s.id AND l.state = 'leased')
        < CASE WHEN s.consecutive_failures > 0 THEN 1 ELSE :cap END
    ORDER BY coalesce(u.deliveries, 0), w.next_attempt_at LIMIT :capacity
    FOR NO KEY UPDATE OF s SKIP LOCKED
    """
)

# A statement of its own sees what another process committed for these subscriptions while we waited for their locks.
# The rate limit is a token bucket of one second: `rate_next_at` is when it would be full again.
_LEASE = text(
    """
    WITH allowed AS (
      SELECT s.id, least(
        CASE WHEN s.consecutive_failures > 0 THEN 1 ELSE :cap END
          - (SELECT count(*) FROM webhook_deliveries l WHERE l.subscription_id = s.id AND l.state = 'leased'),
        floor(coalesce(s.rate_limit_per_s, :rate_per_s)
          * (1 - extract(epoch FROM greatest(s.rate_next_at, now()) - now())))) AS places
      FROM webhook_subscriptions s WHERE s.id = ANY(CAST(:ids AS uuid[]))
    ), turn AS (
      SELECT d.id, d.event_id, d.next_attempt_at,
        row_number() OVER (PARTITION BY a.id ORDER BY d.next_attempt_at, d.id) AS place
      FROM allowed a CROSS JOIN LATERAL (
        SELECT id, event_id, next_attempt_at FROM webhook_deliveries
        WHERE subscription_id = a.id AND state = 'pending' AND next_attempt_at <= now()
        ORDER BY next_attempt_at, id LIMIT greatest(a.places, 0)) d
    ), leased AS (
      UPDATE webhook_deliveries d
      SET state = 'leased', attempt = d.attempt + 1, lease_token = CAST(:token AS uuid),
          lease_expires_at = now() + make_interval(secs => :lease_s)
      FROM (SELECT id, event_id FROM turn ORDER BY place, next_attempt_at LIMIT :capacity) t
      WHERE d.id = t.id AND d.event_id = t.event_id AND d.state = 'pending'
      RETURNING d.id, d.event_id, d.subscription_id, d.attempt
    ), paced AS (
      UPDATE webhook_subscriptions s
      SET rate_next_at = greatest(s.rate_next_at, now())
        + l.taken * interval '1 second' / coalesce(s.rate_limit_per_s, :rate_per_s)
      FROM (SELECT subscription_id, count(*) AS taken FROM leased GROUP BY subscription_id) l
      WHERE s.id = l.subscription_id
    ), opened AS (
      INSERT INTO webhook_attempts (delivery_id, event_id, attempt) SELECT id, event_id, attempt FROM leased ORDER BY id
      RETURNING id, delivery_id
    )
    SELECT l.id AS delivery_id, o.id AS attempt_id, l.attempt, l.subscription_id, s.user_id, s.url,
           s.secret_encrypted, s.secret_version,
           s.consecutive_failures = 0 AND s.breaker_trips = 0 AS clean, now() AS claimed_at,
           e.id, e.type, e.occurred_at, e.sequence, e.data, e.api_version
    FROM leased l JOIN opened o ON o.delivery_id = l.id
    JOIN webhook_events e ON e.id = l.event_id JOIN webhook_subscriptions s ON s.id = l.subscription_id
    ORDER BY l.id
    """
)

# Its worker died: the request may or may not have arrived, so it is sent again and the attempt is not counted.
_FREE_LOST = text(
    """
    WITH lost AS (
      SELECT id, event_id FROM webhook_deliveries WHERE state = 'leased' AND lease_expires_at < now()
      ORDER BY id LIMIT 1000 FOR UPDATE SKIP LOCKED
    ), closed AS (
      UPDATE webhook_attempts a SET finished_at = now(), code = 'lost' FROM lost
      WHERE a.delivery_id = lost.id AND a.finished_at IS NULL
    )
    UPDATE webhook_deliveries d
    SET state = 'pending', attempt = d.attempt - 1, next_attempt_at = now(), last_code = 'lost',
        lease_token = NULL, lease_expires_at = NULL
    FROM lost WHERE d.id = lost.id AND d.event_id = lost.event_id
    """
)


def claim(session: Session, *, capacity: int, policy: ClaimPolicy) -> list[ClaimedDelivery]:
    """Lease up to `capacity` due deliveries, the first of each subscription before the second of any."""
    ids = session.execute(_LOCK_TURNS, {"cap": policy.cap, "capacity": capacity}).scalars().all()
    if not ids:
        return []
    token = uuid.uuid4()
    rows = session.execute(_LEASE, _lease_parameters(ids, capacity, token, policy)).mappings()
    return [_claimed(row, token) for row in rows]


def free_lost(session: Session) -> None:
    """Make deliveries whose lease ran out due again."""
    session.execute(_FREE_LOST)


def _lease_parameters(ids: Sequence[Any], capacity: int, token: uuid.UUID, policy: ClaimPolicy) -> dict[str, Any]:
    return {
        "ids": [str(value) for value in ids],
        "capacity": capacity,
        "token": str(token),
        "cap": policy.cap,
        "rate_per_s": policy.rate_per_s,
        "lease_s": policy.lease_s,
    }


def _claimed(row: Any, token: uuid.UUID) -> ClaimedDelivery:  # noqa: ANN401 - a row of _LEASE
    occurred_at: datetime = row["occurred_at"]
    return ClaimedDelivery(
        delivery_id=row["delivery_id"],
        attempt_id=row["attempt_id"],
        attempt=row["attempt"],
        token=token,
        subscription_id=row["subscription_id"],
        user_id=row["user_id"],
        url=row["url"],
        secret_encrypted=bytes(row["secret_encrypted"]),
        secret_version=row["secret_version"],
        clean=row["clean"],
        claimed_at=row["claimed_at"],
        envelope=EventEnvelope(
            id=row["id"],
            type=row["type"],
            api_version=row["api_version"],
            occurred_at=occurred_at,
            sequence=row["sequence"],
            data=row["data"],
        ),
    )

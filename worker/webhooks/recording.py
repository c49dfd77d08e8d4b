"""Records results of attempts in bulk: attempt rows, deliveries, and the health of subscriptions."""

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from worker import outbox
from worker.models import WebhookSubscription
from worker.webhooks.breaker import BreakerPolicy, Health, after_attempt, must_be_disabled
from worker.webhooks.claiming import ClaimedDelivery
from worker.webhooks.response import ReceiverResponse
from worker.webhooks.retry import DeliveryState, RetryDecision

DISABLED_GONE = "gone"
DISABLED_FAILING = "failing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One finished attempt and the decision about its delivery."""

    claimed: ClaimedDelivery
    answer: ReceiverResponse
    verdict: RetryDecision


# A delivery whose lease was taken over in the meantime is not changed; its attempt row still gets our result.
_RECORD = text(
    """
    WITH results AS (
      SELECT * FROM unnest(CAST(:delivery_ids AS bigint[]), CAST(:attempt_ids AS bigint[]), CAST(:event_ids AS uuid[]),
        CAST(:tokens AS uuid[]), CAST(:states AS text[]), CAST(:codes AS text[]), CAST(:delays_s AS float8[]),
        CAST(:counted AS boolean[]), CAST(:statuses AS smallint[]), CAST(:durations_ms AS integer[]),
        CAST(:heads AS text[]))
        AS r(delivery_id, attempt_id, event_id, token, state, code, delay_s, counted, status, duration_ms, head)
    ), closed AS (
      UPDATE webhook_attempts a
      SET finished_at = now(), status_code = r.status, code = r.code, duration_ms = r.duration_ms,
          response_head = r.head
      FROM results r WHERE a.id = r.attempt_id AND a.event_id = r.event_id
    )
    UPDATE webhook_deliveries d
    SET state = r.state, lease_token = NULL, lease_expires_at = NULL,
        attempt = CASE WHEN r.counted THEN d.attempt ELSE d.attempt - 1 END,
        next_attempt_at = CASE WHEN r.state = 'pending' THEN now() + make_interval(secs => r.delay_s) END,
        finished_at = CASE WHEN r.state <> 'pending' THEN now() END,
        last_status_code = r.status, last_code = r.code
    FROM results r WHERE d.id = r.delivery_id AND d.event_id = r.event_id AND d.lease_token = r.token
    """
)

# `last_success_at` is written at most every 30 seconds, and skipped while another transaction holds the row.
_SUCCEEDED = text(
    """
    WITH healthy AS (
      SELECT id FROM webhook_subscriptions
      WHERE id = ANY(CAST(:ids AS uuid[]))
        AND (last_success_at IS NULL OR last_success_at < now() - interval '30 seconds')
      FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE webhook_subscriptions s SET last_success_at = now() FROM healthy WHERE s.id = healthy.id
    """
)

_KEEP_HEALTH = text(
    """
    UPDATE webhook_subscriptions s
    SET consecutive_failures = h.failures, first_failure_at = h.first_at, last_failure_at = h.last_at,
        breaker_trips = h.trips, breaker_until = h.until,
        last_success_at = CASE WHEN s.id = ANY(CAST(:succeeded AS uuid[])) THEN now() ELSE s.last_success_at END
    FROM unnest(CAST(:ids AS uuid[]), CAST(:failures AS integer[]), CAST(:first_at AS timestamptz[]),
      CAST(:last_at AS timestamptz[]), CAST(:trips AS integer[]), CAST(:until AS timestamptz[]))
      AS h(id, failures, first_at, last_at, trips, until)
    WHERE s.id = h.id
    """
)

_DEAD_LETTER = text(
    """
    UPDATE webhook_deliveries SET state = 'dead', finished_at = now(), last_code = 'subscription_disabled'
    WHERE subscription_id = :id AND state = 'pending'
    """
)


def record(session: Session, results: Sequence[Result], policy: BreakerPolicy) -> None:
    """Record finished attempts, and update the health of their subscriptions."""
    session.execute(_RECORD, _columns(results))
    by_subscription: dict[uuid.UUID, list[Result]] = defaultdict(list)
    for result in results:
        if result.verdict.counted:
            by_subscription[result.claimed.subscription_id].append(result)
    healthy = [key for key, group in by_subscription.items() if all(map(_stays_healthy, group))]
    others = {key: by_subscription[key] for key in set(by_subscription) - set(healthy)}
    if others:
        _update_health(session, others, policy)
    if healthy:
        session.execute(_SUCCEEDED, {"ids": [str(subscription_id) for subscription_id in healthy]})


def disable(session: Session, subscription: WebhookSubscription, code: str) -> None:
    """Disable a subscription, dead-letter its waiting deliveries, and announce it to the user's other subscriptions."""
    subscription.status = "disabled"
    subscription.status_code = code
    session.flush()
    session.execute(_DEAD_LETTER, {"id": subscription.id})
    outbox.record(
        session,
        user_id=subscription.user_id,
        event_type="webhook.disabled",
        data={"subscription_id": str(subscription.id), "code": code},
    )


def _stays_healthy(result: Result) -> bool:
    return result.claimed.clean and _succeeded(result)


def _update_health(session: Session, results: Mapping[uuid.UUID, Sequence[Result]], policy: BreakerPolicy) -> None:
    """Update the health of these subscriptions at once, and disable those that are gone or have failed for too long."""
    # Locked in a fixed order, so that two workers that record at once cannot deadlock.
    chosen = select(WebhookSubscription, func.now()).where(WebhookSubscription.id.in_(results))
    locked = session.execute(chosen.order_by(WebhookSubscription.id).with_for_update(key_share=True)).all()
    after: dict[uuid.UUID, Health] = {}
    for subscription, now in locked:
        health = _health(subscription)
        for result in results[subscription.id]:
            health = after_attempt(health, succeeded=_succeeded(result), now=now, policy=policy)
        after[subscription.id] = health
    succeeded = [key for key in after if any(map(_succeeded, results[key]))]
    session.execute(_KEEP_HEALTH, _health_columns(after) | {"succeeded": [str(key) for key in succeeded]})
    for subscription, now in locked:
        if subscription.status != "active":
            continue
        if any(result.verdict.gone for result in results[subscription.id]):
            disable(session, subscription, DISABLED_GONE)
        elif must_be_disabled(after[subscription.id], now=now, policy=policy):
            disable(session, subscription, DISABLED_FAILING)


def _succeeded(result: Result) -> bool:
    return result.verdict.state is DeliveryState.DELIVERED


def _health(subscription: WebhookSubscription) -> Health:
    return Health(
        consecutive_failures=subscription.consecutive_failures,
        first_failure_at=subscription.first_failure_at,
        last_failure_at=subscription.last_failure_at,
        trips=subscription.breaker_trips,
        until=subscription.breaker_until,
    )


def _health_columns(after: Mapping[uuid.UUID, Health]) -> dict[str, list[object]]:
    return {
        "ids": [str(key) for key in after],
        "failures": [health.consecutive_failures for health in after.values()],
        "first_at": [health.first_failure_at for health in after.values()],
        "last_at": [health.last_failure_at for health in after.values()],
        "trips": [health.trips for health in after.values()],
        "until": [health.until for health in after.values()],
    }


def _columns(results: Sequence[Result]) -> dict[str, list[object]]:
    return {
        "delivery_ids": [result.claimed.delivery_id for result in results],
        "attempt_ids": [result.claimed.attempt_id for result in results],
        "event_ids": [str(result.claimed.envelope.id) for result in results],
        "tokens": [str(result.claimed.token) for result in results],
        "states": [str(result.verdict.state) for result in results],
        "codes": [result.verdict.code for result in results],
        "delays_s": [result.verdict.delay_s for result in results],
        "counted": [result.verdict.counted for result in results],
        "statuses": [result.answer.status for result in results],
        "durations_ms": [result.answer.duration_ms for result in results],
        "heads": [result.answer.head for result in results],
    }

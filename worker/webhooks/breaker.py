"""Circuit breaker of a subscription: when deliveries pause, and when the subscription is disabled. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerPolicy:
    """When a breaker opens, and when it disables its subscription.

    Attributes:
        threshold: Failures in a row after which it opens.
        open_s: How long it stays open the first time; each further time takes twice as long.
        max_open_s: The longest time it stays open.
        disable_after_s: How long a subscription may fail without one success before it is disabled.
        disable_failures: It is not disabled before so many failures.
    """

    threshold: int = 5
    open_s: float = 60
    max_open_s: float = 3600
    disable_after_s: float = 120 * 3600
    disable_failures: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The failures of a subscription since its last success.

    Attributes:
        until: Until when the breaker is open.
        trips: How often the breaker has opened without a success in between.
    """

    consecutive_failures: int = 0
    first_failure_at: datetime | None = None
    last_failure_at: datetime | None = None
    trips: int = 0
    until: datetime | None = None


def after_attempt(health: Health, *, succeeded: bool, now: datetime, policy: BreakerPolicy) -> Health:
    """Return the health after one more counted attempt; a success resets it."""
    if succeeded:
        return replace(Health(), last_failure_at=health.last_failure_at)
    failed = replace(
        health,
        consecutive_failures=health.consecutive_failures + 1,
        first_failure_at=health.first_failure_at or now,
        last_failure_at=now,
    )
    # Attempts that were already under way when the breaker opened do not extend it.
    already_open = health.until is not None and health.until > now
    if already_open or failed.consecutive_failures < policy.threshold:
        return failed
    open_s = min(policy.open_s * 2 ** min(health.trips, 30), policy.max_open_s)
    return replace(failed, trips=health.trips + 1, until=now + timedelta(seconds=open_s))


def must_be_disabled(health: Health, *, now: datetime, policy: BreakerPolicy) -> bool:
    """Say whether a subscription has failed for so long that it is disabled."""
    if health.first_failure_at is None or health.consecutive_failures < policy.disable_failures:
        return False
    return (now - health.first_failure_at).total_seconds() >= policy.disable_after_s

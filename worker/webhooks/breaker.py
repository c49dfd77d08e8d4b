"""The health of a subscription: when to leave it alone for a while, and when to switch it off. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerPolicy:
    """Opens after `threshold` failures in a row, for `open_s` doubling up to `max_open_s`.

    Disables after `disable_after_s` of nothing but failures, if there were at least `disable_failures`.
    """

    threshold: int = 5
    open_s: float = 60
    max_open_s: float = 3600
    disable_after_s: float = 120 * 3600
    disable_failures: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How a subscription has been doing. until: left alone up to this moment. trips: how often in a row."""

    consecutive_failures: int = 0
    first_failure_at: datetime | None = None
    last_failure_at: datetime | None = None
    trips: int = 0
    until: datetime | None = None


def after_attempt(health: Health, *, succeeded: bool, now: datetime, policy: BreakerPolicy) -> Health:
    """Return the health after one more counted attempt; one success forgives everything."""
    if succeeded:
        return replace(Health(), last_failure_at=health.last_failure_at)
    failed = replace(
        health,
        consecutive_failures=health.consecutive_failures + 1,
        first_failure_at=health.first_failure_at or now,
        last_failure_at=now,
    )
    # Attempts that were under way when the breaker opened say nothing new.
    already_open = health.until is not None and health.until > now
    if already_open or failed.consecutive_failures < policy.threshold:
        return failed
    open_s = min(policy.open_s * 2 ** min(health.trips, 30), policy.max_open_s)
    return replace(failed, trips=health.trips + 1, until=now + timedelta(seconds=open_s))


def is_hopeless(health: Health, *, now: datetime, policy: BreakerPolicy) -> bool:
    """Say whether a subscription failed for so long that it is to be disabled."""
    if health.first_failure_at is None or health.consecutive_failures < policy.disable_failures:
        return False
    return (now - health.first_failure_at).total_seconds() >= policy.disable_after_s

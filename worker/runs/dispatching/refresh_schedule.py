"""Computes when a connection is refreshed next. Pure.

The slots of a connection are multiples of its interval since a fixed epoch, shifted by a share of the interval that is
derived from its id. So due times are spread and do not drift, and after an outage of any length one slot is due.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from worker.connectors.base import Quota
from worker.runs.states import IDLE_AFTER

_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
REPORTED_INTERVAL = timedelta(days=1)
"""How often a connection is polled whose provider reports changes by webhook."""

_IDLE_RESTS = ((timedelta(days=90), timedelta(days=7)), (IDLE_AFTER, timedelta(days=3)))
"""A user who was away for so long is polled no more often than that, the longest absence first."""

_BACKOFF_FIRST = timedelta(minutes=10)
_BACKOFF_CAP = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshSchedule:
    """How often a connection is refreshed, and when.

    Attributes:
        connection_id: Decides by which share of the interval the slots are shifted.
        interval: Time between two refreshes; None when the connection is not refreshed by schedule.
        from_hour: First preferred hour in `timezone`.
        until_hour: End of the preferred hours, exclusive; they may span midnight.
        timezone: Time zone of the preferred hours.
    """

    connection_id: uuid.UUID
    interval: timedelta | None
    from_hour: int | None = None
    until_hour: int | None = None
    timezone: str = "UTC"


def next_slot_after(schedule: RefreshSchedule, *, after: datetime) -> datetime | None:
    """Return the first slot later than `after` (UTC); None when there is none to plan."""
    if schedule.interval is None:
        return None
    share = _slot_offset(schedule.connection_id)
    first = _EPOCH + schedule.interval * share
    slot = first + schedule.interval * ((after - first) // schedule.interval + 1)
    return _within_hours(schedule, slot, share)


def polling_interval(
    interval: timedelta | None,
    *,
    is_reported: bool = False,
    unseen_for: timedelta | None = None,
    shortest: timedelta = timedelta(0),
) -> timedelta | None:
    """Return how often a connection is polled whose user wants `interval`.

    Args:
        interval: What the user chose; it is never polled more often.
        is_reported: Its provider reports changes by webhook, and has done so since it was told where.
        unseen_for: How long its user was not there; None: nobody says when users are.
        shortest: What the provider's allowance carries, spread over its window.
    """
    if interval is None:
        return None
    rested = next((rest for idle, rest in _IDLE_RESTS if unseen_for is not None and unseen_for >= idle), timedelta(0))
    return max(interval, shortest, rested, REPORTED_INTERVAL if is_reported else timedelta(0))


def spread_allowance(quotas: Sequence[Quota]) -> timedelta:
    """Return how far apart scheduled runs are, so that the allowances last their windows and leave their reserves."""
    return max(
        (timedelta(seconds=quota.window_s / max(1, quota.calls - quota.reserve)) for quota in quotas),
        default=timedelta(0),
    )


def _slot_offset(connection_id: uuid.UUID) -> float:
    """Return at which part of an interval a connection is due, from 0 to below 1; ids (v4 and v7) spread evenly."""
    return (connection_id.int & 0xFFFFFFFF) / 2**32


def rest_after_failures(consecutive_failures: int) -> timedelta:
    """Return how long a connection rests after that many failed runs in a row: 10 minutes, doubled, at most a day."""
    if consecutive_failures <= 0:
        return timedelta(0)
    return min(_BACKOFF_FIRST * float(2 ** min(consecutive_failures - 1, 20)), _BACKOFF_CAP)


def _within_hours(schedule: RefreshSchedule, slot: datetime, share: float) -> datetime:
    if schedule.from_hour is None or schedule.until_hour is None or schedule.from_hour == schedule.until_hour:
        return slot
    zone = ZoneInfo(schedule.timezone)
    local = slot.astimezone(zone)
    hours = (schedule.until_hour - schedule.from_hour) % 24
    if (local.hour - schedule.from_hour) % 24 < hours:
        return slot
    opening = local.replace(hour=schedule.from_hour, minute=0, second=0, microsecond=0)
    if opening <= local:
        opening += timedelta(days=1)
    return opening.astimezone(UTC) + timedelta(hours=hours) * share

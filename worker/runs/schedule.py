"""When a connection is refreshed next. Pure.

The slots of a connection are multiples of its interval since a fixed epoch, shifted by a share of the interval that is
derived from its id. Due times are therefore spread, do not drift, and after an outage of any length one slot is due.
"""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
_BACKOFF_FIRST = timedelta(minutes=10)
_BACKOFF_CAP = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshSchedule:
    """How often a connection is refreshed, and when.

    Attributes:
        connection_id: decides the share of the interval by which the slots are shifted.
        interval: None for a connection that is never refreshed by itself.
        from_hour: first preferred hour, local to `timezone`.
        until_hour: end of the preferred hours, itself not included; they may span midnight.
        timezone: of the preferred hours.
        consent_expires_at: nothing is planned at or past it (UTC).
    """

    connection_id: uuid.UUID
    interval: timedelta | None
    from_hour: int | None = None
    until_hour: int | None = None
    timezone: str = "UTC"
    consent_expires_at: datetime | None = None


def next_slot_after(schedule: RefreshSchedule, *, after: datetime) -> datetime | None:
    """Return the first slot later than `after` (UTC); None when there is none to plan."""
    if schedule.interval is None:
        return None
    share = slot_offset(schedule.connection_id)
    first = _EPOCH + schedule.interval * share
    slot = first + schedule.interval * ((after - first) // schedule.interval + 1)
    slot = _within_hours(schedule, slot, share)
    if schedule.consent_expires_at is not None and slot >= schedule.consent_expires_at:
        return None
    return slot


def slot_offset(connection_id: uuid.UUID) -> float:
    """Return this connection's share, 0 <= share < 1; evenly spread over all connections (v4 and v7 ids alike)."""
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

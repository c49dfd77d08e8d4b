"""When a connection is refreshed next. Pure.

Slots of a connection lie on a grid: multiples of its interval since the epoch, shifted by a share of the interval that
its id decides. So due times are spread, do not drift, and after an outage of any length one slot is due, not many.
"""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
_BACKOFF_FIRST = timedelta(minutes=10)
_BACKOFF_CAP = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """How often a connection is refreshed, and when.

    interval None: never by itself. Preferred hours are local to `timezone` and may span midnight; the hour `until` is
    not included. consent_expires_at: nothing is planned at or past it.
    """

    connection_id: uuid.UUID
    interval: timedelta | None
    from_hour: int | None = None
    until_hour: int | None = None
    timezone: str = "UTC"
    consent_expires_at: datetime | None = None


def next_due(rhythm: Rhythm, *, after: datetime) -> datetime | None:
    """Return the first slot later than `after` (UTC); None when there is none to plan."""
    if rhythm.interval is None:
        return None
    share = spread(rhythm.connection_id)
    first = _EPOCH + rhythm.interval * share
    slot = first + rhythm.interval * ((after - first) // rhythm.interval + 1)
    slot = _within_hours(rhythm, slot, share)
    if rhythm.consent_expires_at is not None and slot >= rhythm.consent_expires_at:
        return None
    return slot


def spread(connection_id: uuid.UUID) -> float:
    """Return this connection's share, 0 <= share < 1; evenly spread over all connections (v4 and v7 ids alike)."""
    return (connection_id.int & 0xFFFFFFFF) / 2**32


def backoff(consecutive_failures: int) -> timedelta:
    """Return how long a connection rests after that many failed runs in a row: 10 minutes, doubled, at most a day."""
    if consecutive_failures <= 0:
        return timedelta(0)
    return min(_BACKOFF_FIRST * float(2 ** min(consecutive_failures - 1, 20)), _BACKOFF_CAP)


def _within_hours(rhythm: Rhythm, slot: datetime, share: float) -> datetime:
    if rhythm.from_hour is None or rhythm.until_hour is None or rhythm.from_hour == rhythm.until_hour:
        return slot
    zone = ZoneInfo(rhythm.timezone)
    local = slot.astimezone(zone)
    hours = (rhythm.until_hour - rhythm.from_hour) % 24
    if (local.hour - rhythm.from_hour) % 24 < hours:
        return slot
    opening = local.replace(hour=rhythm.from_hour, minute=0, second=0, microsecond=0)
    if opening <= local:
        opening += timedelta(days=1)
    return opening.astimezone(UTC) + timedelta(hours=hours) * share

"""Writes `bill.due` events on the due date of a bill in the user's time zone, once per bill and due date."""

from collections.abc import Iterable
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import CursorResult, func, select, text
from sqlalchemy.orm import Session

from worker.events import API_VERSION
from worker.models import UserPreference
from worker.outbox import filters_for

EVENT_TYPE = "bill.due"
_UTC = "UTC"

BILL_CATCH_UP_DAYS = 7
"""How many days late a bill is still announced, after downtime."""

# A subscription gets no bills that were due before it. The dedup key prevents repeats; NOT EXISTS only saves work.
_ANNOUNCE = text(
    """
    INSERT INTO webhook_events (user_id, type, api_version, data, dedup_key)
    SELECT b.user_id, :type, :api_version, jsonb_build_object(
        'id', b.id, 'name', b.name, 'amount', b.amount::text, 'currency', b.currency, 'due_on', b.next_due_date,
        'cadence', b.cadence, 'autopay_enabled', b.autopay_enabled), b.id || ':' || b.next_due_date
    FROM bills b
    LEFT JOIN user_preferences p ON p.user_id = b.user_id
    JOIN unnest(CAST(:zones AS text[]), CAST(:days AS date[])) AS z(zone, today) ON z.zone = coalesce(p.timezone, 'UTC')
    WHERE b.active AND b.next_due_date <= z.today AND b.next_due_date > z.today - CAST(:catch_up_days AS integer)
      AND EXISTS (
        SELECT 1 FROM webhook_subscriptions s
        WHERE s.user_id = b.user_id AND s.status IN ('active', 'paused') AND s.event_types && CAST(:filters AS text[])
          AND s.created_at < b.next_due_date + interval '2 days')
      AND NOT EXISTS (
        SELECT 1 FROM webhook_events e
        WHERE e.user_id = b.user_id AND e.type = :type AND e.dedup_key = b.id || ':' || b.next_due_date)
    ON CONFLICT DO NOTHING
    """
)


def announce_due_bills(session: Session) -> int:
    """Write the events of bills due today or missed in the last `BILL_CATCH_UP_DAYS`, and return how many."""
    now: datetime = session.execute(select(func.now())).scalar_one()
    zones = session.scalars(select(UserPreference.timezone).distinct()).all()
    today = days_in({_UTC, *zones}, now)
    result = session.execute(
        _ANNOUNCE,
        {
            "type": EVENT_TYPE,
            "api_version": API_VERSION,
            "zones": list(today),
            "days": list(today.values()),
            "catch_up_days": BILL_CATCH_UP_DAYS,
            "filters": filters_for(EVENT_TYPE),
        },
    )
    assert isinstance(result, CursorResult)
    return result.rowcount


def days_in(zones: Iterable[str], now: datetime) -> dict[str, date]:
    """Return the current day in each time zone; an unknown zone counts as UTC. Pure."""
    return {zone: now.astimezone(_zone(zone)).date() for zone in zones}


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, malformed, or the name of a directory
        return ZoneInfo(_UTC)

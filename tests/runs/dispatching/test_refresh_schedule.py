"""Due times are spread, do not drift, and leave out what must not be planned."""

import uuid
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.connectors.berlin.allowance import QUOTAS
from worker.runs.dispatching.refresh_schedule import (
    REPORTED_INTERVAL,
    RefreshSchedule,
    next_slot_after,
    polling_interval,
    rest_after_failures,
    spread_allowance,
)

NOW = datetime(2026, 11, 22, 13, 0, tzinfo=UTC)
IDS = st.uuids(version=4)
INTERVALS = st.sampled_from([timedelta(minutes=1), timedelta(minutes=15), timedelta(hours=6), timedelta(days=1)])
MOMENTS = st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - zoned there


@given(IDS, INTERVALS, MOMENTS)
def test_the_next_slot_is_ahead_and_at_most_one_interval_away(connection_id, interval, after):
    slot = next_slot_after(RefreshSchedule(connection_id=connection_id, interval=interval), after=after)
    assert after < slot <= after + interval


@given(IDS, INTERVALS, MOMENTS, st.integers(1, 500))
def test_slots_do_not_drift_and_an_outage_skips_them(connection_id, interval, after, intervals_missed):
    schedule = RefreshSchedule(connection_id=connection_id, interval=interval)
    first = next_slot_after(schedule, after=after)
    later = next_slot_after(schedule, after=first + interval * intervals_missed)
    assert (later - first) == interval * (intervals_missed + 1)


def test_ten_thousand_connections_do_not_come_at_once():
    slots = [
        next_slot_after(RefreshSchedule(connection_id=uuid.uuid4(), interval=timedelta(days=1)), after=NOW)
        for _ in range(10_000)
    ]
    per_hour = [sum(1 for slot in slots if (slot - NOW) // timedelta(hours=1) == hour) for hour in range(24)]
    assert max(per_hour) < 2 * 10_000 / 24


@given(IDS, MOMENTS, st.integers(0, 23), st.integers(0, 23), st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kolkata"]))
def test_preferred_hours_are_local_and_may_span_midnight(connection_id, after, from_hour, until_hour, zone):
    schedule = RefreshSchedule(
        connection_id=connection_id,
        interval=timedelta(hours=6),
        from_hour=from_hour,
        until_hour=until_hour,
        timezone=zone,
    )
    slot = next_slot_after(schedule, after=after)
    assert slot > after
    if from_hour != until_hour:
        offset_h = (slot.astimezone(ZoneInfo(zone)).hour - from_hour) % 24
        # The night the clocks change is an hour longer or shorter than the range says.
        assert offset_h < (until_hour - from_hour) % 24 + 1


def test_without_an_interval_nothing_is_planned():
    assert next_slot_after(RefreshSchedule(connection_id=uuid.UUID(int=2**31), interval=None), after=NOW) is None


@pytest.mark.parametrize(
    ("failures", "rest"),
    [
        (0, timedelta(0)),
        (1, timedelta(minutes=10)),
        (2, timedelta(minutes=20)),
        (3, timedelta(minutes=40)),
        (8, timedelta(minutes=1280)),
        (9, timedelta(days=1)),
        (5000, timedelta(days=1)),
    ],
)
def test_rest_after_failures_doubles_up_to_a_day(failures, rest):
    assert rest_after_failures(failures) == rest


@pytest.mark.parametrize(
    ("wanted", "is_reported", "polled"),
    [
        (timedelta(hours=6), False, timedelta(hours=6)),
        (timedelta(hours=6), True, REPORTED_INTERVAL),
        (timedelta(days=7), True, timedelta(days=7)),
        (None, True, None),
    ],
)
def test_a_connection_whose_provider_reports_changes_is_polled_once_a_day(wanted, is_reported, polled):
    assert polling_interval(wanted, is_reported=is_reported) == polled


@pytest.mark.parametrize(
    ("unseen_days", "polled"),
    [(None, timedelta(hours=6)), (29, timedelta(hours=6)), (30, timedelta(days=3)), (200, timedelta(days=7))],
)
def test_a_user_who_is_away_is_polled_less(unseen_days, polled):
    unseen_for = None if unseen_days is None else timedelta(days=unseen_days)
    assert polling_interval(timedelta(hours=6), unseen_for=unseen_for) == polled


def test_an_allowance_is_spread_over_its_window_and_leaves_its_reserve():
    assert spread_allowance(QUOTAS) == timedelta(hours=8), "four a day, one of them kept for a person"
    assert polling_interval(timedelta(hours=1), shortest=spread_allowance(QUOTAS)) == timedelta(hours=8)
    assert spread_allowance(()) == timedelta(0)

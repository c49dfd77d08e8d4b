"""Pages of connections hold each once and in the order that was asked for."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from tests.factories import make_connection
from worker.api.paging import cursor_of, read_cursor
from worker.status.connection_pages import ConnectionFilter, ConnectionOrder, list_connections, place_of

NOW = datetime(2026, 6, 1, 12, 0, 0, 123457, tzinfo=UTC)
FAR = datetime.max.replace(tzinfo=UTC)
KEYS = {
    ConnectionOrder.NEWEST: lambda one: -one["created_at"].timestamp(),
    ConnectionOrder.OLDEST: lambda one: one["created_at"],
    ConnectionOrder.NAME: lambda one: one["display_name"],
    ConnectionOrder.STALEST: lambda one: one["last_good_at"] or datetime.min.replace(tzinfo=UTC),
    ConnectionOrder.NEXT: lambda one: one["next_refresh_at"] or FAR,
    ConnectionOrder.MOST_FAILURES: lambda one: -one["consecutive_failures"],
}


@pytest.fixture
def connections(sessions, user_id):
    with sessions() as session:
        for number in range(20):
            made = make_connection(session, user_id, display_name=f"{'bC'[number % 2]} {number % 5}")
            session.execute(
                text(
                    "UPDATE bank_connections SET created_at = :at, last_good_at = :good, next_refresh_at = :next,"
                    " consecutive_failures = :failures WHERE id = :id"
                ),
                {
                    "id": made,
                    "at": NOW + timedelta(minutes=number // 2),
                    "good": NOW + timedelta(microseconds=number % 7) if number % 3 else None,
                    "next": NOW + timedelta(hours=number % 4) if number % 5 else None,
                    "failures": number % 3,
                },
            )


@pytest.mark.parametrize("order", list(ConnectionOrder))
@pytest.mark.usefixtures("connections")
def test_pages_of_every_order_hold_each_connection_once_and_in_order(sessions, order):
    found, after = [], None
    with sessions() as session:
        while page := list_connections(session, ConnectionFilter(order=order, after=after, limit=3)):
            found += page
            after = read_cursor(cursor_of(place_of(page[-1], order)), by_name=order is ConnectionOrder.NAME)
    assert len({one["id"] for one in found}) == len(found) == 20
    assert [KEYS[order](one) for one in found] == sorted(KEYS[order](one) for one in found)

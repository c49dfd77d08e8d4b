"""A consent's end is announced 14, 7 and 1 days before, each once, and anew when it was renewed."""

from datetime import timedelta

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from sqlalchemy import text

from tests.factories import make_connection, subscribe
from worker.events.catalogue import event_type
from worker.reminders.consent import EVENT_TYPE, warn_of_expiring_consents


@pytest.fixture
def connection_id(sessions, user_id):
    with sessions() as session:
        subscribe(session, user_id)
        return make_connection(session, user_id)


def expires_in(sessions, connection_id, **left):
    """Move the end of the consent: the passing of time, seen from the row."""
    with sessions() as session:
        session.execute(
            text("UPDATE bank_connections SET consent_expires_at = now() + :left WHERE id = :id"),
            {"left": timedelta(**left), "id": connection_id},
        )


def tick(sessions) -> int:
    with sessions() as session:
        return warn_of_expiring_consents(session)


def events(sessions) -> list[dict]:
    with sessions() as session:
        return list(session.scalars(text("SELECT data FROM webhook_events ORDER BY sequence")))


def test_the_user_is_warned_three_times_and_each_time_once(sessions, connection_id):
    for left, expected in ((20, 0), (14, 1), (10, 0), (7, 1), (3, 0), (1, 1), (0.5, 0)):
        expires_in(sessions, connection_id, days=left)
        assert (tick(sessions), tick(sessions)) == (expected, 0), f"{left} days before"


def test_a_late_tick_gives_the_one_warning_that_still_matters(sessions, connection_id):
    expires_in(sessions, connection_id, days=20)
    tick(sessions)
    expires_in(sessions, connection_id, hours=30)
    assert tick(sessions) == 1
    assert [event["days_left"] for event in events(sessions)] == [1]


def test_a_renewed_consent_is_warned_of_again(sessions, connection_id):
    expires_in(sessions, connection_id, days=1)
    tick(sessions)
    expires_in(sessions, connection_id, days=180)
    assert tick(sessions) == 0
    expires_in(sessions, connection_id, days=14)
    assert tick(sessions) == 1


@pytest.mark.parametrize("status", ["needs_user", "disconnected"])
def test_nobody_is_warned_of_a_connection_that_needs_a_login_anyway(sessions, connection_id, status):
    expires_in(sessions, connection_id, days=1)
    with sessions() as session:
        session.execute(
            text("UPDATE bank_connections SET config_encrypted = NULL, config_key_id = NULL, status = :s")
            if status == "disconnected"
            else text("UPDATE bank_connections SET status = :s"),
            {"s": status},
        )
    assert tick(sessions) == 0


def test_a_consent_that_is_over_is_not_announced_as_expiring(sessions, connection_id):
    expires_in(sessions, connection_id, hours=-1)
    assert tick(sessions) == 0


def test_the_event_fits_its_schema(sessions, connection_id):
    expires_in(sessions, connection_id, days=7)
    tick(sessions)
    (data,) = events(sessions)
    validator = Draft202012Validator(dict(event_type(EVENT_TYPE).schema), format_checker=FormatChecker())
    assert list(validator.iter_errors(data)) == []
    assert data["connection_id"] == str(connection_id)

"""Bills are announced on their due date, in the user's zone, once."""

from datetime import UTC, date, datetime

import pytest
from sqlalchemy import text

from worker.reminders.bills import announce_due_bills, days_in

SUBSCRIBE = """INSERT INTO webhook_subscriptions
 (id, user_id, url, event_types, api_version, secret_encrypted, secret_key_id, created_at)
 VALUES (gen_random_uuid(), :user_id, 'https://example.com/', '{bill.due}', '2026-11-01', '', 'k', :since)"""
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def execute(sessions):
    def run(statement: str, **parameters) -> None:
        with sessions() as session:
            session.execute(text(statement), parameters)

    return run


@pytest.fixture
def add_bill(execute, user_id):
    def add(due: str, *, active: bool = True) -> None:
        execute(
            "INSERT INTO bills (user_id, name, amount, currency, next_due_date, cadence, active) VALUES"
            f" (:user_id, 'Rent', 850, 'EUR', {due}, 'MONTHLY', :active)",
            user_id=user_id,
            active=active,
        )

    return add


@pytest.fixture
def announced(sessions):
    def announce() -> int:
        with sessions() as session:
            return announce_due_bills(session)

    return announce


TODAY = "(now() AT TIME ZONE 'UTC')::date"


def test_a_due_bill_is_announced_once(sessions, execute, user_id, add_bill, announced):
    execute(SUBSCRIBE, user_id=user_id, since=LONG_AGO)
    add_bill(TODAY)
    assert [announced(), announced()] == [1, 0]
    with sessions() as session:
        data = session.execute(text("SELECT data FROM webhook_events")).scalar_one()
    assert (data["name"], data["amount"], data["cadence"]) == ("Rent", "850.00", "MONTHLY")
    execute("UPDATE bills SET next_due_date = next_due_date - 1")
    assert announced() == 1


@pytest.mark.parametrize(
    ("due", "active", "count"),
    [
        (f"{TODAY} + 1", True, 0),
        (f"{TODAY} - 6", True, 1),
        (f"{TODAY} - 7", True, 0),
        (TODAY, False, 0),
    ],
    ids=["tomorrow", "missed while down", "too long ago", "inactive"],
)
def test_what_is_due(execute, user_id, add_bill, announced, due, active, count):  # noqa: PLR0917 - fixtures
    execute(SUBSCRIBE, user_id=user_id, since=LONG_AGO)
    add_bill(due, active=active)
    assert announced() == count


def test_without_a_subscription_nothing_is_written(add_bill, announced):
    add_bill(TODAY)
    assert announced() == 0


def test_who_subscribes_today_is_not_told_about_last_week(execute, user_id, add_bill, announced):
    execute(SUBSCRIBE, user_id=user_id, since=datetime.now(UTC))
    add_bill(f"{TODAY} - 5")
    assert announced() == 0


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("UTC", date(2026, 11, 22)),
        ("Pacific/Kiritimati", date(2026, 11, 23)),
        ("America/Los_Angeles", date(2026, 11, 22)),
        ("Asia/Kolkata", date(2026, 11, 23)),
        ("Nowhere/Land", date(2026, 11, 22)),
        ("../../etc/passwd", date(2026, 11, 22)),
        ("America", date(2026, 11, 22)),
        ("", date(2026, 11, 22)),
    ],
)
def test_the_day_is_the_users(zone, day):
    assert days_in([zone], datetime(2026, 11, 22, 19, 0, tzinfo=UTC)) == {zone: day}


def test_the_zone_setting_decides(execute, user_id, add_bill, announced):
    execute(SUBSCRIBE, user_id=user_id, since=LONG_AGO)
    execute("INSERT INTO user_preferences (user_id, timezone) VALUES (:user_id, 'Pacific/Kiritimati')", user_id=user_id)
    add_bill("(now() AT TIME ZONE 'Pacific/Kiritimati')::date")
    assert announced() == 1
    execute("UPDATE user_preferences SET timezone = 'Pacific/Pago_Pago'")
    execute("UPDATE bills SET next_due_date = (now() AT TIME ZONE 'Pacific/Pago_Pago')::date + 1")
    assert announced() == 0

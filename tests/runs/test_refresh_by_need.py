"""A refresh is asked of the bank only when the last good one is too old, and users who are away are known."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from worker.models import BankConnection, BankImportRun
from worker.runs.request import note_seen
from worker.runs.states import RunKind, RunTrigger

HOUR = timedelta(hours=1)


@pytest.fixture
def good(sessions, connect, ask):
    """Write a connection whose last good run ended that long ago."""

    def make(ago: timedelta, **values):
        connection_id = connect()
        run_id = ask(connection_id, trigger=RunTrigger.SCHEDULE)
        with sessions() as session:
            run = session.get_one(BankImportRun, run_id)
            run.status, run.code, run.finished_at = "succeeded", "ok", datetime.now(UTC) - ago
            row = session.get_one(BankConnection, connection_id)
            row.last_good_run_id, row.last_good_at = run_id, datetime.now(UTC) - ago
            for name, value in values.items():
                setattr(row, name, value)
        return connection_id, run_id

    return make


def test_a_young_result_is_the_answer_and_an_old_one_is_not(good, ask):
    connection_id, run_id = good(timedelta(minutes=59))
    assert ask(connection_id, if_older_than=HOUR) == run_id
    assert ask(connection_id, if_older_than=timedelta(minutes=58)) != run_id


@pytest.mark.parametrize("request_", [{}, {"if_older_than": HOUR, "kind": RunKind.IMPORT}])
def test_what_does_not_ask_for_it_gets_a_run_of_its_own(good, ask, request_):
    connection_id, run_id = good(timedelta(minutes=1))
    assert ask(connection_id, **request_) != run_id


def test_a_connection_that_needs_its_user_is_never_fresh(good, ask):
    connection_id, run_id = good(timedelta(minutes=1), status="needs_user")
    assert ask(connection_id, if_older_than=HOUR) != run_id


def test_a_connection_without_a_good_run_is_refreshed(connect, ask, sessions):
    run_id = ask(connect(), if_older_than=HOUR)
    with sessions() as session:
        assert session.get_one(BankImportRun, run_id).status == "queued"


def test_who_asks_was_seen_and_the_schedule_was_not(sessions, connect, ask, user_id):
    def seen():
        with sessions() as session:
            return session.scalar(text("SELECT last_seen_at FROM user_preferences WHERE user_id = :u"), {"u": user_id})

    ask(connect(), trigger=RunTrigger.SCHEDULE)
    assert seen() is None
    ask(connect())
    assert seen() is not None


def test_a_user_who_comes_back_is_polled_as_often_as_before(sessions, connect, user_id):
    far = datetime.now(UTC) + timedelta(days=6)
    connection_id = connect(next_refresh_at=far, refresh_interval=timedelta(hours=6))
    with sessions() as session:
        session.execute(
            text("INSERT INTO user_preferences (user_id, last_seen_at) VALUES (:u, now() - interval '100 days')"),
            {"u": user_id},
        )
    for _ in range(2):
        with sessions() as session:
            note_seen(session, user_id)
    with sessions() as session:
        assert session.get_one(BankConnection, connection_id).next_refresh_at < datetime.now(UTC) + timedelta(hours=7)


def test_a_user_who_is_gone_is_noted_nowhere(sessions):
    with sessions() as session:
        note_seen(session, 2_000_000_000)
        assert session.scalar(text("SELECT count(*) FROM user_preferences")) == 0

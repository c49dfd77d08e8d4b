"""Every due slot that has a place makes one run; what has none stays due, in its order."""

import threading
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text, update

from worker.models import BankConnection, BankImportRun
from worker.runs.dispatching import planning
from worker.runs.dispatching.dispatch import take_due_runs
from worker.runs.dispatching.dispatch_order import DispatchLimits
from worker.runs.dispatching.planning import plan_due_connections

LIMITS = DispatchLimits(ahead=100, per_user=10, per_connector=50, redispatch_s=60)
PAST = datetime(2026, 1, 1, tzinfo=UTC)


def plan(sessions, limits=LIMITS):
    with sessions() as session:
        return plan_due_connections(session, limits)


def test_one_slot_is_one_run_and_the_next_slot_lies_ahead(sessions, connect):
    connection_id = connect(next_refresh_at=PAST)
    assert len(plan(sessions)) == 1
    assert plan(sessions) == []
    with sessions() as session:
        run = session.scalars(select(BankImportRun)).one()
        assert (run.connection_id, run.scheduled_for, run.trigger) == (connection_id, PAST, "schedule")
        assert session.get(BankConnection, connection_id).next_refresh_at > datetime.now(UTC)


def test_the_same_slot_planned_again_makes_no_second_run(sessions, connect):
    connection_id = connect(next_refresh_at=PAST)
    for _ in range(2):
        plan(sessions)
        with sessions() as session:
            session.execute(text("UPDATE bank_import_runs SET status = 'cancelled', code = 'x', finished_at = now()"))
            session.get(BankConnection, connection_id).next_refresh_at = PAST
    with sessions() as session:
        assert len(session.scalars(select(BankImportRun)).all()) == 1


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"status": "paused"}, id="paused"),
        pytest.param({"status": "needs_user"}, id="needs the user"),
        pytest.param({"status": "error"}, id="broken for good"),
        pytest.param({"status": "disconnected", "config_encrypted": None, "config_key_id": None}, id="disconnected"),
        pytest.param({"rate_limited_until": datetime(2100, 1, 1, tzinfo=UTC)}, id="rate limited"),
        pytest.param({"next_refresh_at": None}, id="never by itself"),
    ],
)
def test_what_must_not_be_scheduled_is_not(sessions, connect, values):
    connect(**({"next_refresh_at": PAST} | values))
    plan(sessions)
    with sessions() as session:
        assert session.scalars(select(BankImportRun)).all() == []


def test_a_consent_that_is_over_is_tried_so_that_its_person_is_asked_or_a_later_end_is_learned(sessions, connect):
    connect(next_refresh_at=PAST, consent_expires_at=PAST)
    plan(sessions)
    with sessions() as session:
        assert len(session.scalars(select(BankImportRun)).all()) == 1
        assert session.scalars(select(BankConnection.next_refresh_at)).one() > datetime.now(UTC)


def test_three_dispatchers_at_once_make_every_run_once(sessions, connect):
    for _ in range(300):
        connect(next_refresh_at=PAST)
    limits = DispatchLimits(ahead=37, per_user=1000, per_connector=1000, redispatch_s=60)
    planned, together = [], threading.Barrier(3)

    def dispatcher():
        together.wait(10)
        for _ in range(60):
            runs = plan(sessions, limits)
            planned.extend(runs)
            with sessions() as session:  # their messages are taken at once
                mine = update(BankImportRun).where(BankImportRun.id.in_([run.run_id for run in runs]))
                session.execute(mine.values(dispatched_at=PAST))

    threads = [threading.Thread(target=dispatcher) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(planned) == 300
    assert max(Counter(run.run_id for run in planned).values()) == 1


def test_a_planned_run_counts_as_published(sessions, connect):
    connect(next_refresh_at=PAST)
    (planned,) = plan(sessions)
    with sessions() as session:
        assert take_due_runs(session, interactive=False, limits=LIMITS) == []
        assert session.get(BankImportRun, planned.run_id).dispatch_count == 1


def test_no_more_is_planned_than_can_be_published_and_the_longest_due_first(sessions, connect, another_user):
    ids = [connect(another_user(f"u{n}"), next_refresh_at=PAST + timedelta(minutes=n)) for n in range(8)]
    limits = DispatchLimits(ahead=5, per_user=10, per_connector=50, redispatch_s=60)
    assert len(plan(sessions, limits)) == 5
    assert plan(sessions, limits) == []
    with sessions() as session:
        planned = session.scalars(select(BankImportRun.connection_id)).all()
        assert sorted(map(str, planned)) == sorted(map(str, ids[:5]))
        assert session.get(BankConnection, ids[5]).next_refresh_at == PAST + timedelta(minutes=5)


def test_a_connector_without_room_holds_up_no_other(sessions, connect):
    for _ in range(20):
        connect(next_refresh_at=PAST)
    connect(connector_name="other", next_refresh_at=PAST + timedelta(hours=1))
    limits = DispatchLimits(ahead=100, per_user=100, per_connector=3, redispatch_s=60)
    assert len(plan(sessions, limits)) == 4


def test_a_user_with_many_due_connections_hides_nobody(sessions, connect, another_user, monkeypatch):
    monkeypatch.setattr(planning, "PAGE", 5)
    big, small = another_user("big"), another_user("small")
    for _ in range(30):
        connect(big, next_refresh_at=PAST)
    mine = connect(small, next_refresh_at=PAST + timedelta(hours=1))
    limits = DispatchLimits(ahead=100, per_user=2, per_connector=100, redispatch_s=60)
    assert len(plan(sessions, limits)) == 3
    with sessions() as session:
        assert session.scalars(select(BankImportRun.connection_id).where(BankImportRun.user_id == small)).all() == [
            mine
        ]


def test_an_open_circuit_leaves_its_connections_due(sessions, connect):
    connection_id = connect(next_refresh_at=PAST)
    with sessions() as session:
        session.execute(
            text(
                "INSERT INTO bank_connector_circuits (connector_name, state, open_until)"
                " VALUES ('mock', 'open', now() + interval '1 minute')"
            )
        )
    assert plan(sessions) == []
    with sessions() as session:
        assert session.get(BankConnection, connection_id).next_refresh_at == PAST


def test_a_slot_whose_connection_has_a_run_already_is_answered_by_it(sessions, connect, ask):
    connection_id = connect(next_refresh_at=PAST)
    ask(connection_id)
    assert plan(sessions) == []
    with sessions() as session:
        assert session.get(BankConnection, connection_id).next_refresh_at > datetime.now(UTC)


def test_slots_that_are_answered_already_hide_no_others(sessions, connect, ask, monkeypatch):
    monkeypatch.setattr(planning, "PAGE", 2)
    for _ in range(5):
        ask(connect(next_refresh_at=PAST))
    connect(next_refresh_at=PAST + timedelta(hours=1))
    assert len(plan(sessions)) == 1


def test_a_user_that_is_being_deleted_is_passed_by_without_waiting(sessions, connect):
    connect(next_refresh_at=PAST)
    with sessions() as session:
        session.execute(text("SELECT id FROM users FOR UPDATE"))  # the first thing that FinMind's DELETE does
        assert plan(sessions) == []
    assert len(plan(sessions)) == 1


def test_a_connection_that_webhooks_reach_is_planned_once_a_day(sessions, connect):
    often = {"next_refresh_at": PAST, "refresh_interval": timedelta(hours=1)}
    polled, reported = connect(**often), connect(**often, webhook_seen_at=PAST)
    plan(sessions)
    with sessions() as session:
        ahead = {
            connection_id: session.get(BankConnection, connection_id).next_refresh_at - datetime.now(UTC)
            for connection_id in (polled, reported)
        }
    assert ahead[polled] <= timedelta(hours=1)
    assert timedelta(days=2) > ahead[reported]
    again = plan(sessions)
    assert again == []

"""Every due slot makes one run, everybody gets a turn, and a lost message is sent again."""

import threading
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text

from worker.models import BankConnection, BankImportRun
from worker.runs.dispatch import DispatchLimits, plan_due_connections, take_due_runs
from worker.runs.states import RunTrigger

LIMITS = DispatchLimits(ahead=100, per_user=10, per_connector=50, redispatch_s=60)
PAST = datetime(2026, 1, 1, tzinfo=UTC)


def plan(sessions, limit=1000):
    with sessions() as session:
        return plan_due_connections(session, limit=limit)


def due(sessions, limits=LIMITS, *, interactive=False):
    with sessions() as session:
        return take_due_runs(session, interactive=interactive, limits=limits)


def test_one_slot_is_one_run_and_the_next_slot_lies_ahead(sessions, connect):
    connection_id = connect(next_refresh_at=PAST)
    assert plan(sessions) == 1
    assert plan(sessions) == 0
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
        pytest.param({"consent_expires_at": PAST}, id="consent over"),
        pytest.param({"next_refresh_at": None}, id="never by itself"),
    ],
)
def test_what_must_not_be_scheduled_is_not(sessions, connect, values):
    connect(**({"next_refresh_at": PAST} | values))
    plan(sessions)
    with sessions() as session:
        assert session.scalars(select(BankImportRun)).all() == []


def test_three_dispatchers_at_once_make_every_run_once(sessions, connect):
    for _ in range(300):
        connect(next_refresh_at=PAST)
    limits = DispatchLimits(ahead=1000, per_user=1000, per_connector=1000, redispatch_s=60)
    taken, together = [], threading.Barrier(3)

    def dispatcher():
        together.wait(10)
        while plan(sessions, limit=37):
            taken.extend(due(sessions, limits))
        taken.extend(due(sessions, limits))

    threads = [threading.Thread(target=dispatcher) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken.extend(due(sessions, limits))
    assert len(taken) == 300
    assert max(Counter(run.run_id for run in taken).values()) == 1


def test_everybody_gets_a_first_turn_before_anybody_gets_a_second(sessions, connect, ask, another_user):
    big, small = another_user("big"), another_user("small")
    for _ in range(20):
        ask(connect(big), trigger=RunTrigger.SCHEDULE)
    mine = ask(connect(small), trigger=RunTrigger.SCHEDULE)
    first_two = due(sessions, DispatchLimits(ahead=2, per_user=10, per_connector=50, redispatch_s=60))
    assert mine in [run.run_id for run in first_two]


def test_a_user_and_a_connector_take_no_more_than_their_share(sessions, connect, ask, another_user):
    for user in (another_user("a"), another_user("b")):
        for _ in range(5):
            ask(connect(user), trigger=RunTrigger.SCHEDULE)
    limits = DispatchLimits(ahead=100, per_user=2, per_connector=3, redispatch_s=60)
    assert len(due(sessions, limits)) == 3
    assert due(sessions, limits) == []


def test_those_who_wait_have_shares_of_their_own(sessions, connect, ask):
    for _ in range(5):
        ask(connect(), trigger=RunTrigger.SCHEDULE)
    asked = ask(connect())
    assert len(due(sessions, DispatchLimits(ahead=2, per_user=10, per_connector=50, redispatch_s=60))) == 2
    assert [run.run_id for run in due(sessions, interactive=True)] == [asked]


def test_a_run_nobody_took_is_published_again(sessions, connect, ask):
    run_id = ask(connect())
    assert len(due(sessions, interactive=True)) == 1
    assert due(sessions, interactive=True) == []
    with sessions() as session:
        session.execute(text("UPDATE bank_import_runs SET dispatched_at = now() - interval '61 seconds'"))
    assert [run.run_id for run in due(sessions, interactive=True)] == [run_id]
    with sessions() as session:
        assert session.get(BankImportRun, run_id).dispatch_count == 2


def test_a_run_behind_a_running_one_of_its_connection_waits(sessions, connect, ask, take):
    connection_id = connect()
    take(ask(connection_id))
    ask(connection_id, dry_run=True)
    assert due(sessions, interactive=True) == []


def test_an_open_circuit_holds_the_runs_of_its_connector(sessions, connect, ask):
    ask(connect())
    other = ask(connect(connector_name="other"))
    with sessions() as session:
        session.execute(
            text(
                "INSERT INTO bank_connector_circuits (connector_name, state, open_until)"
                " VALUES ('mock', 'open', now() + interval '1 minute')"
            )
        )
    assert [run.run_id for run in due(sessions, interactive=True)] == [other]


def test_asking_for_a_scheduled_run_moves_it_to_the_front(sessions, connect, ask):
    connection_id = connect()
    run_id = ask(connection_id, trigger=RunTrigger.SCHEDULE)
    due(sessions)
    assert ask(connection_id) == run_id
    assert [(run.run_id, run.trigger) for run in due(sessions, interactive=True)] == [(run_id, "user")]


def test_a_wait_that_is_over_is_over_by_the_clock_of_postgres(sessions, connect, ask):
    run_id = ask(connect())
    with sessions() as session:
        run = session.get(BankImportRun, run_id)
        run.status, run.not_before = "deferred", datetime.now(UTC) + timedelta(hours=1)
    assert due(sessions, interactive=True) == []
    with sessions() as session:
        session.execute(text("UPDATE bank_import_runs SET not_before = now()"))
    assert len(due(sessions, interactive=True)) == 1
    assert isinstance(run_id, uuid.UUID)

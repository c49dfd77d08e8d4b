"""Everybody gets a turn, and a lost message is sent again."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from sqlalchemy import text

from tests.waiting import until
from worker.models import BankImportRun
from worker.runs.dispatching import dispatch
from worker.runs.dispatching.dispatch import postpone_held_runs, take_due_runs
from worker.runs.dispatching.dispatch_order import DispatchLimits
from worker.runs.states import RunTrigger

LIMITS = DispatchLimits(ahead=100, per_user=10, per_connector=50, redispatch_s=60)
PAST = datetime(2026, 1, 1, tzinfo=UTC)


def due(sessions, limits=LIMITS, *, interactive=False):
    with sessions() as session:
        postpone_held_runs(session, interactive=interactive)
        return take_due_runs(session, interactive=interactive, limits=limits)


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


def test_dispatchers_at_the_same_moment_publish_no_more_than_one_of_them_may(sessions, connect, ask, another_user):
    for number in range(6):
        ask(connect(another_user(f"person-{number}")), trigger=RunTrigger.SCHEDULE)
    limits = DispatchLimits(ahead=100, per_user=2, per_connector=2, redispatch_s=60)
    together = Barrier(3)

    def published():
        with sessions() as session:
            session.execute(text("SELECT 1"))
            together.wait(timeout=20)
            return len(take_due_runs(session, interactive=False, limits=limits))

    with ThreadPoolExecutor(3) as threads:
        passes = [threads.submit(published) for _ in range(3)]
    assert sorted(one.result() for one in passes) == [0, 0, 2]


def test_runs_that_cannot_go_on_yet_do_not_hide_those_behind_them(sessions, connect, ask, monkeypatch):
    monkeypatch.setattr(dispatch, "PAGE", 3)
    for _ in range(10):
        ask(connect(rate_limited_until=datetime(2100, 1, 1, tzinfo=UTC)), trigger=RunTrigger.SCHEDULE)
    run_id = ask(connect(), trigger=RunTrigger.SCHEDULE)
    with sessions() as session:
        looks = [postpone_held_runs(session, interactive=False) for _ in range(4)]
    assert looks == [True, True, True, False], "very many were, so that a pass follows"
    assert [run.run_id for run in due(sessions)] == [run_id]


@pytest.mark.parametrize("full", ["user", "connector"])
def test_runs_without_a_free_place_hide_nobody(sessions, connect, ask, another_user, monkeypatch, full):
    monkeypatch.setattr(dispatch, "PAGE", 3)
    limits = DispatchLimits(ahead=100, per_user=2, per_connector=3 if full == "user" else 2, redispatch_s=60)
    people = [another_user("one")] * 12 if full == "user" else [another_user(f"user{number}") for number in range(12)]
    for person in people:
        ask(connect(person))
    behind = ask(connect(another_user("behind"), connector_name="mock" if full == "user" else "other"))
    first, second = (due(sessions, limits, interactive=True) for _ in range(2))
    assert (len(first), first[-1].run_id, second) == (3, behind, []), "in one pass"


def test_held_runs_behind_those_of_a_full_user_hide_nobody(sessions, connect, ask, another_user, monkeypatch):
    monkeypatch.setattr(dispatch, "PAGE", 3)
    limits = DispatchLimits(ahead=100, per_user=2, per_connector=50, redispatch_s=60)
    full, held = another_user("full"), another_user("held")
    for _ in range(6):
        ask(connect(full))
    for _ in range(12):
        ask(connect(held, rate_limited_until=datetime(2100, 1, 1, tzinfo=UTC)))
    behind = ask(connect(another_user("behind")))
    found = [run.run_id for run in due(sessions, limits, interactive=True)]
    assert (len(found), found[-1]) == (3, behind)


def test_runs_of_an_older_version_are_told_apart_once_a_pass_named_them(sessions, connect, ask, monkeypatch):
    monkeypatch.setattr(dispatch, "PAGE", 3)
    limits = DispatchLimits(ahead=100, per_user=100, per_connector=2, redispatch_s=60)
    for _ in range(8):
        ask(connect())
    behind = ask(connect(connector_name="other"))
    with sessions() as session:
        session.execute(text("UPDATE bank_import_runs SET connector_name = NULL"))
    found = [run.run_id for _ in range(3) for run in due(sessions, limits, interactive=True)]
    assert (len(found), found[-1]) == (3, behind)


@pytest.mark.parametrize("held", ["nobody", "everybody"])
def test_a_pass_asks_nothing_of_those_behind_the_fronts_nor_of_full_connectors(sessions, connect, ask, held):
    institution = "Nordea" if held == "everybody" else "Other"
    for _ in range(30):
        ask(connect(connector_name="full"), trigger=RunTrigger.SCHEDULE)
        ask(connect(institution_name=institution), trigger=RunTrigger.SCHEDULE)
    values = {"interactive": False, "page": 10, "redispatch": timedelta(seconds=60)}
    values |= {"full_users": [], "full_connectors": ["full"]}
    with sessions() as session:
        session.execute(
            text(
                "INSERT INTO bank_connector_circuits (connector_name, scope, state, open_until)"
                " VALUES ('mock', 'Nordea', 'open', now() + interval '1 minute')"
            )
        )
        session.execute(text("ANALYZE bank_import_runs, bank_connections"))
        for way in ("seqscan", "sort", "hashjoin", "mergejoin"):
            session.execute(text(f"SET LOCAL enable_{way} = off"))
        for statement in (dispatch._POSTPONE, dispatch._WAITING):
            plan = session.execute(text(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.text}"), values).scalar_one()
            assert max(rows_read(plan[0]["Plan"])) <= 10
    with sessions() as session:
        assert session.scalar(text("SELECT count(*) FROM bank_import_runs WHERE status = 'deferred'")) == (
            10 if held == "everybody" else 0
        )


def rows_read(node):
    """Yield how many runs each step of a plan read."""
    for child in node.get("Plans", ()):
        yield from rows_read(child)
    if node.get("Relation Name") == "bank_import_runs":
        yield (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]


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


@pytest.mark.parametrize("scope", ["", "bridge.example", "Nordea"])
def test_an_open_circuit_holds_the_scheduled_runs_that_it_concerns(sessions, connect, ask, scope):
    asked = RunTrigger.SCHEDULE
    concerned = connect(outage_scope=scope if scope == "bridge.example" else "", institution_name="Nordea")
    held_id = ask(concerned, trigger=asked)
    other = ask(connect(connector_name="other"), trigger=asked)
    by_hand = ask(connect(institution_name="Nordea"))
    with sessions() as session:
        session.execute(
            text(
                "INSERT INTO bank_connector_circuits (connector_name, scope, state, open_until)"
                " VALUES ('mock', :scope, 'open', now() + interval '1 minute')"
            ),
            {"scope": scope},
        )
    assert [run.run_id for run in due(sessions, interactive=False)] == [other]
    assert [run.run_id for run in due(sessions, interactive=True)] == [by_hand], "a person gets one try"
    with sessions() as session:
        (held,) = session.execute(
            text(
                "SELECT r.id, r.code, r.not_before - k.open_until FROM bank_import_runs r, bank_connector_circuits k"
                " WHERE r.status = 'deferred'"
            )
        )
    assert held == (held_id, "provider_down", timedelta(0)), "no pass looks at it before it may go on"


def test_a_person_waits_for_the_limit_of_a_bank_and_not_for_its_circuit(sessions, connect, ask):
    connection_id = connect(institution_name="Nordea", rate_limited_until=datetime.now(UTC) + timedelta(seconds=30))
    run_id = ask(connection_id, trigger=RunTrigger.SCHEDULE)
    with sessions() as session:
        session.execute(
            text(
                "INSERT INTO bank_connector_circuits (connector_name, scope, state, open_until)"
                " VALUES ('mock', 'Nordea', 'open', now() + interval '30 minutes')"
            )
        )
    assert due(sessions) == []
    assert ask(connection_id) == run_id
    with sessions() as session:
        session.execute(text("UPDATE bank_connections SET rate_limited_until = now()"))
    assert [run.run_id for run in due(sessions, interactive=True)] == [run_id]


def scalar(sessions, query):
    with sessions() as session:  # what others do is read once in a transaction
        return session.scalar(text(query))


def test_what_a_person_asks_for_while_its_pass_is_under_way_is_not_held_back(sessions, connect, ask, monkeypatch):
    connection_id = connect(institution_name="Nordea")
    run_id = ask(connection_id, trigger=RunTrigger.SCHEDULE)
    open_circuit = (
        "INSERT INTO bank_connector_circuits (connector_name, scope, state, open_until)"
        " VALUES ('mock', 'Nordea', 'open', now() + interval '30 minutes')"
    )
    waits = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'"
    halted = dispatch._POSTPONE.text.replace("FROM front", "FROM (SELECT * FROM front, pg_advisory_xact_lock(7)) front")
    monkeypatch.setattr(dispatch, "_POSTPONE", text(halted))
    with sessions() as session:
        session.execute(text(open_circuit))
    with ThreadPoolExecutor(1) as thread:
        with sessions() as holding:
            holding.execute(text("SELECT pg_advisory_xact_lock(7)"))
            under_way = thread.submit(due, sessions)
            until(lambda: scalar(sessions, waits))
            assert ask(connection_id) == run_id
        under_way.result()
    assert [run.run_id for run in due(sessions, interactive=True)] == [run_id]


def test_runs_behind_running_ones_do_not_hide_others(sessions, connect, ask, take, monkeypatch):
    monkeypatch.setattr(dispatch, "PAGE", 3)
    for _ in range(3):
        connection_id = connect()
        take(ask(connection_id))
        ask(connection_id, dry_run=True)
    run_id = ask(connect())
    few = DispatchLimits(ahead=1, per_user=10, per_connector=50, redispatch_s=60)
    assert [run.run_id for run in due(sessions, few, interactive=True)] == [run_id]


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

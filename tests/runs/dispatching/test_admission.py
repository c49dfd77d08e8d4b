"""Whether a claimed run may go on."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import text

from tests.waiting import until
from worker.db.statements import open_statements
from worker.runs.dispatching.admission import AdmissionFacts, AdmissionLimits, WaitForTurn, admit
from worker.runs.ending import close
from worker.runs.lease import claim
from worker.runs.providers import circuit
from worker.runs.states import Outcome, RunStatus, RunTrigger

LIMITS = AdmissionLimits(per_user=2, per_connector=4, max_attempts=5)


@pytest.mark.parametrize(
    ("facts", "attempt", "expected"),
    [
        pytest.param({}, 1, None, id="nothing speaks against it"),
        pytest.param({"connection_status": "needs_user"}, 1, None, id="a person may try again"),
        pytest.param({"connection_status": "paused"}, 1, None, id="a person may refresh what is paused"),
        pytest.param({"connection_status": "paused", "scheduled": True}, 1, ("cancelled", "paused"), id="paused"),
        pytest.param({"connection_status": "disconnected"}, 1, ("failed", "disconnected"), id="removed"),
        pytest.param({"rate_limited_s": 90}, 1, ("deferred", "rate_limited"), id="rate limited"),
        pytest.param({"circuit_s": 30}, 1, ("deferred", "provider_down"), id="provider down for all"),
        pytest.param({}, 6, ("failed", "poison"), id="one attempt too many"),
        pytest.param({"user_running": 2}, 1, "turn", id="the user has enough under way"),
        pytest.param({"connector_running": 4}, 1, "turn", id="the connector has enough under way"),
        pytest.param({"user_running": 1, "connector_running": 3}, 1, None, id="just within the shares"),
    ],
)
def test_decisions(facts, attempt, expected):
    known = {"connection_status": "active", "scheduled": False, "connector_name": "mock"} | facts
    decision = admit(AdmissionFacts(**known), attempt=attempt, limits=LIMITS)
    if isinstance(decision, Outcome):
        assert (decision.status.value, decision.code) == expected
    elif isinstance(decision, WaitForTurn):
        assert expected == "turn"
    else:
        assert expected is None


def test_facts_are_counted_per_kind_of_waiting(sessions, connect, ask, take):
    for trigger in (RunTrigger.SCHEDULE, RunTrigger.SCHEDULE, RunTrigger.USER):
        take(ask(connect(), trigger=trigger))
    run_id = ask(connect(), trigger=RunTrigger.SCHEDULE)
    with sessions() as session:
        facts = claim(session, run_id, worker_name="w", lease_s=60).facts
        assert (facts.user_running, facts.scheduled) == (2, True)


def test_a_connector_is_bounded_at_the_claim_for_those_who_wait(sessions, connect, ask, take):
    for trigger in (RunTrigger.SCHEDULE, RunTrigger.USER, RunTrigger.USER):
        take(ask(connect(), trigger=trigger))
    for trigger, running in ((RunTrigger.USER, 2), (RunTrigger.SCHEDULE, 0)):
        assert take(ask(connect(), trigger=trigger)) is not None
        run_id = ask(connect(), trigger=trigger)
        with sessions() as session:
            facts = claim(session, run_id, worker_name="w", lease_s=60).facts
        assert facts.connector_running == (running + 1 if running else 0)


@pytest.mark.parametrize("counted", ["connector_running", "user_running"])
def test_of_claims_at_the_same_moment_each_counts_those_before_it(engine, connect, ask, another_user, counted):
    statements = open_statements(engine)
    users = [another_user(f"person-{number}") for number in range(4)] if counted == "connector_running" else [None] * 4
    run_ids = [ask(connect(user)) for user in users]
    together = Barrier(len(run_ids))

    def taken(run_id):
        with statements() as session:
            session.execute(text("SELECT 1"))
            together.wait(timeout=20)
            return claim(session, run_id, worker_name="w", lease_s=60).facts

    with ThreadPoolExecutor(len(run_ids)) as threads:
        facts = list(threads.map(taken, run_ids))
    assert sorted(getattr(of_run, counted) for of_run in facts) == list(range(len(run_ids)))


def test_a_claim_that_waits_for_a_former_holder_keeps_no_other_claim_waiting(engine, sessions, connect, ask, take):
    statements = open_statements(engine)
    stuck, other = ask(connect()), ask(connect())
    take(stuck)
    with sessions() as session:
        session.execute(
            text("UPDATE bank_import_runs SET lease_expires_at = now() - interval '1 second' WHERE id = :id"),
            {"id": stuck},
        )

    def claimed(run_id):
        with statements() as session:
            return claim(session, run_id, worker_name="w", lease_s=60)

    with ThreadPoolExecutor(1) as threads:
        with sessions() as session:
            session.execute(text("SELECT 1 FROM bank_import_runs WHERE id = :id FOR UPDATE"), {"id": stuck})
            late = threads.submit(claimed, stuck)
            with sessions() as watching:
                until(lambda: watching.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")))
            assert claimed(other).lease.run_id == other
        assert late.result(timeout=20).lease.attempt == 2


def test_what_a_user_has_under_way_is_counted_no_further_than_is_asked(sessions, connect, ask, take):
    for _ in range(3):
        take(ask(connect()))
    run_id = ask(connect())
    with sessions() as session:
        assert claim(session, run_id, worker_name="w", lease_s=60, count_up_to=2).facts.user_running == 2


SCOPES = ("", "Nordea")


def wait_s(sessions, change=None):
    with sessions() as session:
        session.execute(text(f"UPDATE bank_connector_circuits SET {change}")) if change else None
    with sessions() as session:
        return circuit.take_probe_or_wait_s(session, "mock", SCOPES)


@pytest.mark.parametrize("scope", SCOPES)
def test_when_a_circuit_has_rested_one_run_probes_and_the_others_wait(sessions, scope):
    for user_id in (1, 2, 1, 2, 1):
        with sessions() as session:
            circuit.count_failure(session, "mock", scope, user_id, "provider_down")
    assert 0 < wait_s(sessions) <= 60
    assert wait_s(sessions, "open_until = now() - interval '1 s'") == 0
    assert wait_s(sessions) > 0
    with sessions() as session:
        circuit.count_failure(session, "mock", scope, 1, "provider_down")
    assert wait_s(sessions) > 60
    assert wait_s(sessions, "state = 'closed'") == 0


def test_what_a_person_asks_for_gets_one_try_whatever_the_circuit(sessions, connect, ask):
    for user_id in (1, 2, 1, 2, 1):
        with sessions() as session:
            circuit.count_failure(session, "mock", "", user_id, "provider_down")
    waits = {}
    for trigger in (RunTrigger.USER, RunTrigger.SCHEDULE, RunTrigger.WEBHOOK):
        run_id = ask(connect(), trigger=trigger)
        for attempt in (1, 2):
            with sessions() as session:
                claimed = claim(session, run_id, worker_name="w", lease_s=60)
                waits[trigger, attempt] = claimed.facts.circuit_s > 0
                session.execute(text("UPDATE bank_import_runs SET lease_expires_at = now() - interval '1 s'"))
    assert waits == {
        (RunTrigger.USER, 1): False,
        (RunTrigger.USER, 2): True,
        (RunTrigger.SCHEDULE, 1): True,
        (RunTrigger.SCHEDULE, 2): True,
        (RunTrigger.WEBHOOK, 1): True,
        (RunTrigger.WEBHOOK, 2): True,
    }


@pytest.mark.parametrize("first", [RunTrigger.SCHEDULE, RunTrigger.WEBHOOK])
def test_a_person_who_asks_while_a_run_waits_for_a_bank_that_is_down_gets_one_try_at_once(
    sessions, connect, ask, first
):
    connection_id = connect()
    run_id = ask(connection_id, trigger=first)
    with sessions() as session:
        session.execute(
            text(
                "INSERT INTO bank_connector_circuits (connector_name, state, open_until)"
                " VALUES ('mock', 'open', now() + interval '30 minutes')"
            )
        )
        claimed = claim(session, run_id, worker_name="w", lease_s=60)
        outcome = admit(claimed.facts, attempt=claimed.lease.attempt, limits=LIMITS)
        assert (outcome.status, outcome.code) == ("deferred", "provider_down")
        close(session, claimed.lease, outcome)
    with sessions() as session:
        assert claim(session, run_id, worker_name="w", lease_s=60) is None
    assert ask(connection_id, trigger=RunTrigger.USER) == run_id
    with sessions() as session:
        tried = claim(session, run_id, worker_name="w", lease_s=60)
        assert admit(tried.facts, attempt=tried.lease.attempt, limits=LIMITS) is None


def test_a_person_who_asks_after_a_run_failed_at_the_bank_gets_one_try(sessions, connect, ask):
    connection_id = connect()
    with sessions() as session:
        claimed = claim(session, ask(connection_id, trigger=RunTrigger.SCHEDULE), worker_name="w", lease_s=60)
        close(session, claimed.lease, Outcome(status=RunStatus.FAILED, code="provider_down"))
        session.execute(text("UPDATE bank_import_runs SET finished_at = finished_at - interval '30 minutes'"))
    run_id = ask(connection_id, trigger=RunTrigger.USER)
    with sessions() as session:
        tried = claim(session, run_id, worker_name="w", lease_s=60)
        assert admit(tried.facts, attempt=tried.lease.attempt, limits=LIMITS) is None


def test_news_of_a_bank_does_not_wake_a_run_that_leaves_the_reserve_to_people(sessions, connect, ask):
    connection_id = connect()
    run_id = ask(connection_id, trigger=RunTrigger.SCHEDULE)
    with sessions() as session:
        claimed = claim(session, run_id, worker_name="w", lease_s=60)
        close(session, claimed.lease, Outcome(status=RunStatus.DEFERRED, code="quota_reserved", defer_s=3600.0))
    assert ask(connection_id, trigger=RunTrigger.WEBHOOK) == run_id
    with sessions() as session:
        assert claim(session, run_id, worker_name="w", lease_s=60) is None
    assert ask(connection_id, trigger=RunTrigger.USER) == run_id
    with sessions() as session:
        assert claim(session, run_id, worker_name="w", lease_s=60) is not None

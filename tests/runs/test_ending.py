"""How a run ends decides what becomes of its connection and who hears of it."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text

from tests.factories import subscribe
from tests.leases import claim
from worker.errors import LostLeaseError
from worker.models import BankConnection, BankConnectorCircuit, BankImportRun, WebhookEvent
from worker.runs.ending import close
from worker.runs.hand_back import hand_back
from worker.runs.states import Counts, Outcome, RunStatus

DUE = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def end(sessions, ask, take):
    """Run a connection's run to an end and return the connection as it is then."""

    def make(connection_id, status, code, **values):
        lease = take(ask(connection_id))
        with sessions() as session:
            close(session, lease, Outcome(status=RunStatus(status), code=code, **values))
        with sessions() as session:
            return session.get(BankConnection, connection_id)

    return make


@pytest.fixture
def events(sessions, user_id):
    with sessions() as session:
        subscribe(session, user_id)

    def read():
        with sessions() as session:
            return session.execute(select(WebhookEvent.type, WebhookEvent.data).order_by(WebhookEvent.sequence)).all()

    return read


def test_success_resets_the_failures_and_is_remembered(connect, end):
    connection = end(connect(consecutive_failures=4, status="error"), "succeeded", "ok")
    assert (connection.consecutive_failures, connection.status) == (0, "active")
    assert connection.last_good_at is not None
    assert connection.last_good_run_id is not None


def test_failures_rest_longer_each_time(connect, end):
    connection_id = connect(next_refresh_at=DUE)
    now = datetime.now(UTC)
    first = end(connection_id, "failed", "internal").next_refresh_at
    second = end(connection_id, "failed", "internal").next_refresh_at
    assert timedelta(minutes=9) < first - now < timedelta(minutes=12)
    assert timedelta(minutes=19) < second - now < timedelta(minutes=22)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        pytest.param("needs_user", "needs_user", id="the user must log in"),
        pytest.param("connector_not_found", "error", id="the connector is gone"),
        pytest.param("credential_unreadable", "error", id="the credentials do not open"),
        pytest.param("provider_down", "active", id="the provider is down"),
        pytest.param("internal", "active", id="a defect of ours"),
    ],
)
def test_a_failure_stops_the_schedule_only_when_waiting_cannot_help(connect, end, code, status):
    assert end(connect(), "failed", code, message="why").status == status


def test_a_paused_connection_stays_paused(connect, end):
    assert end(connect(status="paused"), "failed", "needs_user").status == "paused"


def test_a_rate_limit_holds_every_later_run_of_the_connection(sessions, connect, end):
    connection = end(connect(), "deferred", "rate_limited", defer_s=3600.0)
    assert connection.rate_limited_until > datetime.now(UTC) + timedelta(minutes=59)
    with sessions() as session:
        run = session.scalars(select(BankImportRun)).one()
        assert (run.status, run.attempt, run.finished_at) == ("deferred", 0, None)
        assert run.not_before > datetime.now(UTC) + timedelta(minutes=59)


def test_a_reserve_holds_only_the_run_that_would_have_used_it(connect, end):
    assert end(connect(), "deferred", "quota_reserved", defer_s=3600.0).rate_limited_until is None


def test_the_end_is_announced_once_with_its_counts(connect, end, events):
    end(connect(), "succeeded", "ok", counts=Counts(fetched=3, created=2, unchanged=1))
    ((kind, data),) = events()
    assert kind == "import.completed"
    assert data["counts"]["created"] == 2


def test_a_connection_that_needs_its_user_says_so_once(connect, end, events):
    connection_id = connect()
    for _ in range(2):
        end(connection_id, "failed", "needs_user", message="sign in again")
    assert [kind for kind, _ in events()].count("connection.needs_user") == 1


def test_a_partial_run_that_met_a_login_page_does_not_stop_the_connection(connect, end):
    connection = end(connect(), "partial", "needs_user", message="sign in again")
    assert (connection.status, connection.consecutive_failures) == ("active", 0)


def test_a_dry_run_announces_and_remembers_nothing(sessions, connect, ask, take, events):
    connection_id = connect()
    lease = take(ask(connection_id, dry_run=True))
    with sessions() as session:
        close(session, lease, Outcome(status=RunStatus.SUCCEEDED, code="ok"))
    with sessions() as session:
        assert session.get(BankConnection, connection_id).last_good_at is None
    assert events() == []


def test_a_worker_that_lost_its_lease_closes_nothing(sessions, connect, ask, take):
    connection_id = connect()
    run_id = ask(connection_id)
    lease = take(run_id)
    with sessions() as session:
        session.execute(text("UPDATE bank_import_runs SET lease_expires_at = now() - interval '1 s'"))
    take(run_id)
    with sessions() as session, pytest.raises(LostLeaseError):
        close(session, lease, Outcome(status=RunStatus.FAILED, code="internal"))
    with sessions() as session:
        assert session.get(BankConnection, connection_id).consecutive_failures == 0


def circuit_of(sessions, scope=""):
    with sessions() as session:
        circuit = session.get(BankConnectorCircuit, ("mock", scope))
        return circuit and circuit.state


def test_a_provider_that_is_down_for_several_users_opens_its_circuit(sessions, connect, end, another_user):
    eve = another_user("eve")
    for user in (None, eve, None, eve, None):
        assert circuit_of(sessions) in {None, "closed"}
        end(connect(user), "failed", "provider_down")
    assert circuit_of(sessions) == "open"
    end(connect(), "succeeded", "ok")
    assert circuit_of(sessions) == "closed"


def test_one_user_alone_opens_no_circuit(sessions, connect, end):
    for _ in range(9):
        end(connect(), "failed", "provider_down")
    assert circuit_of(sessions) == "closed"


def test_a_server_of_ones_own_and_a_bank_have_circuits_of_their_own(sessions, connect, end, another_user):
    eve = another_user("eve")
    for user in (None, eve, None, eve, None):
        end(connect(user, outage_scope="bridge.example"), "failed", "provider_down")
        end(connect(user, institution_name="Nordea"), "failed", "bank_down")
    assert (circuit_of(sessions, "bridge.example"), circuit_of(sessions, "Nordea")) == ("open", "open")
    assert circuit_of(sessions) is None
    end(connect(institution_name="Nordea"), "succeeded", "ok")
    assert (circuit_of(sessions, "bridge.example"), circuit_of(sessions, "Nordea")) == ("open", "closed")


def test_a_bank_without_a_name_that_is_down_opens_nothing(sessions, connect, end):
    for _ in range(9):
        end(connect(), "failed", "bank_down")
    assert circuit_of(sessions) is None


def test_a_run_handed_back_while_another_waits_goes_first(sessions, connect, ask, take):
    connection_id = connect()
    first = ask(connection_id)
    lease = take(first)
    second = ask(connection_id, dry_run=True)
    with sessions() as session:
        hand_back(session, lease)
    assert take(second) is None
    with sessions() as session:
        again = claim(session, first, worker_name="w", lease_s=60)
    assert again is not None
    assert again.attempt == 1

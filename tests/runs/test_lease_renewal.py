"""A run keeps its lease while it works, and notices within moments when it has to end."""

import time

import pytest
from sqlalchemy import event, text

from tests.waiting import PATIENCE_S, until
from worker.errors import CancelRequestedError, LostLeaseError, StopRequestedError
from worker.models import BankImportRun
from worker.runs.lease import fence
from worker.runs.lease_renewal import LeaseKeeper, LeaseRenewer
from worker.runs.reaper import recover, silent_runs


@pytest.fixture
def lease(connect, ask, take):
    return take(ask(connect()))


@pytest.fixture
def renewer():
    beating = LeaseRenewer(lease_s=0.4)
    yield beating
    beating.stop()


@pytest.fixture
def let_pass(monkeypatch):
    """Move the clock of this process on by so many seconds."""
    honest, passed_s = time.monotonic, [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: honest() + passed_s[0])

    def move(seconds):
        passed_s[0] += seconds

    return move


def keeper(sessions, lease, *, deadline_s=3600.0, stop=lambda: False):
    """A lease that no machine is too slow for."""
    return LeaseKeeper(sessions, lease, lease_s=60, deadline_s=deadline_s, stop_requested=stop)


def beaten_at(sessions, lease):
    with sessions() as session:
        return session.get(BankImportRun, lease.run_id).heartbeat_at


def test_the_lease_is_extended_while_the_run_works(sessions, lease, renewer):
    first = beaten_at(sessions, lease)
    with renewer.renewing(keeper(sessions, lease)) as alive:
        until(lambda: beaten_at(sessions, lease) > first)
        alive.check()


def test_a_run_that_was_taken_over_stops(sessions, lease, renewer):
    with renewer.renewing(keeper(sessions, lease)) as alive:
        with sessions() as session:
            session.execute(text("UPDATE bank_import_runs SET lease_token = gen_random_uuid()"))
        with pytest.raises(LostLeaseError):
            alive.wait(PATIENCE_S)


def test_a_cancelled_run_stops_but_keeps_its_lease_to_the_end(sessions, lease, renewer):
    with renewer.renewing(keeper(sessions, lease)) as alive:
        with sessions() as session:
            session.execute(text("UPDATE bank_import_runs SET cancel_requested_at = now()"))
        with pytest.raises(CancelRequestedError):
            alive.wait(PATIENCE_S)


def test_a_cancel_ends_a_wait_long_before_the_lease_is_extended(sessions, lease):
    looking = LeaseRenewer(lease_s=86_400)
    try:
        with looking.renewing(keeper(sessions, lease)) as alive:
            with sessions() as session:
                session.execute(text("UPDATE bank_import_runs SET cancel_requested_at = now()"))
            with pytest.raises(CancelRequestedError):
                alive.wait(PATIENCE_S)
    finally:
        looking.stop()


def test_a_shutdown_interrupts_a_wait(sessions, lease):
    asked_at = time.monotonic()
    alive = keeper(sessions, lease, stop=lambda: time.monotonic() > asked_at + 0.1)
    with pytest.raises(StopRequestedError):
        alive.wait(PATIENCE_S)


def test_a_run_hands_itself_back_when_its_time_is_used_up(sessions, lease, renewer):
    with renewer.renewing(keeper(sessions, lease, deadline_s=0.0)) as alive, pytest.raises(StopRequestedError):
        alive.check()


def test_a_process_that_stood_still_longer_than_its_lease_writes_nothing_more(sessions, lease, let_pass):
    alive = keeper(sessions, lease)
    let_pass(61)
    with pytest.raises(LostLeaseError):
        alive.check()


def test_a_transaction_longer_than_the_lease_keeps_it(sessions, lease, take, let_pass):
    alive = keeper(sessions, lease)
    with sessions() as session:
        session.execute(text("UPDATE bank_import_runs SET lease_expires_at = now() - interval '1 s'"))
    with sessions() as session, alive.writing(session):
        fence(session, lease)
        let_pass(61)
        alive.renew()
        alive.check()
        with sessions() as another:
            (silent,) = silent_runs(another)
            assert recover(another, silent, max_attempts=5) is None
    alive.check()
    assert take(lease.run_id) is None


def test_a_renewal_beside_a_transaction_of_the_run_neither_waits_nor_fails(engine, sessions, lease):
    refused = []
    event.listen(engine, "handle_error", refused.append)
    alive = keeper(sessions, lease)
    with sessions() as session, alive.writing(session):
        fence(session, lease)
        alive.renew()  # a wait for the lock could end in a refusal alone: the transaction ends after it
    alive.check()
    assert refused == []


def test_one_run_that_cannot_be_kept_does_not_cost_the_others_theirs(sessions, lease, renewer):
    def broken():
        raise RuntimeError("no session")

    first = beaten_at(sessions, lease)
    with renewer.renewing(keeper(broken, lease)), renewer.renewing(keeper(sessions, lease)) as alive:
        until(lambda: beaten_at(sessions, lease) > first)
        alive.check()


def test_short_transactions_one_after_the_other_keep_the_lease(sessions, lease, let_pass):
    alive = keeper(sessions, lease)
    for _ in range(6):
        with sessions() as session, alive.writing(session):
            fence(session, lease)
            let_pass(20)
        alive.check()

"""A run keeps its lease while it works, and notices within moments when it has to end."""

import time

import pytest
from sqlalchemy import event, text

from tests.waiting import until
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


def keeper(sessions, lease, *, lease_s=0.4, deadline_s=60.0, stop=lambda: False):
    return LeaseKeeper(sessions, lease, lease_s=lease_s, deadline_s=deadline_s, stop_requested=stop)


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
            alive.wait(10)


def test_a_cancelled_run_stops_but_keeps_its_lease_to_the_end(sessions, lease, renewer):
    with renewer.renewing(keeper(sessions, lease)) as alive:
        with sessions() as session:
            session.execute(text("UPDATE bank_import_runs SET cancel_requested_at = now()"))
        with pytest.raises(CancelRequestedError):
            alive.wait(10)


def test_a_cancel_ends_a_wait_long_before_the_lease_is_extended(sessions, lease):
    looking = LeaseRenewer(lease_s=600)
    try:
        with looking.renewing(keeper(sessions, lease, lease_s=600)) as alive:
            with sessions() as session:
                session.execute(text("UPDATE bank_import_runs SET cancel_requested_at = now()"))
            with pytest.raises(CancelRequestedError):
                alive.wait(30)
    finally:
        looking.stop()


def test_a_shutdown_interrupts_a_wait(sessions, lease):
    asked_at = time.monotonic()
    alive = keeper(sessions, lease, lease_s=60, stop=lambda: time.monotonic() > asked_at + 0.1)
    with pytest.raises(StopRequestedError):
        alive.wait(30)


def test_a_run_hands_itself_back_when_its_time_is_used_up(sessions, lease, renewer):
    with renewer.renewing(keeper(sessions, lease, deadline_s=0.0)) as alive, pytest.raises(StopRequestedError):
        alive.check()


def test_a_process_that_stood_still_longer_than_its_lease_writes_nothing_more(sessions, lease, monkeypatch):
    alive = keeper(sessions, lease, lease_s=60)
    now_s = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now_s + 120)
    with pytest.raises(LostLeaseError):
        alive.check()


def test_a_transaction_longer_than_the_lease_keeps_it(sessions, lease, take, renewer):
    alive = keeper(sessions, lease, lease_s=0.4)
    with sessions() as session:
        session.execute(text("UPDATE bank_import_runs SET lease_expires_at = now() + interval '0.4 s'"))
    with renewer.renewing(alive):
        with sessions() as session, alive.writing(session):
            fence(session, lease)
            session.execute(text("SELECT pg_sleep(1)"))
            alive.check()
            with sessions() as another:
                (silent,) = silent_runs(another)
                assert recover(another, silent, max_attempts=5) is None
        alive.check()
        assert take(lease.run_id) is None


def test_a_renewal_beside_a_transaction_of_the_run_neither_waits_nor_fails(engine, sessions, lease):
    refused = []
    event.listen(engine, "handle_error", refused.append)
    alive = keeper(sessions, lease, lease_s=60)
    with sessions() as session, alive.writing(session):
        fence(session, lease)
        asked_at = time.monotonic()
        alive.renew()
        assert time.monotonic() - asked_at < 0.9
    alive.check()
    assert refused == []


def test_one_run_that_cannot_be_kept_does_not_cost_the_others_theirs(sessions, lease, renewer):
    def broken():
        raise RuntimeError("no session")

    first = beaten_at(sessions, lease)
    with renewer.renewing(keeper(broken, lease)), renewer.renewing(keeper(sessions, lease)) as alive:
        until(lambda: beaten_at(sessions, lease) > first)
        alive.check()


def test_short_transactions_one_after_the_other_keep_the_lease(sessions, lease):
    alive = keeper(sessions, lease, lease_s=0.4)
    for _ in range(6):
        with sessions() as session, alive.writing(session):
            fence(session, lease)
            session.execute(text("SELECT pg_sleep(0.08)"))
        alive.check()

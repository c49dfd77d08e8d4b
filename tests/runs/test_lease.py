"""A run is held by one worker at a time, and every write proves it."""

import pytest
from sqlalchemy import text

from tests.factories import make_connection
from tests.leases import claim
from worker.db.engine import Sessions
from worker.errors import CancelRequestedError, LostLeaseError
from worker.models import BankImportRun
from worker.runs.ending import close
from worker.runs.hand_back import hand_back
from worker.runs.lease import extend, fence
from worker.runs.request import request_run
from worker.runs.states import Outcome, RunKind, RunRequest, RunStatus


@pytest.fixture
def run_id(sessions: Sessions, user_id: int):
    with sessions() as session:
        connection_id = make_connection(session, user_id)
        return request_run(session, RunRequest(connection_id=connection_id, kind=RunKind.REFRESH))


def take(sessions: Sessions, run_id):
    with sessions() as session:
        return claim(session, run_id, worker_name="w", lease_s=60)


def test_a_run_is_claimed_once(sessions, run_id):
    assert take(sessions, run_id) is not None
    assert take(sessions, run_id) is None


def test_an_expired_lease_is_taken_over_and_the_old_holder_cannot_write(sessions, run_id):
    old = take(sessions, run_id)
    with sessions() as session:
        session.execute(text("UPDATE bank_import_runs SET lease_expires_at = now() - interval '1 second'"))
    new = take(sessions, run_id)
    assert new is not None
    assert new.attempt == old.attempt + 1
    for write in (lambda s: fence(s, old), lambda s: extend(s, old, lease_s=60)):
        with sessions() as session, pytest.raises(LostLeaseError):
            write(session)


def test_a_cancelled_run_notices_at_the_next_fence(sessions, run_id):
    lease = take(sessions, run_id)
    with sessions() as session:
        session.execute(text("UPDATE bank_import_runs SET cancel_requested_at = now()"))
    with sessions() as session, pytest.raises(CancelRequestedError):
        fence(session, lease)


def test_handing_back_costs_no_attempt(sessions, run_id):
    lease = take(sessions, run_id)
    with sessions() as session:
        hand_back(session, lease)
    assert take(sessions, run_id).attempt == 1


def test_a_finished_run_is_not_claimed_again(sessions, run_id):
    lease = take(sessions, run_id)
    with sessions() as session:
        close(session, lease, Outcome(status=RunStatus.SUCCEEDED, code="ok"))
    assert take(sessions, run_id) is None
    with sessions() as session:
        assert session.get(BankImportRun, run_id).finished_at is not None


def test_two_runs_of_one_connection_never_run_at_once(sessions, run_id):
    assert take(sessions, run_id) is not None
    with sessions() as session:
        connection_id = session.get(BankImportRun, run_id).connection_id
        other = request_run(session, RunRequest(connection_id=connection_id, kind=RunKind.IMPORT))
    assert other != run_id
    assert take(sessions, other) is None

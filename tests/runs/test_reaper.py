"""A run whose worker went silent comes back, once, and not for ever."""

import pytest
from sqlalchemy import text

from worker.models import BankConnection, BankImportRun
from worker.runs.dispatching.dispatch import take_due_runs
from worker.runs.dispatching.dispatch_order import DispatchLimits
from worker.runs.ending import close
from worker.runs.reaper import recover, silent_runs
from worker.runs.states import Outcome, RunStatus


@pytest.fixture
def silence(sessions):
    def make():
        with sessions() as session:
            session.execute(
                text(
                    "UPDATE bank_import_runs SET dispatched_at = now() - interval '1 minute',"
                    " lease_expires_at = now() - interval '1 s' WHERE status = 'running'"
                )
            )

    return make


def reap(sessions, *, max_attempts=5):
    with sessions() as session:
        return [recover(session, silent, max_attempts=max_attempts) for silent in silent_runs(session)]


def status_of(sessions, run_id):
    with sessions() as session:
        run = session.get(BankImportRun, run_id)
        return run.status, run.code


def test_a_live_run_is_left_alone(sessions, connect, ask, take):
    take(ask(connect()))
    assert reap(sessions) == []


def test_a_silent_run_waits_again(sessions, connect, ask, take, silence):
    run_id = ask(connect())
    take(run_id)
    silence()
    assert reap(sessions) == ["queued"]
    assert status_of(sessions, run_id) == ("queued", "lost")
    assert take(run_id).attempt == 2


def test_a_run_that_was_finished_after_it_was_seen_is_not_overwritten(sessions, connect, ask, take, silence):
    run_id = ask(connect())
    lease = take(run_id)
    silence()
    with sessions() as session:
        seen = silent_runs(session)
    with sessions() as session:
        close(session, lease, Outcome(status=RunStatus.SUCCEEDED, code="ok"))
    with sessions() as session:
        assert [recover(session, silent, max_attempts=5) for silent in seen] == [None]
    assert status_of(sessions, run_id) == ("succeeded", "ok")


def test_a_run_that_was_taken_over_after_it_was_seen_is_left_alone(sessions, connect, ask, take, silence):
    run_id = ask(connect())
    take(run_id)
    silence()
    with sessions() as session:
        seen = silent_runs(session)
    take(run_id)
    with sessions() as session:
        assert [recover(session, silent, max_attempts=5) for silent in seen] == [None]


def test_a_run_that_kills_its_worker_every_time_fails_as_poison(sessions, connect, ask, take, silence):
    connection_id = connect()
    run_id = ask(connection_id)
    became = []
    for _ in range(3):
        assert take(run_id) is not None
        silence()
        became += reap(sessions, max_attempts=3)
    assert became == ["queued", "queued", "poison"]
    assert take(run_id) is None
    assert status_of(sessions, run_id) == ("failed", "poison")
    with sessions() as session:
        assert session.get(BankConnection, connection_id).consecutive_failures == 1


def test_a_cancelled_run_whose_worker_died_is_cancelled(sessions, connect, ask, take, silence):
    run_id = ask(connect())
    take(run_id)
    with sessions() as session:
        session.execute(text("UPDATE bank_import_runs SET cancel_requested_at = now()"))
    silence()
    assert reap(sessions) == ["cancelled"]


def test_a_silent_run_with_another_one_behind_it_keeps_its_place(sessions, connect, ask, take, silence):
    connection_id = connect()
    first = ask(connection_id)
    take(first)
    second = ask(connection_id, dry_run=True)
    silence()
    assert reap(sessions) == ["resumed"]
    with sessions() as session:
        limits = DispatchLimits(ahead=10, per_user=10, per_connector=10, redispatch_s=60)
        assert [run.run_id for run in take_due_runs(session, interactive=True, limits=limits)] == [first]
    assert take(second) is None
    assert take(first).attempt == 2


def test_pages_go_by_id_so_that_stuck_rows_hide_nothing(sessions, connect, ask, take, silence):
    for _ in range(5):
        take(ask(connect()))
    silence()
    seen, after = [], None
    with sessions() as session:
        while page := silent_runs(session, after=after, limit=2):
            seen += [silent.run_id for silent in page]
            after = page[-1].run_id
    assert len(seen) == len(set(seen)) == 5


def test_a_run_that_is_given_up_leaves_no_account_in_progress(sessions, connect, ask, take, silence):
    run_id = ask(connect())
    take(run_id)
    with sessions() as session:
        session.execute(
            text(
                "WITH account AS (INSERT INTO bank_connection_accounts (connection_id, user_id, external_id, name)"
                " SELECT connection_id, user_id, 'A', 'Giro' FROM bank_import_runs RETURNING id)"
                " INSERT INTO bank_import_run_accounts (run_id, account_id, status, code)"
                " SELECT :run_id, id, 'partial', 'in_progress' FROM account"
            ),
            {"run_id": run_id},
        )
    silence()
    assert reap(sessions, max_attempts=1) == ["poison"]
    with sessions() as session:
        assert session.execute(text("SELECT status, code FROM bank_import_run_accounts")).all() == [
            ("partial", "poison")
        ]

"""What may be done about a run depends on where it is."""

import uuid

import pytest
from sqlalchemy import text

from tests.factories import make_connection
from tests.leases import claim
from worker.errors import ConflictError, NotFoundError
from worker.models import BankImportRun
from worker.runs.ending import close
from worker.runs.follow_up_requests import cancel, replay_request, retry_request, revert_request
from worker.runs.request import request_run
from worker.runs.run_filter import After, RunFilter
from worker.runs.run_queries import decisions_of, list_runs, run_of
from worker.runs.states import Outcome, RunKind, RunRequest, RunStatus, RunTrigger


@pytest.fixture
def connection_id(sessions, user_id):
    with sessions() as session:
        return make_connection(session, user_id)


@pytest.fixture
def run_id(sessions, connection_id):
    with sessions() as session:
        return request_run(session, RunRequest(connection_id=connection_id, kind=RunKind.REFRESH))


def end(sessions, run_id, status, code="ok"):
    with sessions() as session:
        lease = claim(session, run_id, worker_name="w", lease_s=60)
        close(session, lease, Outcome(status=status, code=code))


def test_a_waiting_run_is_cancelled_at_once(sessions, run_id):
    with sessions() as session:
        assert cancel(session, run_id) is RunStatus.CANCELLED
    with sessions() as session:
        assert session.get(BankImportRun, run_id).finished_at is not None


def test_a_running_run_is_asked_to_stop(sessions, run_id):
    with sessions() as session:
        claim(session, run_id, worker_name="w", lease_s=60)
    with sessions() as session:
        assert cancel(session, run_id) == RunStatus.RUNNING
        assert session.get(BankImportRun, run_id).cancel_requested_at is not None


def test_an_ended_run_cannot_be_cancelled(sessions, run_id):
    end(sessions, run_id, RunStatus.SUCCEEDED)
    with sessions() as session, pytest.raises(ConflictError, match="has ended"):
        cancel(session, run_id)


@pytest.mark.parametrize("status", [RunStatus.FAILED, RunStatus.PARTIAL, RunStatus.CANCELLED])
def test_a_run_that_fell_short_is_asked_for_again(sessions, run_id, connection_id, status):
    end(sessions, run_id, status)
    with sessions() as session:
        again = retry_request(session, run_id)
    assert (again.connection_id, again.kind, again.trigger) == (connection_id, RunKind.REFRESH, RunTrigger.RETRY)


def test_a_run_that_went_well_or_goes_on_is_not_tried_again(sessions, run_id):
    with sessions() as session, pytest.raises(ConflictError, match="queued"):
        retry_request(session, run_id)
    end(sessions, run_id, RunStatus.SUCCEEDED)
    with sessions() as session, pytest.raises(ConflictError, match="succeeded"):
        retry_request(session, run_id)


@pytest.mark.parametrize(
    ("ask", "kind"),
    [(revert_request, RunKind.REVERT), (replay_request, RunKind.REPLAY)],
)
def test_only_an_ended_run_can_be_taken_back_or_replayed(sessions, run_id, ask, kind):
    with sessions() as session, pytest.raises(ConflictError, match="still queued"):
        ask(session, run_id)
    end(sessions, run_id, RunStatus.SUCCEEDED)
    with sessions() as session:
        request = ask(session, run_id)
    assert (request.kind, request.target_run_id) == (kind, run_id)


def test_a_dry_run_cannot_be_taken_back(sessions, connection_id):
    with sessions() as session:
        dry = request_run(session, RunRequest(connection_id=connection_id, kind=RunKind.IMPORT, dry_run=True))
    end(sessions, dry, RunStatus.SUCCEEDED)
    with sessions() as session, pytest.raises(ConflictError, match="dry run"):
        revert_request(session, dry)


def test_somebody_elses_run_is_not_there(sessions, run_id, user_id):
    for ask in (
        cancel,
        retry_request,
        revert_request,
        replay_request,
    ):
        with sessions() as session, pytest.raises(NotFoundError):
            ask(session, run_id, user_id=user_id + 1)
    with sessions() as session, pytest.raises(NotFoundError):
        cancel(session, uuid.uuid4())


def test_runs_are_listed_newest_first_page_by_page(sessions, user_id):
    with sessions() as session:
        wanted = [
            request_run(session, RunRequest(connection_id=make_connection(session, user_id), kind=RunKind.REFRESH))
            for _ in range(5)
        ]
    seen = []
    after = None
    while True:
        with sessions() as session:
            page = list_runs(session, RunFilter(user_id=user_id, after=after, limit=2))
        if not page:
            break
        seen += [run["id"] for run in page]
        after = After(queued_at=page[-1]["queued_at"], run_id=page[-1]["id"])
    assert sorted(seen) == sorted(wanted)
    assert len(seen) == len(set(seen))


def test_a_lease_is_never_shown(sessions, run_id):
    with sessions() as session:
        claim(session, run_id, worker_name="w", lease_s=60)
    with sessions() as session:
        shown = run_of(session, run_id)
    assert shown["status"] == "running"
    assert not any("lease" in name for name in shown)


def test_decisions_are_paged_across_new_rows_and_changes(sessions, run_id):
    with sessions() as session:
        session.execute(
            text(
                "WITH a AS (INSERT INTO bank_connection_accounts (connection_id, user_id, external_id, name)"
                " SELECT connection_id, user_id, 'a', 'Giro' FROM bank_import_runs RETURNING id), t AS ("
                " INSERT INTO bank_transactions (account_id, user_id, identity, content_key, fingerprint, state,"
                "   effective_on, amount, currency, description, expense_state, first_run_id, first_decision,"
                "   first_reason)"
                " SELECT a.id, r.user_id, n::text::bytea, '', '', 'posted', '2026-03-04', -n, 'EUR', 'x', 'none', r.id,"
                "   'created', 'first_seen' FROM bank_import_runs r, a, generate_series(1, 3) n)"
                " INSERT INTO bank_transaction_changes (run_id, account_id, decision, reason)"
                " SELECT r.id, a.id, 'updated', 'changed' FROM bank_import_runs r, a, generate_series(1, 2)"
            )
        )
    seen = []
    with sessions() as session:
        while page := decisions_of(session, run_id, after_id=seen[-1]["id"] if seen else 0, limit=2):
            seen += page
    assert [row["decision"] for row in seen] == ["updated"] * 2 + ["created"] * 3
    assert len({row["id"] for row in seen}) == 5
    assert max(row["id"] for row in seen) < 2**53

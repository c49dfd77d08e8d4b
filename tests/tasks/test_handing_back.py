"""A run that used up its time goes on later; only one that gets nowhere counts as failed."""

import pytest
from psycopg2 import errors
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from worker.db.user_lock import lock_user
from worker.errors import StopRequestedError
from worker.runs.lease_renewal import LeaseKeeper
from worker.tasks import execution

_BEGUN = text(
    "UPDATE bank_import_runs SET not_before = NULL, started_at = now() - CAST(:begun_ago AS interval) WHERE id = :id"
)
_WAITS = text(
    "SELECT not_before - heartbeat_at - CAST(:waits AS interval) BETWEEN '0 s' AND '50 s'"
    " FROM bank_import_runs WHERE id = :id"
)
ACCOUNTS = 8
MORE_THAN_ALLOWED = 7


@pytest.fixture
def time_is_up_when(monkeypatch):
    """End every attempt at the first check at which the condition holds."""

    def arrange(condition):
        def check(keeper):
            if condition(keeper):
                raise StopRequestedError("the run used up its time and goes on later")

        monkeypatch.setattr(LeaseKeeper, "check", check)

    return arrange


def test_a_long_import_goes_on_in_more_slices_than_attempts_are_allowed(
    settings, connect_mock, ask_import, execute, row_of, time_is_up_when
):
    time_is_up_when(lambda keeper: keeper.advanced)
    run_id = ask_import(connect_mock(accounts=ACCOUNTS, history_days=20))
    slices = 0
    while row_of(run_id).finished_at is None:
        execute(run_id)
        slices += 1
        assert row_of(run_id).attempt <= 1
    assert slices >= ACCOUNTS > settings.max_attempts
    assert (row_of(run_id).status, row_of(run_id).code) == ("succeeded", "ok")


def test_a_run_whose_time_is_up_before_it_commits_anything_fails_after_the_bound(
    settings, connect_mock, ask_import, execute, row_of, time_is_up_when
):
    time_is_up_when(lambda _pulse: True)
    run_id = ask_import(connect_mock(history_days=20))
    for attempt in range(1, settings.max_attempts + 1):
        execute(run_id)
        assert (row_of(run_id).status, row_of(run_id).attempt) == ("queued", attempt)
    execute(run_id)
    assert (row_of(run_id).status, row_of(run_id).code) == ("failed", "no_progress")


def test_a_run_that_waits_for_another_import_of_its_user_spends_no_attempt(
    sessions, connect_mock, ask_import, execute, row_of, time_is_up_when
):
    run_id = ask_import(connect_mock(history_days=20))
    # The time is up once the run waits, which is the first thing it does after it has listed the accounts.
    time_is_up_when(lambda keeper: keeper._writing)
    with sessions() as other:
        lock_user(other, row_of(run_id).user_id)
        for _ in range(MORE_THAN_ALLOWED):
            execute(run_id)
            assert (row_of(run_id).status, row_of(run_id).attempt) == ("queued", 0)
    time_is_up_when(lambda _keeper: False)
    execute(run_id)
    assert (row_of(run_id).status, row_of(run_id).attempt) == ("succeeded", 1)


SPENT = {  # attempts, by what ended the statements of a run in every try
    errors.LockNotAvailable: 0,
    errors.DeadlockDetected: 0,
    errors.SerializationFailure: 0,
    errors.QueryCanceled: 1,
    errors.AdminShutdown: 1,
    errors.OutOfMemory: 1,
    errors.ConfigurationLimitExceeded: 1,
    errors.TooManyConnections: 0,
    errors.DiskFull: 0,
    errors.ReadOnlySqlTransaction: 0,
    errors.CannotConnectNow: 0,
}


@pytest.mark.parametrize("cause", SPENT)
def test_a_run_spends_an_attempt_only_on_what_its_own_statements_may_have_brought_about(
    connect_mock, ask_import, execute, row_of, monkeypatch, cause
):
    run_id = ask_import(connect_mock(history_days=20))

    def fails_in_every_try(*_given):
        raise OperationalError("COPY", {}, cause())

    monkeypatch.setattr(execution.engine, "run", fails_in_every_try)
    execute(run_id)
    assert (row_of(run_id).status, row_of(run_id).attempt) == ("queued", SPENT[cause])


def test_a_run_asks_its_bank_the_more_seldom_the_longer_the_database_takes_nothing(
    sessions, connect_mock, ask_import, execute, row_of, monkeypatch
):
    run_id, tried = ask_import(connect_mock(history_days=20)), []

    def fails(claimed, *_given):
        tried.append(claimed)
        raise OperationalError("COPY", {}, errors.DiskFull())

    monkeypatch.setattr(execution.engine, "run", fails)
    for begun_ago, waits in (("0 s", "5 s"), ("1 min", "1 min"), ("1 day", "15 min")):
        with sessions() as session:
            session.execute(_BEGUN, {"id": run_id, "begun_ago": begun_ago})
        execute(run_id)
        with sessions() as session:
            assert session.scalar(_WAITS, {"id": run_id, "waits": waits})
    assert (len(tried), row_of(run_id).attempt) == (3, 0)


def test_a_message_that_finds_the_database_away_waits_for_it(connect_mock, ask_import, execute, row_of, monkeypatch):
    run_id, start = ask_import(connect_mock(history_days=1)), execution._start
    away = [OperationalError("UPDATE", {}, cause()) for cause in (errors.AdminShutdown, errors.CannotConnectNow)]

    def start_once_it_is_back(*given, light):
        if away:
            raise away.pop()
        return start(*given, light=light)

    monkeypatch.setattr(execution, "_start", start_once_it_is_back)
    monkeypatch.setattr(execution, "_RETRY_S", 0)
    execute(run_id)
    assert (row_of(run_id).status, row_of(run_id).attempt) == ("succeeded", 1)

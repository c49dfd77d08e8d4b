"""A run that used up its time goes on later; only one that gets nowhere counts as failed."""

import pytest

from worker.errors import StopRequestedError
from worker.runs.lease_renewal import LeaseKeeper

ACCOUNTS = 8


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
    assert (row_of(run_id).status, row_of(run_id).code) == ("failed", "poison")

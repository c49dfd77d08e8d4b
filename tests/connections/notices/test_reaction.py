"""What notices mean: a table of a login's state and what was reported."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.connections.notices.reaction import ENDS_AFTER, LoginFacts, NoticeFacts, react
from worker.connectors.notices import NoticeAction

T = datetime(2026, 11, 20, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def notice(action, *, at=T, **values):
    return NoticeFacts(**({"action": action, "code": action.upper(), "issued_at": at} | values))


def login(proven_at=T - timedelta(hours=1), status="active", renewed_at=None):
    return LoginFacts(status=status, proven_at=proven_at, renewed_at=renewed_at)


def test_an_error_stops_a_login_unless_it_worked_since():
    error = notice(NoticeAction.NEEDS_USER, reason="expired")
    assert react([error], login()).needs_user == error
    late = react([error], login(proven_at=T + MINUTE))
    assert (late.needs_user, late.look) == (None, True)


@pytest.mark.parametrize(("worked_before", "stops"), [(timedelta(seconds=10), False), (timedelta(minutes=31), True)])
def test_an_error_right_after_the_login_worked_may_be_a_repeated_one_and_is_looked_at(worked_before, stops):
    reaction = react([notice(NoticeAction.NEEDS_USER, reason="expired")], login(proven_at=T - worked_before))
    assert (reaction.needs_user is not None, reaction.look) == (stops, not stops)


@pytest.mark.parametrize(("error_at", "stops"), [(T - MINUTE, False), (T + MINUTE, True)])
def test_of_an_error_and_its_repair_the_later_one_counts_whatever_order_they_arrive_in(error_at, stops):
    error = notice(NoticeAction.NEEDS_USER, at=error_at, reason="expired")
    repaired = notice(NoticeAction.REFRESH, repaired=True)
    for order in ([error, repaired], [repaired, error]):
        reaction = react(order, login())
        assert (reaction.needs_user is not None, reaction.look) == (stops, True)


def test_an_announced_end_is_the_stated_one_or_a_week_away():
    stated = notice(NoticeAction.ACCESS_ENDING, works_until=T + timedelta(days=3))
    assert react([stated], login()).ends_at == T + timedelta(days=3)
    assert react([notice(NoticeAction.ACCESS_ENDING)], login()).ends_at == T + ENDS_AFTER
    assert react([notice(NoticeAction.ACCESS_ENDING)], login(proven_at=T + MINUTE)).ends_at is None


def test_an_end_that_was_announced_before_the_login_was_renewed_is_that_of_the_old_consent():
    announced = notice(NoticeAction.ACCESS_ENDING, works_until=T + timedelta(days=3))
    reaction = react([announced], login(proven_at=T + MINUTE, renewed_at=T + MINUTE))
    assert reaction.ends_at is None
    assert react([announced], login(proven_at=T + MINUTE, renewed_at=T - MINUTE)).ends_at == T + timedelta(days=3)


def test_a_repair_forgets_an_end_that_was_announced_before():
    reaction = react([notice(NoticeAction.ACCESS_ENDING), notice(NoticeAction.REFRESH, at=T + MINUTE, repaired=True)],
                     login())  # fmt: skip
    assert (reaction.ends_at, reaction.forget_end) == (None, True)


def test_a_revoked_account_and_new_accounts_are_kept_side_by_side():
    reaction = react(
        [notice(NoticeAction.ACCOUNT_REVOKED, account_id="a"), notice(NoticeAction.NEW_ACCOUNTS, at=T + MINUTE)],
        login(),
    )
    assert (reaction.revoked_accounts, reaction.new_accounts_at, reaction.look) == ({"a"}, T + MINUTE, True)


def test_what_asks_for_nothing_changes_nothing():
    assert react([notice(NoticeAction.NONE)], login()) == react([], login())


ACTIONS = st.lists(
    st.builds(
        notice,
        st.sampled_from(list(NoticeAction)),
        at=st.integers(-100, 100).map(lambda minutes: T + minutes * MINUTE),
        repaired=st.booleans(),
    ),
    max_size=6,
)


@given(ACTIONS, st.randoms(use_true_random=False))
def test_no_login_is_stopped_by_what_is_older_than_its_last_proof(notices, chance):
    proven_at = T + timedelta(minutes=chance.randint(-100, 100))
    reaction = react(notices, login(proven_at))
    assert reaction.needs_user is None or reaction.needs_user.issued_at > proven_at

"""Long allowances: counted before the call, corrected after it, with a reserve for people."""

import pytest
from sqlalchemy import text

from worker.connectors.base import Quota, QuotaReading, Scope
from worker.connectors.errors import RateLimitError, RateLimitScope
from worker.runs.providers.quota_usage import ReserveError, Spender, correct, spend
from worker.runs.providers.throttle import Call

QUOTAS = (Quota(endpoint="transactions", calls=4, window_s=86_400, scope=Scope.ACCOUNT, reserve=1),)
CALL = Call(endpoint="transactions", account_id="a")


@pytest.fixture
def spender(connect):
    connection_id = connect()
    return lambda *, interactive: Spender(connector_name="mock", connection_id=connection_id, interactive=interactive)


def use(sessions, spender, times, call=CALL):
    for _ in range(times):
        with sessions() as session:
            spend(session, spender, QUOTAS, call)


def test_the_schedule_leaves_the_reserve_to_people(sessions, spender):
    use(sessions, spender(interactive=False), 3)
    with pytest.raises(ReserveError) as refused:
        use(sessions, spender(interactive=False), 1)
    assert refused.value.scope == RateLimitScope.QUOTA
    use(sessions, spender(interactive=True), 1)
    with pytest.raises(RateLimitError) as refused:
        use(sessions, spender(interactive=True), 1)
    assert refused.value.code == "rate_limited"
    assert 86_000 < refused.value.retry_after_s <= 86_400


def test_accounts_and_endpoints_have_windows_of_their_own(sessions, spender):
    use(sessions, spender(interactive=True), 4)
    use(sessions, spender(interactive=True), 4, Call(endpoint="transactions", account_id="b"))
    use(sessions, spender(interactive=True), 9, Call(endpoint="free", account_id="a"))


def test_what_the_provider_says_replaces_what_was_counted(sessions, spender):
    me = spender(interactive=True)
    use(sessions, me, 1)
    with sessions() as session:
        reading = QuotaReading(endpoint="transactions", account_id="a", limit=10, remaining=2, resets_in_s=600)
        correct(session, me, QUOTAS, reading)
    with sessions() as session:
        assert session.execute(text("SELECT calls_limit, calls_used FROM bank_quota_usage")).all() == [(10, 8)]
    use(sessions, me, 2)
    with pytest.raises(RateLimitError) as refused:
        use(sessions, me, 1)
    assert refused.value.retry_after_s <= 600

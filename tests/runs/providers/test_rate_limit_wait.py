"""How long a run waits after an error."""

from datetime import UTC, datetime

import pytest

from worker.connectors.errors import AuthenticationError, ProviderUnavailableError, RateLimitError, RateLimitScope
from worker.errors import KeyProviderUnavailableError
from worker.runs.providers.rate_limit_wait import defer_s

NOW = datetime(2026, 3, 5, 22, 30, tzinfo=UTC)
WEEK_S = 7 * 24 * 3600
QUOTA = RateLimitScope.QUOTA


@pytest.mark.parametrize(
    ("error", "wait_s"),
    [
        (RateLimitError(), 15 * 60),
        (RateLimitError(retry_after_s=40), 40),
        (RateLimitError(retry_after_s=0), 1),
        (RateLimitError(scope=QUOTA), 90 * 60),
        (RateLimitError(scope=QUOTA, retry_after_s=7200), 7200),
        (RateLimitError(scope=QUOTA, retry_after_s=30 * 24 * 3600), WEEK_S),
        (KeyProviderUnavailableError(), 5 * 60),
        (ProviderUnavailableError(), None),
        (AuthenticationError(), None),
    ],
    ids=[
        "a limit per second without a time",
        "a stated time",
        "a stated time of nothing",
        "a spent allowance returns at midnight",
        "a spent allowance with a time",
        "no longer than a week",
        "keys away",
        "a bank that is down is the circuit's",
        "a log-in is the user's",
    ],
)
def test_a_run_waits_as_long_as_its_error_says(error, wait_s):
    assert defer_s(error, NOW) == wait_s

"""FinMind's caches: dropped for what was touched, after the commit, and never a reason for an import to fail."""

from dataclasses import replace
from datetime import date

import pytest
import redis

from tests.importer.bank import Harness
from worker.finmind_cache import open_cache

FIRST = "2025-05"


class WithCache(Harness):
    """A connection whose imports clear FinMind's cache."""

    def context(self):
        return replace(super().context(), clear_cache=self.clear)


@pytest.fixture
def finmind(redis_url):
    client = redis.Redis.from_url(redis_url, decode_responses=True)
    client.flushdb()
    yield client
    client.flushdb()
    client.close()


def test_what_depends_on_touched_months_is_dropped_and_nothing_else(sessions, user_id, finmind, redis_url):
    other = user_id + 1
    gone = [f"user:{user_id}:monthly_summary:{FIRST}"]
    gone += [f"{name}:{month}" for month in (FIRST, "2025-06")
             for name in (f"user:{user_id}:dashboard_summary", f"insights:{user_id}")]  # fmt: skip
    gone.append(f"user:{user_id}:dashboard_summary:2020-02")  # every dashboard lists the newest expenses
    stay = [f"user:{user_id}:monthly_summary:2025-04", f"insights:{user_id}:2025-04", f"user:{user_id}:categories",
            f"user:{user_id}:monthly_summary:2025-06", f"insights:{other}:{FIRST}"]  # fmt: skip
    for key in gone + stay:
        finmind.set(key, "{}")
    harness = WithCache(sessions, user_id)
    cache = open_cache(redis_url)
    committed = []

    def clear(user, months):
        committed.append(len(harness.amounts()))
        cache.clear(user, months)

    harness.clear = clear
    harness.bank.buy("-1", external_id="1", booking_on=date(2025, 5, 3))
    harness.refresh()
    assert committed == [1], "what is dropped is computed anew from what is committed"
    assert sorted(finmind.keys("*")) == sorted(stay)


def test_a_cache_that_is_down_fails_no_import(sessions, user_id):
    harness = WithCache(sessions, user_id)
    harness.clear = open_cache("redis://127.0.0.1:1/0").clear
    harness.bank.buy("-1", external_id="1")
    assert harness.refresh().code == "ok"
    assert harness.amounts() == ["-1.00"]


def test_a_run_that_changes_nothing_drops_nothing(sessions, user_id):
    harness = WithCache(sessions, user_id)
    cleared = []
    harness.clear = lambda _user, months: cleared.append(months)
    harness.bank.buy("-1", external_id="1")
    harness.refresh(dry_run=True)
    assert cleared == []
    harness.refresh()
    harness.refresh()
    assert cleared == [frozenset({"2026-06"})]


def test_months_end_with_the_last_one_of_the_calendar(redis_url):
    with redis.Redis.from_url(redis_url) as finmind:
        finmind.set("user:1:dashboard_summary:9999-12", "{}")
        open_cache(redis_url).clear(1, {"9999-12"})
        assert not finmind.exists("user:1:dashboard_summary:9999-12")

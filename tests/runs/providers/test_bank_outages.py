"""When a bank counts as down: tables of results, general rules, and a fleet of simulated banks."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.runs.providers.bank_outages import BankState, RunResult, after, sentence, usual_failures

T = datetime(2026, 11, 20, 9, 40, tzinfo=UTC)
GOOD, POOR = usual_failures(5000, 4990), usual_failures(5000, 3500)


def results(*words, start=T):
    """`u1-` failed for user 1, `u2+` was good for user 2; a minute apart."""
    return [
        RunResult(
            at=start + timedelta(minutes=place),
            user_id=int(word[1:-1]),
            code=None if word[-1] == "+" else "bank_down",
        )
        for place, word in enumerate(words)
    ]  # fmt: skip


def state(*words, fails=GOOD):
    return after(BankState(), results(*words), fails)


def test_a_bank_that_never_fails_is_down_after_failures_of_three_users_since_the_first_of_them():
    assert state("u1-", "u2-").outage_since_at is None
    assert state("u1+", "u1-", "u2-", "u3-").outage_since_at == T + timedelta(minutes=1)


def test_one_user_alone_makes_no_bank_look_down():
    assert state(*["u1-"] * 50).outage_since_at is None


def test_a_bank_that_often_fails_needs_more():
    three = [f"u{n}-" for n in range(3)]
    assert state(*three, fails=POOR).outage_since_at is None
    assert state(*[f"u{n}-" for n in range(12)], fails=POOR).outage_since_at is not None


def test_an_outage_ends_when_two_in_a_row_were_answered():
    down = ["u1-", "u2-", "u3-"]
    assert state(*down, "u1+").outage_since_at is not None
    assert state(*down, "u1+", "u2-").outage_since_at is not None
    over = state(*down, "u1+", "u2+")
    assert (over.outage_since_at, over.failing_since_at, over.failed_users) == (None, None, ())


def test_answers_take_back_what_failures_said():
    assert state("u1-", "u1+", "u2-", "u2+", "u3-", "u3+", fails=POOR).outage_since_at is None


@given(st.lists(st.tuples(st.integers(1, 9), st.booleans()), max_size=60))
def test_no_bank_is_down_without_failures_of_two_users(seen):
    words = [f"u{user}{'+' if good else '-'}" for user, good in seen]
    if len({user for user, good in seen if not good}) < 2:
        assert state(*words).outage_since_at is None


@pytest.mark.parametrize(
    ("users", "words"),
    [
        (9, "Your bank has not answered anybody since 09:40 UTC; nothing is wrong with your login."),
        (2, "Your bank has not answered since 09:40 UTC; nothing is wrong with your login."),
    ],
)
def test_a_person_is_told_in_a_sentence_that_tells_nothing_of_the_few(users, words):
    assert sentence(T, users, T + timedelta(hours=2)) == words
    assert sentence(T, users, T + timedelta(days=1)).startswith(
        words.partition(" since")[0] + " since 2026-11-20 09:40"
    )
    assert sentence(None, users, T) is None
